"""Messages of tests, and the outbox's time moved by hand."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from service.core import outbox
from service.core.clock import real_now
from service.core.outbox import OutboxAttempt, OutboxMessage

MAIL = {"to": ["support@techcore.example"], "subject": "件名", "body": "本文です。\n"}
POST = {"channel": "#fleet-alerts", "text": "アラートです。"}
PAYLOADS: dict[str, dict[str, Any]] = {"mail": MAIL, "slack": POST}


def publish(db: Session, topic: str, expires_at: datetime | None = None) -> OutboxMessage:
    message = outbox.publish(
        db,
        topic,
        PAYLOADS.get(topic, {}),
        area="fleet",
        recipient="support@techcore.example" if topic == "mail" else "#fleet-alerts",
        title="件名",
        expires_at=expires_at,
    )
    db.commit()
    return message


def only_message(db: Session) -> OutboxMessage:
    db.expire_all()
    return db.scalars(select(OutboxMessage)).one()


def make_due(db: Session) -> None:
    db.execute(update(OutboxMessage).values(next_attempt_at=real_now() - timedelta(seconds=1)))
    db.commit()


def history(db: Session) -> list[str | None]:
    """How each try ended, the first one first."""
    return list(db.scalars(select(OutboxAttempt.outcome).order_by(OutboxAttempt.message_id, OutboxAttempt.number)))
