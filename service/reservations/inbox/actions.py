"""Webhooks: kept once when they come, read one at a time afterwards."""

from __future__ import annotations

from datetime import timedelta

import structlog
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from service.core.clock import real_now
from service.reservations.flow.models import Webhook
from service.reservations.inbox.rules import PATIENCE, StripeTold, Told, call_told, pause, sms_told, stripe_told
from service.reservations.news import actions as news
from service.reservations.news.actions import NotKnownYet

UNKNOWN = "対象が見つかりません。"
# One that cannot be read although it should be possible: somebody has to mend that.
MOST_TRIES = 200
_CHECKOUT = {
    "checkout.session.completed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed",
    "checkout.session.expired",
}
_REFUND = {"refund.created", "refund.updated", "refund.failed", "charge.refund.updated"}

log = structlog.get_logger()


def keep(db: Session, told: Told) -> bool:
    """False when it was kept already: vendors say things more than once."""
    new = insert(Webhook).values(provider=told.provider, event_id=told.event_id, kind=told.kind, body=told.body)
    kept = db.scalars(new.on_conflict_do_nothing(index_elements=["provider", "event_id"]).returning(Webhook.id))
    return kept.one_or_none() is not None


def take(db: Session) -> bool:
    """Reads the webhook that waits longest; False when none is due.

    One about something that is not known yet waits, and so does one whose reading fails.
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
            webhook.reservation_id, webhook.outcome = _read(db, webhook)
        webhook.processed_at = real_now()
    except NotKnownYet:
        if now - webhook.received_at >= PATIENCE:
            webhook.processed_at, webhook.outcome = real_now(), UNKNOWN
            log.warning("webhook about nothing of ours", provider=webhook.provider, kind=webhook.kind, id=webhook.id)
        webhook.next_try_at = now + pause(webhook.tries)
    except Exception:
        log.exception("webhook not read", provider=webhook.provider, kind=webhook.kind, id=webhook.id)
        if webhook.tries >= MOST_TRIES:
            webhook.processed_at, webhook.outcome = real_now(), "読み取りに失敗しました。ログを確認してください。"
        webhook.next_try_at = now + max(pause(webhook.tries), timedelta(seconds=5))
    return True


def _read(db: Session, webhook: Webhook) -> tuple[int | None, str]:
    if webhook.provider == "twilio":
        sms = sms_told(webhook.body)
        return news.sms_told(db, sms.sid, sms.status, sms.code, sms.effect)
    if webhook.provider == "bland":
        return news.call_hinted(db, *call_told(webhook.body))
    return _read_stripe(db, stripe_told(webhook.body))


def _read_stripe(db: Session, told: StripeTold) -> tuple[int | None, str]:
    if told.kind in _CHECKOUT:
        session = {
            "session_id": told.text("id"),
            "status": told.text("status"),
            "payment_status": told.text("payment_status"),
            "payment_intent": told.text("payment_intent"),
            "amount_total": told.number("amount_total"),
        }
        return news.session_told(db, session)
    if told.kind in _REFUND:
        reason = told.text("failure_reason")
        return news.refund_told(db, told.text("id"), told.metadata("effect"), told.text("status"), reason)
    if told.kind == "charge.dispute.created":
        return news.disputed(db, told.text("payment_intent"), told.text("reason"))
    return None, "この種類の連絡は使いません。"
