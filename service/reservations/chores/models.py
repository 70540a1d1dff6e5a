"""Tables of 定期作業: chores, their turns, the events of turns, and the days of Slack reminders."""

from __future__ import annotations

from datetime import date, datetime, time

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Date,
    ForeignKey,
    Identity,
    Index,
    String,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from service.core.database.session import Base, RecordColumns, enum_check
from service.reservations.chores.rules import Outcome, Plan, Rhythm
from service.reservations.history import EventColumns


class Chore(RecordColumns, Base):
    """A recurring task. `code`: set for the chores that the code refers to. `page`: address of the page where it is
    done, without the slash. `minutes`: the estimate; None: 変動."""

    __tablename__ = "reservations_chores"
    __table_args__ = (
        enum_check("rhythm", Rhythm),
        CheckConstraint("starts <= '17:00'", name="starts"),
        CheckConstraint("(rhythm = 'weekly') = (weekday IS NOT NULL) AND weekday BETWEEN 1 AND 5", name="weekday"),
        CheckConstraint(
            "(rhythm = 'monthly' OR business_day IS NULL) AND business_day BETWEEN 1 AND 15", name="business_day"
        ),
        CheckConstraint("minutes BETWEEN 1 AND 100000", name="minutes"),
        CheckConstraint(r"title ~ '\S'", name="title"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    code: Mapped[str | None] = mapped_column(String(30), unique=True)
    title: Mapped[str] = mapped_column(String(100))
    rhythm: Mapped[str] = mapped_column(String(10))
    starts: Mapped[time] = mapped_column(server_default="09:00")
    weekday: Mapped[int | None]
    business_day: Mapped[int | None]
    minutes: Mapped[int | None]
    owner: Mapped[str] = mapped_column(String(100))
    what: Mapped[str] = mapped_column(String(2000), server_default="")
    page: Mapped[str] = mapped_column(String(100), server_default="")
    position: Mapped[int] = mapped_column(server_default="0")

    @property
    def plan(self) -> Plan:
        return Plan(Rhythm(self.rhythm), self.starts, self.weekday, self.business_day)


class ChoreTurn(Base):
    """One planned or finished turn of a chore. A 随時 turn has no `slot` and no `due_at`. `rhythm` is the chore's at
    the time of planning. For a skipped turn, `done_at` and `done_by` say when and by whom, and `note` is the reason."""

    __tablename__ = "reservations_chore_turns"
    __table_args__ = (
        UniqueConstraint("chore_id", "rhythm", "slot", name="uq_reservations_chore_turns_slot"),
        enum_check("outcome", Outcome),
        CheckConstraint(
            "(outcome IS NULL) = (done_at IS NULL) AND (outcome IS NULL) = (done_by IS NULL)", name="done_at"
        ),
        CheckConstraint("due_at > starts_at AND (slot IS NULL) = (due_at IS NULL)", name="due_at"),
        CheckConstraint("minutes BETWEEN 0 AND 100000", name="minutes"),
        Index("ix_reservations_chore_turns_starts_at", "starts_at", "id"),
        Index("ix_reservations_chore_turns_due_at", "due_at", "id"),
        Index("ix_reservations_chore_turns_open", "starts_at", postgresql_where=text("outcome IS NULL")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    chore_id: Mapped[int] = mapped_column(ForeignKey("reservations_chores.id", ondelete="RESTRICT"))
    rhythm: Mapped[str] = mapped_column(String(10))
    slot: Mapped[date | None] = mapped_column(Date)
    starts_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    due_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    lapses_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    outcome: Mapped[str | None] = mapped_column(String(10))
    done_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    done_by: Mapped[str | None] = mapped_column(String(100))
    minutes: Mapped[int | None]
    note: Mapped[str] = mapped_column(String(1000), server_default="")
    version: Mapped[int] = mapped_column(server_default="1")


class ChoreEvent(EventColumns, Base):
    """History of a turn. Append-only."""

    __tablename__ = "reservations_chore_events"
    __table_args__ = (Index("ix_reservations_chore_events_turn_id", "turn_id", "id"),)

    turn_id: Mapped[int] = mapped_column(ForeignKey("reservations_chore_turns.id", ondelete="RESTRICT"))


class ChoreNotice(Base):
    """A day whose reminder of overdue turns was handled."""

    __tablename__ = "reservations_chore_notices"

    day: Mapped[date] = mapped_column(Date, primary_key=True)
    at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())
    overdue: Mapped[int]
