"""Polling: what to ask the vendors about next, because a webhook may never come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from service.core.database.clock import real_now
from service.reservations.outgoing.models import Message, Payment, PhoneCall, Refund
from service.reservations.vendor_events import calls, messages, payments
from service.reservations.vendor_events.rules import POLL_INTERVALS

Kind = Literal["call", "payment", "refund", "sms"]
_TABLES: Mapping[Kind, tuple[type[Any], Any]] = {
    "call": (PhoneCall, PhoneCall.external_id),
    "payment": (Payment, Payment.session_id),
    "refund": (Refund, Refund.refund_id),
    "sms": (Message, Message.external_id),
}


@dataclass(frozen=True)
class Poll:
    """A row to poll. `name`: the vendor's id."""

    kind: Kind
    id: int
    name: str


def take_due_polls(db: Session, limit: int) -> list[Poll]:
    """Takes the rows that are due for polling, the longest due first. A row is due again only after its interval, even
    if the worker that polls it dies."""
    now = real_now()
    polls = []
    for kind, (table, id_column) in _TABLES.items():
        due_ids = (
            select(table.id)
            .where(table.look_at <= now, id_column.is_not(None))
            .order_by(table.look_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
            .scalar_subquery()
        )
        statement = (
            update(table)
            .where(table.id.in_(due_ids))
            .values(look_at=now + POLL_INTERVALS[kind])
            .returning(table.id, id_column)
        )
        statement = statement.execution_options(synchronize_session=False)
        polls += [Poll(kind, row_id, vendor_id) for row_id, vendor_id in db.execute(statement)]
    return polls


def handle_answer(db: Session, poll: Poll, answer: Mapping[str, Any] | None) -> str:
    """Applies the vendor's answer, as its client returns it; None: the vendor has no such object."""
    if poll.kind == "call":
        return calls.handle_call_poll(db, poll.id, answer)
    if answer is None:
        table, _ = _TABLES[poll.kind]
        db.execute(update(table).where(table.id == poll.id).values(look_at=None))
        return "相手先に記録がありません。"
    if poll.kind == "payment":
        return payments.handle_checkout_event(db, answer)[1]
    if poll.kind == "sms":
        return messages.handle_sms_poll(db, poll.id, poll.name, answer)
    reason = str(answer.get("failure_reason") or "")
    return payments.handle_refund_event(db, poll.name, "", str(answer["status"]), reason)[1]
