"""Webhooks: stored once on arrival, processed one at a time afterwards."""

from __future__ import annotations

from datetime import timedelta

import structlog
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from service.core.database.clock import real_now
from service.core.outbox import MESSAGE_KEY
from service.reservations.inbox.models import Webhook
from service.reservations.inbox.rules import (
    GIVE_UP_AFTER,
    StripeEvent,
    WebhookEvent,
    read_call_event,
    read_sms_event,
    read_stripe_event,
    retry_delay,
)
from service.reservations.vendor_events import calls, messages, payments
from service.reservations.vendor_events.rules import UnknownObject

NO_OBJECT = "対象が見つかりません。"
# After so many failures the webhook is given up: a developer has to look at the log.
MAX_TRIES = 200
_CHECKOUT_EVENTS = {
    "checkout.session.completed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed",
    "checkout.session.expired",
}
_REFUND_EVENTS = {"refund.created", "refund.updated", "refund.failed", "charge.refund.updated"}

log = structlog.get_logger()


def store_webhook(db: Session, event: WebhookEvent) -> bool:
    """Stores a webhook. False when it was already stored: vendors repeat webhooks."""
    statement = insert(Webhook).values(
        provider=event.provider, event_id=event.event_id, kind=event.kind, body=event.body
    )
    inserted_ids = db.scalars(
        statement.on_conflict_do_nothing(index_elements=["provider", "event_id"]).returning(Webhook.id)
    )
    return inserted_ids.one_or_none() is not None


def process_next_webhook(db: Session) -> bool:
    """Processes the webhook that has waited longest; False when none is due.

    A webhook about an unknown object, or one that fails, is retried later.
    """
    now = real_now()
    due = (
        select(Webhook)
        .where(Webhook.processed_at.is_(None), Webhook.next_try_at <= now)
        .order_by(Webhook.next_try_at, Webhook.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    webhook = db.scalars(due).one_or_none()
    if webhook is None:
        return False
    webhook.tries += 1
    try:
        with db.begin_nested():
            webhook.reservation_id, webhook.outcome = _process(db, webhook)
        webhook.processed_at = real_now()
    except UnknownObject:
        if now - webhook.received_at >= GIVE_UP_AFTER:
            webhook.processed_at, webhook.outcome = real_now(), NO_OBJECT
            log.warning("webhook about nothing of ours", provider=webhook.provider, kind=webhook.kind, id=webhook.id)
        webhook.next_try_at = now + retry_delay(webhook.tries)
    except Exception:
        log.exception("webhook not read", provider=webhook.provider, kind=webhook.kind, id=webhook.id)
        if webhook.tries >= MAX_TRIES:
            webhook.processed_at, webhook.outcome = real_now(), "読み取りに失敗しました。ログを確認してください。"
        webhook.next_try_at = now + max(retry_delay(webhook.tries), timedelta(seconds=5))
    return True


def _process(db: Session, webhook: Webhook) -> tuple[int | None, str]:
    if webhook.provider == "twilio":
        sms = read_sms_event(webhook.body)
        return messages.handle_sms_event(db, sms.sid, sms.status, sms.code, sms.message_key)
    if webhook.provider == "bland":
        return calls.handle_call_event(db, *read_call_event(webhook.body))
    return _process_stripe(db, read_stripe_event(webhook.body))


def _process_stripe(db: Session, event: StripeEvent) -> tuple[int | None, str]:
    if event.kind in _CHECKOUT_EVENTS:
        session = {
            "session_id": event.text("id"),
            "status": event.text("status"),
            "payment_status": event.text("payment_status"),
            "payment_intent": event.text("payment_intent"),
            "amount_total": event.number("amount_total"),
        }
        return payments.handle_checkout_event(db, session)
    if event.kind in _REFUND_EVENTS:
        message_key, reason = event.metadata(MESSAGE_KEY), event.text("failure_reason")
        return payments.handle_refund_event(db, event.text("id"), message_key, event.text("status"), reason)
    if event.kind == "charge.dispute.created":
        return payments.handle_dispute_event(db, event.text("payment_intent"), event.text("reason"))
    return None, "この種類の連絡は使いません。"
