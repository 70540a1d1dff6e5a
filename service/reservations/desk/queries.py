"""Queries of reservations for operators: the list, and the complete detail."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Select, and_, case, cast, func, select
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Session

from service.core.access.auth import Actor
from service.core.access.identity import User
from service.core.database.clock import app_now, now_sql
from service.core.database.paging import Key, Listing, Page, at_least, before, equals, when_true
from service.core.problems import NotFound
from service.core.values import phones
from service.core.values.times import day_bounds, local_date
from service.reservations.desk import rules, schemas
from service.reservations.flow.progress import MIN_PAUSE, progress
from service.reservations.flow.queries import NOT_FOUND, case_of
from service.reservations.models import Assistant, Plan, Reservation, Service, Shop, TimelineEvent
from service.reservations.operations.models import Operation
from service.reservations.outgoing.models import Message, Payment, PhoneCall, Refund
from service.reservations.outgoing.queries import find_row
from service.reservations.phone_filter import text_or_phone
from service.reservations.state_machine import rules as machine
from service.reservations.state_machine.events import EVENT_ADAPTER, EVENT_LABELS
from service.reservations.state_machine.states import (
    SHOP_SEARCH_STATES,
    WAITING_LABEL,
    Answer,
    Purpose,
    State,
)

SEARCH = text_or_phone(Reservation.code, Reservation.customer_name, phone=Reservation.phone)
_OPEN_OPERATIONS = (
    select(func.count())
    .select_from(Operation)
    .where(Operation.reservation_id == Reservation.id, Operation.resolved_at.is_(None))
    .correlate(Reservation)
    .scalar_subquery()
)
_RESUME_AT = cast(Reservation.case_now["resume_at"].astext, TIMESTAMP(timezone=True))
# No shop is called until the shops open or the second round begins.
_IS_PAUSED = and_(
    Reservation.state == State.CALLING,
    Reservation.case_now["call"].astext.is_(None),
    now_sql() + MIN_PAUSE < _RESUME_AT,
)
WAITS_UNTIL = case((_IS_PAUSED, _RESUME_AT))
STATE_TITLE = case(
    (_IS_PAUSED, WAITING_LABEL),
    else_=case(State.labels(), value=Reservation.state),
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
        phones.format_phone_column(Reservation.phone).label("phone_shown"),
        Reservation.starts_at,
        Reservation.price,
        Reservation.paid,
        Reservation.refunded,
        SHOP_NAME.label("shop_name"),
        _OPEN_OPERATIONS.label("open_operations"),
        Reservation.created_at,
    )
    .join(Service, Service.id == Reservation.service_id)
    .join(Plan, Plan.id == Reservation.plan_id)
    .outerjoin(Shop, Shop.id == Reservation.shop_id),
    model=schemas.ReservationItem,
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
        "needs_people": when_true(_OPEN_OPERATIONS > 0),
        "since": at_least(Reservation.starts_at, lambda day: day_bounds(day)[0]),
        "until": before(Reservation.starts_at, lambda day: day_bounds(day)[1]),
    },
)


def reservations(
    db: Session, limit: int, cursor: str | None, filters: schemas.ReservationFilters
) -> Page[schemas.ReservationItem]:
    return RESERVATIONS.read(db, limit, cursor, filters.sort, **filters.model_dump(exclude={"sort"}))


def reservations_export(_: Actor, filters: schemas.ReservationFilters) -> Select[*tuple[Any, ...]]:
    """Raises Invalid for an unknown sort order."""
    return RESERVATIONS.all(filters.sort, **filters.model_dump(exclude={"sort"}))


def counts(db: Session) -> schemas.Counts:
    now = app_now(db)
    today, tomorrow = day_bounds(local_date(now))
    is_confirmed = Reservation.state == State.CONFIRMED
    is_today = (Reservation.starts_at >= today) & (Reservation.starts_at < tomorrow)
    conditions = {
        "seeking": Reservation.state.in_(SHOP_SEARCH_STATES),
        "paying": Reservation.state.in_((State.CALLING_SUCCESS, State.AWAITING_PAYMENT, State.EXPIRING)),
        "confirmed": is_confirmed,
        "today": is_confirmed & is_today,
        "refunding": Reservation.state == State.REFUND_PENDING,
        "asked_today": Reservation.created_at >= today,
    }
    columns = [func.count().filter(condition).label(name) for name, condition in conditions.items()]
    row = db.execute(select(func.count().label("total"), *columns).select_from(Reservation)).one()
    with_open_operations = select(func.count(Operation.reservation_id.distinct())).where(
        Operation.resolved_at.is_(None)
    )
    return schemas.Counts(as_of=now, needs_people=db.scalar(with_open_operations) or 0, **row._mapping)


def find(db: Session, code: str) -> Reservation:
    """Finds a reservation by its 予約ID, ignoring case and surrounding spaces. Raises NotFound."""
    reservation = db.scalars(select(Reservation).where(Reservation.code == code.strip().upper())).one_or_none()
    if reservation is None:
        raise NotFound(NOT_FOUND)
    return reservation


def get_call(db: Session, reservation: Reservation, number: int) -> PhoneCall:
    """Raises NotFound with a message for the user."""
    call = find_row(db, PhoneCall, PhoneCall.reservation_id == reservation.id, PhoneCall.number == number)
    if call is None:
        raise NotFound("この番号の電話は見つかりません。画面を開き直してください。")
    return call


def reservation_detail(db: Session, code: str) -> schemas.ReservationDetail:
    """A reservation with all its data. Raises NotFound."""
    db.flush()
    reservation, now = find(db, code), app_now(db)
    row = db.execute(RESERVATIONS.rows.where(Reservation.id == reservation.id)).one()
    current = case_of(reservation)
    current_progress = progress(current, now)
    shops = _shops(db)
    service = db.get_one(Service, reservation.service_id)
    assistant = db.get(Assistant, reservation.assistant_id) if reservation.assistant_id else None
    creator = db.get(User, reservation.user_id) if reservation.user_id else None
    return schemas.ReservationDetail(
        **row._mapping,
        as_of=now,
        progress=current_progress.sentence,
        progress_by=current_progress.by,
        next_action_at=current.next_action_at,
        service_id=service.id,
        service_code=service.code,
        plan_code=db.get_one(Plan, reservation.plan_id).code,
        phone=reservation.phone,
        mail=reservation.mail,
        wishes=reservation.wishes,
        assistant_name=assistant.name if assistant else None,
        created_by=creator.name if creator else None,
        shop_id=reservation.shop_id,
        asked_id=current.asked,
        asked_name=shops.get(current.asked) if current.asked else None,
        sms_fails=current.sms_fails,
        pay_until=current.deadline,
        cancel_until=current.cancel_until,
        closed_at=reservation.closed_at,
        actions=rules.possible_actions(current, now),
        calls=_calls(db, reservation, shops),
        timeline=_timeline(db, reservation, shops),
        messages=_messages(db, reservation),
        money=_money(db, reservation),
        operations=_operations(db, reservation),
    )


def _shops(db: Session) -> dict[int, str]:
    return {shop.id: shop.name for shop in db.execute(select(Shop.id, Shop.name))}


def _calls(db: Session, reservation: Reservation, shops: Mapping[int, str]) -> list[schemas.CallItem]:
    statement = select(PhoneCall).where(PhoneCall.reservation_id == reservation.id).order_by(PhoneCall.number.desc())
    return [_call(call, shops) for call in db.scalars(statement)]


def _call(call: PhoneCall, shops: Mapping[int, str]) -> schemas.CallItem:
    reading = call.reading or {}
    return schemas.CallItem(
        number=call.number,
        round=call.round,
        shop_id=call.shop_id,
        shop_name=shops[call.shop_id],
        phone_shown=phones.format_phone(call.phone),
        is_active=call.is_active,
        planned_at=call.planned_at,
        placed_at=call.placed_at,
        ended_at=call.ended_at,
        answer=call.answer,
        answer_title=Answer(call.answer).label if call.answer else None,
        read_answer=call.read_answer,
        **{name: reading.get(name) or "" for name in ("why", "quote", "staff", "change", "summary")},
        seconds=call.seconds,
        transcript=call.transcript or [],
        overruled_at=call.overruled_at,
        overruled_by=call.overruled_by,
        may_overrule=call.answer is not None and not call.is_active,
    )


def _timeline(db: Session, reservation: Reservation, shops: Mapping[int, str]) -> list[schemas.EventItem]:
    statement = select(TimelineEvent).where(TimelineEvent.reservation_id == reservation.id)
    return [
        schemas.EventItem(
            number=event.number,
            at=event.at,
            kind=event.kind,
            title=EVENT_LABELS[event.kind],
            state_before=event.state_before,
            state=event.state,
            state_title=WAITING_LABEL if event.kind == "shops_closed" else State(event.state).label,
            ignored=event.ignored,
            source=event.source,
            source_title=_source_title(event),
            by=event.by,
            note=event.note,
            led_to=rules.effect_texts(event.effects, shops),
            event=event.event,
        )
        for event in db.scalars(statement.order_by(TimelineEvent.number.desc()))
    ]


def _source_title(event: TimelineEvent) -> str:
    return rules.SOURCE_LABELS.get(event.source, event.source)


def replay_steps(db: Session, code: str) -> schemas.Replay:
    """Replays the reservation from its first event on. Raises NotFound."""
    reservation, shops = find(db, code), _shops(db)
    statement = select(TimelineEvent).where(TimelineEvent.reservation_id == reservation.id)
    events = db.scalars(statement.order_by(TimelineEvent.number)).all()
    replayed = machine.replay((event.at, EVENT_ADAPTER.validate_python(event.event)) for event in events)
    items = [_step(event, outcome, shops) for event, (_, _, outcome) in zip(events, replayed, strict=True)]
    return schemas.Replay(as_of=app_now(db), items=items)


def _step(event: TimelineEvent, outcome: machine.Outcome, shops: Mapping[int, str]) -> schemas.StepItem:
    return schemas.StepItem(
        number=event.number,
        at=event.at,
        title=EVENT_LABELS[event.kind],
        by=event.by,
        source_title=_source_title(event),
        state_before=event.state_before,
        agrees=(event.state, event.ignored) == (outcome.case.state.value, outcome.ignored),
        **rules.replay_step(outcome, event.at, shops),
    )


def _messages(db: Session, reservation: Reservation) -> list[schemas.MessageItem]:
    statement = select(Message).where(Message.reservation_id == reservation.id).order_by(Message.id.desc())
    fields = ("id", "channel", "recipient", "purpose", "title", "status", "tries", "error")
    timestamps = ("created_at", "sent_at", "delivered_at")
    return [
        schemas.MessageItem(
            **{name: getattr(message, name) for name in (*fields, *timestamps)},
            purpose_title=rules.PURPOSE_LABELS[Purpose(message.purpose)],
            address=phones.format_phone(message.address),
            body=rules.without_tokens(message.body),
        )
        for message in db.scalars(statement)
    ]


def _money(db: Session, reservation: Reservation) -> list[schemas.MoneyItem]:
    payments = db.scalars(select(Payment).where(Payment.reservation_id == reservation.id)).all()
    refunds = db.scalars(select(Refund).where(Refund.reservation_id == reservation.id)).all()
    items = [_money_item(payment, "payment", payment.closed_at) for payment in payments]
    items += [_money_item(refund, "refund", refund.settled_at, refund.error) for refund in refunds]
    return sorted(items, key=lambda item: item.at, reverse=True)


def _money_item(
    row: Payment | Refund, kind: Literal["payment", "refund"], settled_at: datetime | None, error: str = ""
) -> schemas.MoneyItem:
    return schemas.MoneyItem(
        kind=kind,
        number=row.number,
        amount=row.amount,
        status=row.status,
        error=error,
        at=row.created_at,
        settled_at=settled_at,
    )


def _operations(db: Session, reservation: Reservation) -> list[schemas.TaskItem]:
    fields = [getattr(Operation, name) for name in schemas.TaskItem.model_fields]
    statement = select(*fields).where(Operation.reservation_id == reservation.id)
    statement = statement.order_by(Operation.resolved_at.is_not(None), Operation.id.desc())
    return [schemas.TaskItem(**row) for row in db.execute(statement).mappings()]
