"""Scratch: demo."""

from service.scratch.models import Note
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.demo import people


def fill(db: Session) -> None:
    if db.scalar(select(func.count()).select_from(Note)):
        return
    people.add_tenant_memberships(db, "scratch", {"1": 1, "2": 2})
    db.add_all(Note(agency_id=agency, text=f"代理店{agency}の{n}件目のメモ") for agency in (1, 2) for n in range(1, 6))
