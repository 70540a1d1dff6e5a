"""Scratch: demo."""

from service.scratch.models import Note
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.core.access.identity import Membership, User

ACCOUNTS = {
    "scratch-admin": ("予備 管子", "admin"),
    "scratch-reader": ("予備 読", "reader"),
    "scratch-sales-a": ("予備 営一", "sales"),
    "scratch-sales-a2": ("予備 営二", "sales"),
    "scratch-sales-b": ("予備 営三", "sales"),
}
AGENCIES = {"scratch-sales-a": 1, "scratch-sales-a2": 1, "scratch-sales-b": 2}


def fill(db: Session) -> None:
    if db.scalar(select(func.count()).select_from(Note)):
        return
    for login_id, agency in AGENCIES.items():
        user = db.scalars(select(User).where(User.login_id == login_id)).one()
        user.memberships.append(Membership(area="scratch", role="sales", tenant_id=agency))
    db.add_all(Note(agency_id=agency, text=f"代理店{agency}の{n}件目のメモ") for agency in (1, 2) for n in range(1, 6))
