"""Every read of reservations for people: the list, and one with all that is known of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Select, String, and_, bindparam, case, cast, func, or_, select
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Session

from service.core import phones
from service.core.auth import Actor
from service.core.clock import app_now, now_sql
from service.core.identity import User
from service.core.paging import Filter, Key, Listing, at_least, before, contains, equals, when
from service.core.problems import NotFound
from service.core.times import day_bounds, local_date
from service.reservations.desk import rules, schemas
from service.reservations.events.rules import (
    ANSWER_WORDS,
    EVENT,
    EVENT_WORDS,
    SEEKING,
    STATE_WORDS,
    WAITING_WORDS,
    Answer,
    Purpose,
    State,
)
from service.reservations.flow.models import (
    Assistant,
    Letter,
    Payment,
    PhoneCall,
    Refund,
    Reservation,
    TimelineEvent,
)
from service.reservations.flow.queries import ABSENT, case_of
from service.reservations.machine import rules as machine
from service.reservations.operations.models import Operation
from service.reservations.progress.rules import WORTH_SAYING, progress
from service.reservations.services.models import Plan, Service
from service.reservations.shops.models import Shop

# Two texts in one parameter: what is looked for in codes and names, and the digits in telephone numbers, or nothing.
_APART = "\x1f"


def _found_by(name: str) -> ColumnElement[bool]:
    text, digits = (func.split_part(bindparam(name, type_=String), _APART, place) for place in (1, 2))
    return or_(
        *(
            func.lower(column).like(func.lower(text), escape="/")
            for column in (Reservation.code, Reservation.customer_name)
        ),
        phones.behind(Reservation.phone).like(digits),
    )


def _looked_for(asked: str) -> str | None:
    # As `contains` makes it, whose own columns do not matter here.
    text, digits = contains(Reservation.code).value(asked.strip()), phones.part(asked)
    return f"{text}{_APART}{f'%{digits}%' if digits else ''}" if text else None


SEARCH = Filter(_found_by, _looked_for)
_OPEN = (
    select(func.count())
    .select_from(Operation)
    .where(Operation.reservation_id == Reservation.id, Operation.resolved_at.is_(None))
    .correlate(Reservation)
    .scalar_subquery()
)
_RESUMES = cast(Reservation.case_now["resume_at"].astext, TIMESTAMP(timezone=True))
# No telephone rings until the shops open, or until the second round begins.
_IS_PAUSED = and_(
    Reservation.state == State.CALLING,
    Reservation.case_now["call"].astext.is_(None),
    now_sql() + WORTH_SAYING < _RESUMES,
)
WAITS_UNTIL = case((_IS_PAUSED, _RESUMES))
STATE_TITLE = case(
    (_IS_PAUSED, WAITING_WORDS),
    else_=case({one.value: words for one, words in STATE_WORDS.items()}, value=Reservation.state),
)
SHOP_NAME = func.coalesce(Shop.name, func.nullif(Reservation.shop_note, ""))

RESERVATIONS = Listing(
    select(
        Reservation.id,
        Reservation.code,
        Reservation.version,
        Reservation.state,
        STATE_TITLE.label("state_title"),
        Reservation.state_since,
        WAITS_UNTIL.label("waits_until"),
        Service.name.label("service_name"),
        Plan.name.label("plan_name"),
        Reservation.customer_name,
        phones.shown_column(Reservation.phone).label("phone_shown"),
        Reservation.starts_at,
        Reservation.price,
        Reservation.paid,
        Reservation.refunded,
        SHOP_NAME.label("shop_name"),
        _OPEN.label("open_operations"),
        Reservation.created_at,
    )
    .join(Service, Service.id == Reservation.service_id)
    .join(Plan, Plan.id == Reservation.plan_id)
    .outerjoin(Shop, Shop.id == Reservation.shop_id),
    unique=Reservation.id,
    keys={
        "created_at": Key(Reservation.created_at),
        "starts_at": Key(Reservation.starts_at),
        "state_since": Key(Reservation.state_since),
    },
    default="-created_at",
    filters={
        "q": SEARCH,
        "state": equals(Reservation.state),
        "service_id": equals(Reservation.service_id),
        "shop_id": equals(Reservation.shop_id),
        "needs_people": when(_OPEN > 0),
        "since": at_least(Reservation.starts_at, lambda day: day_bounds(day)[0]),
        "until": before(Reservation.starts_at, lambda day: day_bounds(day)[1]),
    },
)


def _cut(filters: schemas.ReservationFilters) -> dict[str, Any]:
    return {
        "q": filters.q,
        "state": filters.state.value if filters.state else None,
        "service_id": filters.service_id,
        "shop_id": filters.shop_id,
        "needs_people": filters.needs_people,
        "since": filters.since,
        "until": filters.until,
    }


def reservations(db: Session, limit: int, cursor: str | None, filters: schemas.ReservationFilters) -> dict[str, Any]:
    return RESERVATIONS.page(db, limit, cursor, filters.sort, **_cut(filters))


def reservations_to_take_along(_: Actor, filters: schemas.ReservationFilters) -> Select[*tuple[Any, ...]]:
    """Raises Invalid for an order that is none of ours."""
    return RESERVATIONS.all(filters.sort, **_cut(filters))


def counts(db: Session) -> dict[str, Any]:
    now = app_now(db)
    today, tomorrow = day_bounds(local_date(now))
    is_confirmed = Reservation.state == State.CONFIRMED
    is_of_today = (Reservation.starts_at >= today) & (Reservation.starts_at < tomorrow)
    conditions = {
        "seeking": Reservation.state.in_(SEEKING),
        "paying": Reservation.state.in_((State.CALLING_SUCCESS, State.AWAITING_PAYMENT, State.EXPIRING)),
        "confirmed": is_confirmed,
        "today": is_confirmed & is_of_today,
        "refunding": Reservation.state == State.REFUND_PENDING,
        "asked_today": Reservation.created_at >= today,
    }
    found = [func.count().filter(condition).label(name) for name, condition in conditions.items()]
    row = db.execute(select(func.count().label("total"), *found).select_from(Reservation)).one()
    waiting = select(func.count(Operation.reservation_id.distinct())).where(Operation.resolved_at.is_(None))
    return {"as_of": now, "needs_people": db.scalar(waiting) or 0, **row._mapping}


def find(db: Session, code: str) -> Reservation:
    """By its 予約ID, however it is written. Raises NotFound."""
    found = db.scalars(select(Reservation).where(Reservation.code == code.strip().upper())).one_or_none()
    if found is None:
        raise NotFound(ABSENT)
    return found


def call_of(db: Session, reservation: Reservation, number: int) -> PhoneCall:
    """Raises NotFound, in words."""
    found = db.scalars(
        select(PhoneCall).where(PhoneCall.reservation_id == reservation.id, PhoneCall.number == number)
    ).one_or_none()
    if found is None:
        raise NotFound("この番号の電話は見つかりません。画面を開き直してください。")
    return found


def in_full(db: Session, code: str) -> dict[str, Any]:
    """One reservation with all that is known of it. Raises NotFound."""
    db.flush()
    reservation, now = find(db, code), app_now(db)
    listed = dict(db.execute(RESERVATIONS.rows.where(Reservation.id == reservation.id)).one()._mapping)
    current = case_of(reservation)
    stands = progress(current, now)
    shops = _shops(db)
    service = db.get_one(Service, reservation.service_id)
    assistant = db.get(Assistant, reservation.assistant_id) if reservation.assistant_id else None
    creator = db.get(User, reservation.user_id) if reservation.user_id else None
    return listed | {
        "as_of": now,
        "progress": stands.sentence,
        "progress_by": stands.by,
        "next_action_at": current.next_action_at,
        "service_id": service.id,
        "service_code": service.code,
        "plan_code": db.get_one(Plan, reservation.plan_id).code,
        "phone": reservation.phone,
        "mail": reservation.mail,
        "wishes": reservation.wishes,
        "assistant_name": assistant.name if assistant else None,
        "created_by": creator.name if creator else None,
        "shop_id": reservation.shop_id,
        "asked_id": current.asked,
        "asked_name": shops.get(current.asked) if current.asked else None,
        "sms_fails": current.sms_fails,
        "pay_until": current.deadline,
        "cancel_until": current.cancel_until,
        "closed_at": reservation.closed_at,
        "actions": rules.actions(current, now),
        "calls": _calls(db, reservation, shops),
        "timeline": _timeline(db, reservation, shops),
        "messages": _messages(db, reservation),
        "money": _money(db, reservation),
        "operations": _operations(db, reservation),
    }


def _shops(db: Session) -> dict[int, str]:
    return {shop.id: shop.name for shop in db.execute(select(Shop.id, Shop.name))}


def _calls(db: Session, reservation: Reservation, shops: Mapping[int, str]) -> list[dict[str, Any]]:
    found = select(PhoneCall).where(PhoneCall.reservation_id == reservation.id).order_by(PhoneCall.number.desc())
    return [_call(call, shops) for call in db.scalars(found)]


def _call(call: PhoneCall, shops: Mapping[int, str]) -> dict[str, Any]:
    reading = call.reading or {}
    return {
        "number": call.number,
        "round": call.round,
        "shop_id": call.shop_id,
        "shop_name": shops[call.shop_id],
        "phone_shown": phones.shown(call.phone),
        "is_active": call.is_active,
        "planned_at": call.planned_at,
        "placed_at": call.placed_at,
        "ended_at": call.ended_at,
        "answer": call.answer,
        "answer_title": ANSWER_WORDS[Answer(call.answer)] if call.answer else None,
        "read_answer": call.read_answer,
        **{name: reading.get(name) or "" for name in ("why", "quote", "staff", "change", "summary")},
        "seconds": call.seconds,
        "transcript": call.transcript or [],
        "overruled_at": call.overruled_at,
        "overruled_by": call.overruled_by,
        "may_overrule": call.answer is not None and not call.is_active,
    }


def _timeline(db: Session, reservation: Reservation, shops: Mapping[int, str]) -> list[dict[str, Any]]:
    found = select(TimelineEvent).where(TimelineEvent.reservation_id == reservation.id)
    return [
        {
            "number": one.number,
            "at": one.at,
            "kind": one.kind,
            "title": EVENT_WORDS[one.kind],
            "state_before": one.state_before,
            "state": one.state,
            "state_title": WAITING_WORDS if one.kind == "shops_closed" else STATE_WORDS[State(one.state)],
            "ignored": one.ignored,
            "source": one.source,
            "source_title": _source_title(one),
            "by": one.by,
            "note": one.note,
            "led_to": rules.effects_in_words(one.effects, shops),
            "event": one.event,
        }
        for one in db.scalars(found.order_by(TimelineEvent.number.desc()))
    ]


def _source_title(one: TimelineEvent) -> str:
    return rules.SOURCE_WORDS.get(one.source, one.source)


def steps(db: Session, code: str) -> dict[str, Any]:
    """Its life from the first event on, decided anew. Raises NotFound."""
    reservation, shops = find(db, code), _shops(db)
    statement = select(TimelineEvent).where(TimelineEvent.reservation_id == reservation.id)
    found = db.scalars(statement.order_by(TimelineEvent.number)).all()
    lived = machine.replay((one.at, EVENT.validate_python(one.event)) for one in found)
    items = [_step(one, outcome, shops) for one, (_, _, outcome) in zip(found, lived, strict=True)]
    return {"as_of": app_now(db), "items": items}


def _step(one: TimelineEvent, outcome: machine.Outcome, shops: Mapping[int, str]) -> dict[str, Any]:
    return {
        "number": one.number,
        "at": one.at,
        "title": EVENT_WORDS[one.kind],
        "by": one.by,
        "source_title": _source_title(one),
        "state_before": one.state_before,
        "agrees": (one.state, one.ignored) == (outcome.case.state.value, outcome.ignored),
        **rules.step(outcome, one.at, shops),
    }


def _messages(db: Session, reservation: Reservation) -> list[dict[str, Any]]:
    found = select(Letter).where(Letter.reservation_id == reservation.id).order_by(Letter.id.desc())
    fields = ("id", "channel", "recipient", "purpose", "title", "status", "tries", "error")
    moments = ("created_at", "sent_at", "delivered_at")
    return [
        {name: getattr(letter, name) for name in (*fields, *moments)}
        | {
            "purpose_title": rules.PURPOSE_WORDS[Purpose(letter.purpose)],
            "address": phones.shown(letter.address),
            "body": rules.without_keys(letter.body),
        }
        for letter in db.scalars(found)
    ]


def _money(db: Session, reservation: Reservation) -> list[dict[str, Any]]:
    payments = db.scalars(select(Payment).where(Payment.reservation_id == reservation.id)).all()
    refunds = db.scalars(select(Refund).where(Refund.reservation_id == reservation.id)).all()
    found = [
        {"kind": "payment", "error": "", "at": one.created_at, "settled_at": one.closed_at, **_amount(one)}
        for one in payments
    ]
    found += [
        {"kind": "refund", "error": one.error, "at": one.created_at, "settled_at": one.settled_at, **_amount(one)}
        for one in refunds
    ]
    return sorted(found, key=lambda one: one["at"], reverse=True)


def _amount(one: Payment | Refund) -> dict[str, Any]:
    return {"number": one.number, "amount": one.amount, "status": one.status}


def _operations(db: Session, reservation: Reservation) -> list[dict[str, Any]]:
    fields = [getattr(Operation, name) for name in schemas.TaskItem.model_fields]
    found = select(*fields).where(Operation.reservation_id == reservation.id)
    found = found.order_by(Operation.resolved_at.is_not(None), Operation.id.desc())
    return [dict(row._mapping) for row in db.execute(found)]
