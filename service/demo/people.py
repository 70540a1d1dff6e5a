"""Demo accounts (`accounts` in the data file of each area). One password for all, printed by `make up`; outside demo
mode none of these exist.

`admin` administers all areas.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.access.identity import Membership, User, hash_password
from service.core.areas import AREAS, areas
from service.core.users.scope import administers
from service.demo.files import load

PASSWORD: str = load("people")["password"]


def accounts() -> Mapping[str, tuple[str, Mapping[str, str]]]:
    """Login id → name, area → role."""
    everything = {area: next(role for role in areas()[area].roles if administers(area, role)) for area in AREAS}
    listed: dict[str, tuple[str, Mapping[str, str]]] = {"admin": (load("people")["admin"], everything)}
    for area in AREAS:
        for login_id, account in load(area)["accounts"].items():
            listed[login_id] = (account["name"], {area: account["role"]})
    return listed


def as_json() -> dict[str, Any]:
    """For the login page and the launcher: what each account may do, in words."""
    words = {"admin": "すべての機能"}
    for login_id, (_, roles) in accounts().items():
        titles = (f"{areas()[area].title}・{areas()[area].roles[role].title}" for area, role in roles.items())
        words.setdefault(login_id, "、".join(titles))
    return {"password": PASSWORD, "accounts": words}


def fill(db: Session) -> None:
    """A role that is bound to an agency or a nursery is given by its area, which knows their ids
    (`add_tenant_memberships`)."""
    listed = accounts()
    users = {user.login_id: user for user in db.scalars(select(User))}
    # Hashing takes a quarter of a second by design; one hash serves all accounts, which share the password anyway.
    hashed = "" if users.keys() >= listed.keys() else hash_password(PASSWORD)
    for login_id, (name, roles) in listed.items():
        user = users.get(login_id)
        if user is None:
            user = User(login_id=login_id, name=name, password_hash=hashed)
            db.add(user)
        held = {membership.area for membership in user.memberships}
        free = {area: role for area, role in roles.items() if areas()[area].roles[role].scope is None}
        user.memberships.extend(Membership(area=area, role=role) for area, role in free.items() if area not in held)


def add_tenant_memberships(db: Session, area: str, ids: Mapping[str, int]) -> None:
    """`ids`: of the area's agencies or nurseries, by their codes."""
    for login_id, account in load(area)["accounts"].items():
        user = db.scalars(select(User).where(User.login_id == login_id)).one()
        if "at" in account and not any(membership.area == area for membership in user.memberships):
            bound = {"role": account["role"], "tenant_id": ids[account["at"]], "details": account.get("details", {})}
            user.memberships.append(Membership(area=area, **bound))
