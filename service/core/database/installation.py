"""Marks a demo database. The demo's accounts have a public password, so production refuses a database with them."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, SmallInteger, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from service.core.database.session import Base
from service.core.settings import settings


class Installation(Base):
    """One row."""

    __tablename__ = "installation"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    holds_demo: Mapped[bool]


def mark_as_demo(db: Session) -> None:
    db.execute(update(Installation).values(holds_demo=True))


def refuse_demo_in_production(db: Session) -> None:
    """Raises SystemExit when production was pointed at the demo's database."""
    if settings().mode == "production" and db.scalar(select(Installation.holds_demo)):
        raise SystemExit(
            "This database holds the demo's accounts, whose password is public. Production needs one of its own: "
            "set DATABASE_URL, or delete the demo's data with make reset."
        )
