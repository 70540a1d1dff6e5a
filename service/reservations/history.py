"""The history of a record: who did what and when. Each kind of record has a table of its own; rows are only added."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel
from sqlalchemy import BigInteger, ColumnElement, ForeignKey, Identity, String, func, select
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, Session, mapped_column

from service.core.access.auth import Actor
from service.core.database.clock import app_now

SYSTEM = "システム"


class EventColumns:
    """The columns of an event; the table adds its record's id."""

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())
    kind: Mapped[str] = mapped_column(String(30))
    by: Mapped[str] = mapped_column(String(100))
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"))
    text: Mapped[str | None] = mapped_column(String(2000))


class HistoryEvent(BaseModel):
    id: int
    at: datetime
    kind: str
    by: str
    text: str | None


def actor_name(by: Actor | None) -> str:
    """None: it happened automatically."""
    return by.name[:100] if by else SYSTEM


def event_values(db: Session, kind: str, by: Actor | None, text: str | None, max_length: int = 2000) -> dict[str, Any]:
    """The values of an event that happens now. A longer text is cut."""
    return {
        "at": app_now(db),
        "kind": kind,
        "by": actor_name(by),
        "user_id": by.user_id if by else None,
        "text": text[:max_length] if text else None,
    }


def events_where(db: Session, table: type[EventColumns], is_of_record: ColumnElement[bool]) -> list[HistoryEvent]:
    """A record's events, the newest first."""
    columns = (table.id, table.at, table.kind, table.by, table.text)
    rows = db.execute(select(*columns).where(is_of_record).order_by(table.id.desc()))
    return [HistoryEvent(**row) for row in rows.mappings()]
