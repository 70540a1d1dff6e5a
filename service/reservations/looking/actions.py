"""Whom to ask next how something stands, since webhooks may never come; what they answer is taken by `news`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from service.core.clock import real_now
from service.reservations.flow.models import Letter, Payment, PhoneCall, Refund
from service.reservations.news import actions as news
from service.reservations.news.rules import LOOK_PAUSES

Kind = Literal["call", "payment", "refund", "sms"]
_TABLES: Mapping[Kind, tuple[type[Any], Any]] = {
    "call": (PhoneCall, PhoneCall.external_id),
    "payment": (Payment, Payment.session_id),
    "refund": (Refund, Refund.refund_id),
    "sms": (Letter, Letter.external_id),
}


@dataclass(frozen=True)
class Look:
    """`name`: the vendor's own of the thing."""

    kind: Kind
    id: int
    name: str


def take(db: Session, limit: int) -> list[Look]:
    """What is due to be looked at, the longest due first. It is not due again before its pause is over, whatever
    becomes of whoever asks."""
    now = real_now()
    found = []
    for kind, (table, name) in _TABLES.items():
        due = (
            select(table.id)
            .where(table.look_at <= now, name.is_not(None))
            .order_by(table.look_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
            .scalar_subquery()
        )
        taken = update(table).where(table.id.in_(due)).values(look_at=now + LOOK_PAUSES[kind]).returning(table.id, name)
        taken = taken.execution_options(synchronize_session=False)
        found += [Look(kind, thing, named) for thing, named in db.execute(taken)]
    return found


def seen(db: Session, look: Look, told: Mapping[str, Any] | None) -> str:
    """What the vendor said about it, in its client's words; None: it has no such thing."""
    if look.kind == "call":
        call = db.get_one(PhoneCall, look.id)
        return news.call_seen(db, call, told) if told is not None else news.call_gone(db, call)
    if told is None:
        table, _ = _TABLES[look.kind]
        db.execute(update(table).where(table.id == look.id).values(look_at=None))
        return "相手先に記録がありません。"
    if look.kind == "payment":
        return news.session_told(db, told)[1]
    if look.kind == "sms":
        return news.sms_seen(db, db.get_one(Letter, look.id), look.name, told)
    reason = str(told.get("failure_reason") or "")
    return news.refund_told(db, look.name, "", str(told["status"]), reason)[1]
