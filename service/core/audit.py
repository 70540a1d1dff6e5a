"""Who changed what, from what, to what. Append-only: the application's role may insert and read, nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Literal

import structlog
from sqlalchemy import BigInteger, ForeignKey, Identity, Index, String, func, insert
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.orm import Mapped, Session, mapped_column

from service.core.auth import Actor
from service.core.db import Base

Action = Literal[
    "create", "update", "delete", "status_change", "cancel", "login", "logout", "login_failed", "reveal", "export"
]
# Any field with one of these words in its name, at any depth.
SECRET_WORDS = ("password", "token", "secret", "card_number", "security_code", "enrolment_code")
MASK = "********"

log = structlog.get_logger()


class AuditEntry(Base):
    """In monthly partitions by `at`, which is why `at` is part of the key."""

    __tablename__ = "audit_entries"
    __table_args__ = (
        Index("ix_audit_entries_at_id", "at", "id"),
        Index("ix_audit_entries_area_at", "area", "at"),
        Index("ix_audit_entries_user_id_at", "user_id", "at"),
        Index("ix_audit_entries_subject_subject_id_at", "subject", "subject_id", "at"),
        {"postgresql_partition_by": "RANGE (at)"},
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.now(), primary_key=True)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"))
    # Kept beside the id: an entry must stay readable, and machines have a name but no user.
    actor: Mapped[str] = mapped_column(String(100))
    address: Mapped[str] = mapped_column(String(64))
    area: Mapped[str] = mapped_column(String(32))
    action: Mapped[str] = mapped_column(String(32))
    subject: Mapped[str] = mapped_column(String(64))
    subject_id: Mapped[str] = mapped_column(String(100))
    before: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    after: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))


def record(
    db: Session,
    by: Actor | str,
    action: Action,
    area: str,
    subject: str,
    subject_id: object,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    address: str = "-",
    user_id: int | None = None,
) -> None:
    """Adds an entry in the transaction that makes the change. `by` is a person or a machine's name; `user_id` is for
    a person who is known, but not signed in: administrators see the floor's entries of their people by it."""
    person = by if isinstance(by, Actor) else None
    # Not through the session: that would ask for the new row's id, and whoever writes an entry need not see it.
    db.execute(
        insert(AuditEntry)
        .inline()
        .values(
            user_id=person.user_id if person else user_id,
            actor=person.login_id if person else str(by)[:100],
            address=(person.address if person else address)[:64],
            area=area,
            action=action,
            subject=subject,
            subject_id=str(subject_id)[:100],
            before=masked(before),
            after=masked(after),
        )
    )
    _note(area, action, subject, 1)


def record_many(
    db: Session,
    by: Actor,
    action: Action,
    area: str,
    subject: str,
    changes: Iterable[tuple[object, Mapping[str, Any] | None, Mapping[str, Any] | None]],
) -> None:
    """As `record` for many rows at once, each (subject id, before, after); two statements instead of thousands."""
    same = {"user_id": by.user_id, "actor": by.login_id, "address": by.address[:64], "area": area}
    entries = [
        same
        | {"action": action, "subject": subject, "subject_id": str(subject_id)[:100]}
        | {"before": masked(before), "after": masked(after)}
        for subject_id, before, after in changes
    ]
    if entries:
        db.execute(insert(AuditEntry).inline(), entries)
        _note(area, action, subject, len(entries))


def _note(area: str, action: Action, subject: str, count: int) -> None:
    """A line under the request's id, by which the entries are found; who and what stands in the trail alone."""
    if structlog.contextvars.get_contextvars().get("request_id"):
        log.info("audited", area=area, action=action, subject=subject, count=count)


def masked(values: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The values with every secret replaced, nested ones included. An id or a hash of a secret is none."""
    return None if values is None else {name: _masked(name, value) for name, value in values.items()}


def _masked(name: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return masked(value)
    if isinstance(value, list):
        return [_masked(name, item) for item in value]
    secret = any(word in name for word in SECRET_WORDS) and not name.endswith("_id")
    return MASK if secret and value is not None else value
