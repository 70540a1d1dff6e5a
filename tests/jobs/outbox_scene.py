"""Outbox messages for tests, and helpers that make them due and show their attempts."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from service.core.database.clock import real_now
from service.core.outbox import queue
from service.core.outbox.records import OutboxAttempt, OutboxMessage

MAIL = {"to": ["support@techcore.example"], "subject": "件名", "body": "本文です。\n"}
POST = {"channel": "#fleet-alerts", "text": "アラートです。"}
PHONE = "+819012345678"
SHOP = "+81311112222"
SMS = {"to": PHONE, "body": "ご予約を受け付けました。\n予約番号 QRV-000001", "validity_seconds": 600}
CALL = {
    "do": "call",
    "phone": SHOP,
    "task": "予約できるかを確認してください。",
    "first_sentence": "お忙しいところ恐れ入ります。",
    "language": "ja",
    "max_minutes": 5,
    "request_data": {"date": "2026-12-01", "time": "10:00"},
    "analysis_schema": {"outcome": "string"},
}
CHECKOUT = {
    "do": "checkout",
    "reference": "QRV-000001",
    "amount": 5500,
    "name": "ペットホテル 1泊",
    "expires_in_seconds": 2700,
    "success_url": "https://genba.example/pay/done",
    "cancel_url": "https://genba.example/pay/back",
    "metadata": {"reservation": "1"},
}
PAYLOADS: dict[str, dict[str, Any]] = {"mail": MAIL, "slack": POST, "sms": SMS, "voice": CALL, "payments": CHECKOUT}


def publish(
    db: Session,
    topic: str,
    expires_at: datetime | None = None,
    area: str = "fleet",
    tries: int = 0,
    payload: dict[str, Any] | None = None,
) -> OutboxMessage:
    message = queue.publish(
        db,
        topic,
        PAYLOADS.get(topic, {}) if payload is None else payload,
        area=area,
        recipient="support@techcore.example" if topic == "mail" else "#fleet-alerts",
        title="件名",
        expires_at=expires_at,
        tries=tries,
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
    """The outcome of each attempt, oldest first."""
    return list(db.scalars(select(OutboxAttempt.outcome).order_by(OutboxAttempt.message_id, OutboxAttempt.number)))
