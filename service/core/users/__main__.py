"""Commands for accounts, run on the server itself by its operator.

`create` creates the first administrator of an area; further ones are created in ユーザー管理. `reset` sets a new
one-time password: the only administrator of an area has no other administrator to ask.
"""

from __future__ import annotations

import argparse
import sys

from sqlalchemy import select

from service.core import audit
from service.core.access import passwords
from service.core.access.identity import Membership, User, find_by_login_id, hash_password
from service.core.areas import AREAS, areas
from service.core.database.session import SYSTEM, transaction
from service.core.users import actions
from service.core.users.scope import administers, administrators


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m service.core.users")
    verbs = parser.add_subparsers(dest="verb", required=True)
    create = verbs.add_parser("create", help="the first administrator of an area")
    create.add_argument("--login-id", required=True)
    create.add_argument("--name", required=True)
    create.add_argument("--area", required=True, choices=AREAS)
    reset = verbs.add_parser("reset", help="a new one-time password")
    reset.add_argument("--login-id", required=True)
    arguments = parser.parse_args(argv)
    return _create(arguments) if arguments.verb == "create" else _reset(arguments.login_id)


def _reset(login_id: str) -> int:
    password = passwords.one_time_password()
    hashed = hash_password(password)
    with transaction(SYSTEM) as db:
        user = actions.reset_password_from_server(db, login_id, hashed)
    if user is None:
        print(f"Nobody signs in as {login_id}, or the account is inactive.", file=sys.stderr)
        return 1
    print(f"One-time password (for 72 hours): {password}")
    return 0


def _create(arguments: argparse.Namespace) -> int:
    role = next(name for name in areas()[arguments.area].roles if administers(arguments.area, name))
    password = passwords.one_time_password()
    hashed = hash_password(password)
    with transaction(SYSTEM) as db:
        existing_id = db.scalars(
            select(Membership.id).join(User).where(administrators(arguments.area), User.is_active)
        ).first()
        if existing_id is not None:
            print(
                f"{arguments.area} has an administrator already; the next one is made in ユーザー管理.", file=sys.stderr
            )
            return 1
        user = find_by_login_id(db, arguments.login_id)
        if user is None:
            user = User(
                login_id=arguments.login_id, name=arguments.name, password_hash=hashed, must_change_password=True
            )
            user.one_time_until = passwords.one_time_until()
            db.add(user)
        else:
            password = ""
        membership = next((existing for existing in user.memberships if existing.area == arguments.area), None)
        if membership is None:
            user.memberships.append(Membership(area=arguments.area, role=role))
        else:
            membership.role, membership.tenant_id, membership.is_suspended = role, None, False
        db.flush()  # for the id
        membership_values = {"area": arguments.area, "role": role, "tenant_id": None}
        after = {"login_id": user.login_id, "name": user.name, "memberships": [membership_values]}
        audit.record(db, audit.COMMAND_LINE, "create", arguments.area, "user", user.id, after=after)
    print(
        f"One-time password (for 72 hours): {password}"
        if password
        else f"{arguments.login_id} keeps the password there is."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
