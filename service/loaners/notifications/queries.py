"""Every read of notifications."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.loaners.notifications.models import Notification
from service.loaners.notifications.rules import Notice


def notified_recipient(db: Session, event_id: int) -> str | None:
    """The recipient of the mail about the change by this form event; None: no mail."""
    return db.scalar(
        select(Notification.recipient).where(
            Notification.event_id == event_id, Notification.kind == Notice.CHANGE.value
        )
    )
