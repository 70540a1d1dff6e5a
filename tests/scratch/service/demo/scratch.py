"""Scratch: demo."""

from service.scratch.models import Note
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.core.identity import Membership, User

PEOPLE = {
    "scratch-admin": ("admin", None),
    "scratch-reader": ("reader", None),
    "scratch-sales-a": ("sales", 1),
    "scratch-sales-a2": ("sales", 1),
    "scratch-sales-b": ("sales", 2),
}


def fill(db: Session) -> None:
    if db.scalar(select(func.count()).select_from(Note)):
        return
    for login_id, (role, agency) in PEOPLE.items():
        user = User(login_id=login_id, name=login_id, password_hash="-")
        user.memberships.append(Membership(area="scratch", role=role, tenant_id=agency))
        db.add(user)
    db.add_all(Note(agency_id=agency, text=f"代理店{agency}の{n}件目のメモ") for agency in (1, 2) for n in range(1, 6))
