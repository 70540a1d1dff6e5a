"""Demo accounts. One password for all, printed by `make up`; outside demo mode none of these exist."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.identity import Membership, User, hash_password

PASSWORD = "genba-demo"

# login id -> name, memberships (area -> role)
ACCOUNTS = {
    "admin": ("管理 一郎", {"fleet": "admin"}),
    "fleet-admin": ("端末 管子", {"fleet": "admin"}),
    "fleet-operator": ("田中 運", {"fleet": "operator"}),
    "fleet-support": ("佐藤 支", {"fleet": "support"}),
    "fleet-viewer": ("鈴木 覧", {"fleet": "viewer"}),
}


def fill(db: Session) -> None:
    known = {user.login_id: user for user in db.scalars(select(User))}
    # Hashing takes a quarter of a second by design; one hash serves all accounts, which share the password anyway.
    hashed = "" if known.keys() >= ACCOUNTS.keys() else hash_password(PASSWORD)
    for login_id, (name, roles) in ACCOUNTS.items():
        user = known.get(login_id)
        if user is None:
            user = User(login_id=login_id, name=name, password_hash=hashed)
            db.add(user)
        held = {membership.area for membership in user.memberships}
        user.memberships.extend(Membership(area=area, role=role) for area, role in roles.items() if area not in held)
