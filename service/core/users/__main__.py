"""What has to be done about accounts on the server itself, by whoever runs it.

`create` makes the first administrator of an area; one that has an administrator gets the next one in ユーザー管理.
`reset` gives somebody a new one-time password: the only administrator cannot ask another one for it.
"""

from __future__ import annotations

import argparse
import sys

from sqlalchemy import select

from service.core import audit, passwords
from service.core.areas import AREAS, areas
from service.core.db import SYSTEM, transaction
from service.core.identity import Membership, User, find_by_login_id, hash_password
from service.core.users import actions
from service.core.users.reach import administers, administrators


def main(given: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m service.core.users")
    verbs = parser.add_subparsers(dest="verb", required=True)
    create = verbs.add_parser("create", help="the first administrator of an area")
    create.add_argument("--login-id", required=True)
    create.add_argument("--name", required=True)
    create.add_argument("--area", required=True, choices=AREAS)
    reset = verbs.add_parser("reset", help="a new one-time password")
    reset.add_argument("--login-id", required=True)
    asked = parser.parse_args(given)
    return _create(asked) if asked.verb == "create" else _reset(asked.login_id)


def _reset(login_id: str) -> int:
    password = passwords.one_time_password()
    hashed = hash_password(password)
    with transaction(SYSTEM) as db:
        found = actions.reset_from_the_server(db, login_id, hashed)
    if found is None:
        print(f"Nobody signs in as {login_id}, or the account is inactive.", file=sys.stderr)
        return 1
    print(f"One-time password (for 72 hours): {password}")
    return 0


def _create(asked: argparse.Namespace) -> int:
    role = next(name for name in areas()[asked.area].roles if administers(asked.area, name))
    password = passwords.one_time_password()
    hashed = hash_password(password)
    with transaction(SYSTEM) as db:
        there = db.scalars(select(Membership.id).join(User).where(administrators(asked.area), User.is_active)).first()
        if there is not None:
            print(f"{asked.area} has an administrator already; the next one is made in ユーザー管理.", file=sys.stderr)
            return 1
        user = find_by_login_id(db, asked.login_id)
        if user is None:
            user = User(login_id=asked.login_id, name=asked.name, password_hash=hashed, must_change_password=True)
            user.one_time_until = passwords.one_time_until()
            db.add(user)
        else:
            password = ""
        held = next((membership for membership in user.memberships if membership.area == asked.area), None)
        if held is None:
            user.memberships.append(Membership(area=asked.area, role=role))
        else:
            held.role, held.tenant_id, held.is_suspended = role, None, False
        db.flush()  # for the id
        held_now = {"area": asked.area, "role": role, "tenant_id": None}
        after = {"login_id": user.login_id, "name": user.name, "memberships": [held_now]}
        audit.record(db, actions.COMMAND_LINE, "create", asked.area, "user", user.id, after=after)
    print(
        f"One-time password (for 72 hours): {password}"
        if password
        else f"{asked.login_id} keeps the password there is."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
