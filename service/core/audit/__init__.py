"""The audit log: who changed what, from what, to what. Append-only: the application's role can only insert and read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Literal

import structlog
from sqlalchemy import BigInteger, ForeignKey, Identity, Index, String, func, insert
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.orm import Mapped, Session, mapped_column

from service.core.access.auth import Actor
from service.core.database.session import Base

Action = Literal[
    "create", "update", "delete", "status_change", "cancel", "login", "logout", "login_failed", "reveal", "export"
]
# The fields of an entry before and after.
Changes = tuple[Mapping[str, Any], Mapping[str, Any]]
NO_CHANGES: Changes = ({}, {})
# A field with one of these words in its name is masked, at any depth.
SECRET_WORDS = ("password", "token", "secret", "card_number", "security_code", "enrolment_code")
MASK = "********"
# The actor of a command that is run on the server itself.
COMMAND_LINE = "command line"

log = structlog.get_logger()


class AuditEntry(Base):
    """Partitioned by month of `at`, so `at` is part of the primary key."""

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
    # Stored in addition to the id: an entry must stay readable, and machines have a name but no user.
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
    """Adds an entry in the transaction of the change. `by` is a user or a machine's name. `user_id` is for a user who
    is known, but not signed in: by it administrators see the core's entries of their users."""
    user = by if isinstance(by, Actor) else None
    # Not as an ORM object: that would read the new row's id, and the writer of an entry may not see audit entries.
    db.execute(
        insert(AuditEntry)
        .inline()
        .values(
            user_id=user.user_id if user else user_id,
            actor=user.login_id if user else str(by)[:100],
            address=(user.address if user else address)[:64],
            area=area,
            action=action,
            subject=subject,
            subject_id=str(subject_id)[:100],
            before=masked(before),
            after=masked(after),
        )
    )
    _log_entries(area, action, subject, 1)


def record_many(
    db: Session,
    by: Actor,
    action: Action,
    area: str,
    subject: str,
    changes: Iterable[tuple[object, Mapping[str, Any] | None, Mapping[str, Any] | None]],
) -> None:
    """As `record` for many rows at once, each (subject id, before, after): two statements instead of thousands."""
    shared = {"user_id": by.user_id, "actor": by.login_id, "address": by.address[:64], "area": area}
    entries = [
        shared
        | {"action": action, "subject": subject, "subject_id": str(subject_id)[:100]}
        | {"before": masked(before), "after": masked(after)}
        for subject_id, before, after in changes
    ]
    if entries:
        db.execute(insert(AuditEntry).inline(), entries)
        _log_entries(area, action, subject, len(entries))


def _log_entries(area: str, action: Action, subject: str, count: int) -> None:
    """Logs a line with the request's id, which leads to the entries; user and values are only in the audit log."""
    if structlog.contextvars.get_contextvars().get("request_id"):
        log.info("audited", area=area, action=action, subject=subject, count=count)


def masked(values: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The values with every secret replaced, also nested ones. The id of a secret (`…_id`) is not masked."""
    return None if values is None else {name: _masked(name, value) for name, value in values.items()}


def _masked(name: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return masked(value)
    if isinstance(value, list):
        return [_masked(name, item) for item in value]
    secret = any(word in name for word in SECRET_WORDS) and not name.endswith("_id")
    return MASK if secret and value is not None else value
