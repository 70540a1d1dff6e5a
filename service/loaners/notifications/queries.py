"""Every read of notifications."""

from __future__ import annotations

from typing import Any

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from service.core.outbox.messages import STATE
from service.core.outbox.records import OutboxMessage
from service.loaners.notifications.models import Notification
from service.loaners.notifications.rules import Notice

_IN_OUTBOX = OutboxMessage.id.is_not(None)


def device_notifications(db: Session, device_id: int, limit: int) -> dict[str, Any]:
    """Newest first."""
    of_this_device = Notification.device_id == device_id
    rows = db.execute(
        select(
            Notification.id,
            Notification.kind,
            Notification.event_id,
            Notification.recipient,
            Notification.title,
            Notification.told_at,
            case((_IN_OUTBOX, STATE), else_=Notification.state).label("state"),
            case((_IN_OUTBOX, OutboxMessage.sent_at), else_=Notification.sent_at).label("sent_at"),
            case((_IN_OUTBOX, OutboxMessage.last_error), else_=Notification.error).label("error"),
        )
        .outerjoin(OutboxMessage, OutboxMessage.id == Notification.message_id)
        .where(of_this_device)
        .order_by(Notification.id.desc())
        .limit(limit)
    )
    total = db.scalar(select(func.count()).select_from(Notification).where(of_this_device))
    return {"items": [dict(row) for row in rows.mappings()], "total": total}


def notified_recipient(db: Session, event_id: int) -> str | None:
    """The recipient of the mail about the change by this form event; None: no mail."""
    return db.scalar(
        select(Notification.recipient).where(
            Notification.event_id == event_id, Notification.kind == Notice.CHANGE.value
        )
    )
