"""The only place where events reach a reservation: it locks the reservation, asks the state machine, stores the result
and carries out the effects, all in one transaction."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Literal

import structlog
from sqlalchemy import text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from service.core import audit
from service.core.access.auth import Actor
from service.core.database.clock import app_now
from service.core.database.session import violates
from service.core.problems import Conflict, Invalid, WrongFields
from service.core.values.phones import is_mobile
from service.core.values.texts import to_e164
from service.core.values.times import format_local_datetime
from service.reservations.flow import queries
from service.reservations.models import Plan, Reservation, Service, TimelineEvent
from service.reservations.outgoing import actions as outgoing
from service.reservations.outgoing.models import PhoneCall
from service.reservations.outgoing.queries import find_row
from service.reservations.rules import AREA
from service.reservations.services.queries import active_plans, active_services
from service.reservations.state_machine import events as e
from service.reservations.state_machine import rules as machine
from service.reservations.state_machine.case import LONGEST_NOTICE, SHORTEST_NOTICE, Case
from service.reservations.state_machine.events import EVENT_LABELS, Event
from service.reservations.state_machine.rules import Outcome
from service.reservations.state_machine.shop_search import BUSY_DELAY, PhoneLine, earliest_call, unusual_time_reason
from service.reservations.state_machine.states import FINAL_STATES, State

Source = Literal["system", "assistant", "customer", "stripe", "twilio", "bland", "operator"]
# Without 0, O, 1 and I, which are easy to confuse on the telephone.
CODE_ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
# The same request again within this time is a duplicate.
DUPLICATE_WINDOW = timedelta(minutes=10)
# A reservation that fails to advance must not block the others.
RETRY_DELAY = timedelta(minutes=1)
# A reservation that waits for a busy telephone is woken when the line is free, and checks again itself after about so
# long.
LINE_CHECK_INTERVAL = timedelta(minutes=1)
# More events than can be due at once: two rounds of skipped shops, and what follows.
MAX_EVENTS_AT_ONCE = 500
# States in which the shops' telephone lines matter.
CALLING_STATES = frozenset({State.REQUESTED, State.CALLING})

log = structlog.get_logger()


def create(
    db: Session,
    *,
    assistant_id: int | None = None,
    by: Actor | None = None,
    client_request_id: str,
    service_code: str,
    plan_code: str,
    starts_at: datetime,
    customer_name: str,
    phone: str,
    mail: str = "",
    wishes: str = "",
    hours_confirmed: bool = False,
    admit: Callable[[str], None] = lambda _: None,
) -> Reservation:
    """Creates a reservation for an assistant or an operator. `client_request_id` is the idempotency key: a repeated
    request returns the first reservation, and so does the same request within ten minutes. `hours_confirmed`: the
    customer confirmed a time at which no shop answers. `admit` is called with the phone number of a new request; it may
    raise.

    Raises:
        Invalid: unknown service or size, a time too soon or too far away, or not a Japanese mobile number. That no
            shop offers the service is no error: operators are notified.
        OutsideHours: the customer has to confirm the time first.
    """
    user_id = by.user_id if by is not None else None
    own_requests = queries.requested_by(assistant_id, user_id)
    same_key = own_requests.where(Reservation.client_request_id == client_request_id)
    if (existing := db.scalars(same_key).one_or_none()) is not None:
        return existing
    wrong = WrongFields()
    with wrong.noted():
        number = normalize_phone(phone)
    with wrong.noted():
        service, plan = _find_plan(db, service_code, plan_code)
    if wrong:
        with wrong.noted():
            validate_start_time(starts_at, app_now(db))
    wrong.refuse()
    # A repeated request waits for the first one while that is in progress.
    db.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": f"reservations {number}"})
    if (existing := db.scalars(same_key).one_or_none()) is not None:
        return existing
    now = app_now(db)
    if duplicate := db.scalars(
        queries.duplicates(own_requests, number, service.id, starts_at, now - DUPLICATE_WINDOW)
    ).one_or_none():
        return duplicate
    validate_start_time(starts_at, now)
    order = queries.call_order(db, service.id)
    if not hours_confirmed:
        _require_hours_confirmed(db, order, starts_at)
    admit(number)
    event = e.Requested(starts_at=starts_at, price=plan.price, order=order)
    outcome = machine.start(event, now)
    reservation = Reservation(
        assistant_id=assistant_id,
        user_id=user_id,
        client_request_id=client_request_id,
        service_id=service.id,
        plan_id=plan.id,
        customer_name=customer_name.strip(),
        phone=number,
        mail=mail.strip(),
        wishes=wishes.strip(),
        created_at=now,
        version=1,
    )
    _store_case(reservation, outcome.case, now)
    try:
        _insert(db, reservation)
    except IntegrityError as error:
        # The same key with another telephone number, at the same time.
        if violates(error, "uq_reservations_reservations_request"):
            return db.scalars(same_key).one()
        raise
    source: Source = "operator" if by is not None else "assistant"
    _carry_out_and_record(db, reservation, None, event, outcome, now, source=source, by=by)
    if by is not None:
        after = {"state": outcome.case.state.label, "starts_at": starts_at.isoformat()}
        audit.record(db, by, "create", AREA.name, "reservation", reservation.code, after=after)
    return reservation


def record_event(
    db: Session,
    reservation_id: int,
    event: Event,
    *,
    source: Source,
    by: Actor | None = None,
    note: str = "",
) -> Outcome:
    """Locks the reservation and applies the event (`apply_event`). Raises NotFound: there is no such reservation."""
    return apply_event(db, queries.lock_reservation(db, reservation_id), event, source=source, by=by, note=note)


def apply_event(
    db: Session,
    reservation: Reservation,
    event: Event,
    *,
    source: Source,
    by: Actor | None = None,
    note: str = "",
    now: datetime | None = None,
    changes: audit.Changes = audit.NO_CHANGES,
) -> Outcome:
    """Applies an event to a reservation that this transaction has locked, and records it. An event that changes nothing
    is recorded as well, with the reason (`Outcome.ignored`). `changes`: what else the user changed with it, before and
    after, for the audit log."""
    before, now = queries.case_of(reservation), now or app_now(db)
    outcome = machine.apply(before, event, now)
    if outcome.ignored is None:
        _store_case(reservation, outcome.case, now)
        reservation.shop_note = _shop_note(reservation, outcome.case, event)
        reservation.version += 1
    if isinstance(event, e.CallEnded):
        _end_call(db, reservation, event, now, by)
    db.flush()
    _carry_out_and_record(db, reservation, before, event, outcome, now, source=source, by=by, note=note)
    if isinstance(event, e.CallEnded):
        _wake_next_for_line(db, event.shop, now)
    elif any(isinstance(effect, e.StopCall) for effect in outcome.effects):
        _wake_next_for_line(db, before.turn[-1], now)
    if by is not None:
        _audit(db, reservation, by, event, before, outcome, changes)
    return outcome


def advance_due(db: Session, limit: int = 1) -> int:
    """Advances the reservations with an event due by time; returns how many. One that fails is retried after a minute.
    Reservations that are locked by other transactions are skipped."""
    now = app_now(db)
    reservations = db.scalars(queries.due_reservations(now, limit), execution_options={"populate_existing": True}).all()
    for reservation in reservations:
        try:
            with db.begin_nested():
                _advance(db, reservation, now)
        except Exception:
            log.exception("a reservation could not be moved on", reservation=reservation.code)
            db.refresh(reservation)
            reservation.next_action_at = app_now(db) + RETRY_DELAY
            db.flush()
    return len(reservations)


def _advance(db: Session, reservation: Reservation, now: datetime) -> None:
    """Applies events until none is due. Two reservations may want to call one telephone at the same time: the unique
    index lets the first one call, and the second one finds the line busy."""
    busy_shops: set[int] = set()
    for _ in range(MAX_EVENTS_AT_ONCE):
        case = queries.case_of(reservation)
        lines = queries.phone_lines(db, reservation.id, case.order) if case.state in CALLING_STATES else {}
        event = machine.due_event(case, now, partial(_earliest_call, lines=lines, busy_shops=busy_shops, now=now))
        if event is None:
            # After a failed attempt (`advance_due`) the due time is the regular one again.
            reservation.next_action_at = case.next_action_at
            return
        if isinstance(event, e.ShopsClosed) and _waits_for_line(case, event, now):
            # Spread, so that not all check in the same second.
            reservation.next_action_at = (
                now + LINE_CHECK_INTERVAL / 2 + LINE_CHECK_INTERVAL * (reservation.id % 60) / 60
            )
            return
        if not isinstance(event, e.CallPlaced):
            apply_event(db, reservation, event, source="system", now=now)
            continue
        try:
            with db.begin_nested():
                apply_event(db, reservation, event, source="system", now=now)
        except IntegrityError as error:
            if not violates(error, "uq_reservations_calls_line"):
                raise
            db.refresh(reservation)
            busy_shops.add(event.shop)
    raise RuntimeError(f"the time calls for more and more in {reservation.code}")


def _waits_for_line(case: Case, event: e.ShopsClosed, now: datetime) -> bool:
    """Whether the shops are open and only their lines are busy. This is not recorded again: with many reservations and
    few shops it would fill the timelines and the worker's time."""
    is_recorded = case.state is State.CALLING and case.resume_at is not None and case.resume_at <= now
    return is_recorded and event.until <= now + BUSY_DELAY


def _wake_next_for_line(db: Session, shop: int, now: datetime) -> None:
    """Wakes the reservation that has waited longest for the shop's telephone."""
    longest_waiting = queries.longest_waiting_for_line(shop, now, now + 1.5 * LINE_CHECK_INTERVAL).scalar_subquery()
    wake_up = update(Reservation).where(Reservation.id == longest_waiting).values(next_action_at=now)
    db.execute(wake_up, execution_options={"synchronize_session": False})


def _earliest_call(shop: int, lines: Mapping[int, PhoneLine], busy_shops: set[int], now: datetime) -> datetime | None:
    """The earliest time for a call: None for a deleted shop, a little later for a line that was just taken."""
    line = lines.get(shop)
    earliest = earliest_call(line, now) if line is not None else None
    return earliest if earliest is None or shop not in busy_shops else max(earliest, now + BUSY_DELAY)


def normalize_phone(phone: str) -> str:
    """The phone number in international form. Raises Invalid for a number that is not Japanese or cannot receive SMS:
    the payment link is sent by SMS."""
    number = to_e164(phone)
    if number is None:
        message = "日本の携帯電話の番号を、090-1234-5678 や +819012345678 のように指定してください。"
        raise Invalid(f"電話番号を確認できません。{message}", [("phone", message)])
    if not is_mobile(number):
        message = "お支払いの案内をSMSで送るため、携帯電話の番号（070・080・090など）を指定してください。"
        raise Invalid(f"この番号はSMSを受け取れません。{message}", [("phone", message)])
    return number


def _find_plan(db: Session, service_code: str, plan_code: str) -> tuple[Service, Plan]:
    services = {service.code: service for service in active_services(db)}
    service = services.get(service_code)
    if service is None:
        choices = "、".join(services) or "なし"
        raise Invalid.at_field("service", f"このサービスは取り扱っていません。指定できるサービス: {choices}")
    plans = active_plans(db, service.id)
    if plan_code not in plans:
        choices = "、".join(f"{code}（{plan.name}）" for code, plan in plans.items()) or "なし"
        raise Invalid.at_field("plan", f"{service.name}に、このサイズはありません。指定できるサイズ: {choices}")
    return service, plans[plan_code]


def validate_start_time(starts_at: datetime, now: datetime) -> None:
    """Raises Invalid for a time that is too soon or too far away to ask a shop."""
    earliest, latest = now + SHORTEST_NOTICE, now + LONGEST_NOTICE
    if starts_at < earliest:
        message = (
            f"お店への確認に時間がかかるため、{SHORTEST_NOTICE // timedelta(hours=1)}時間後より先の日時を"
            f"指定してください（今なら{format_local_datetime(earliest)}以降）。"
        )
    elif starts_at > latest:
        message = (
            f"{LONGEST_NOTICE.days}日先までの日時を指定してください（今なら{format_local_datetime(latest)}まで）。"
        )
    else:
        return
    raise Invalid.at_field("starts_at", message)


class OutsideHours(Invalid):
    """3時 often means 15:00. `reason`: a sentence that says why the time is unusual."""

    type = "urn:genba:outside-hours"

    def __init__(self, reason: str) -> None:
        self.question = f"{reason}午前と午後の取り違えがないか、お客様に確かめてください。"
        message = f"{self.question}この日時でよければ、もう一度「受け付ける」を押してください。"
        super().__init__(message, [("starts_at", message)])


def _require_hours_confirmed(db: Session, order: tuple[int, ...], starts_at: datetime) -> None:
    lines = queries.phone_lines(db, 0, order).values()
    if (reason := unusual_time_reason(lines, starts_at)) is not None:
        raise OutsideHours(reason)


def _insert(db: Session, reservation: Reservation) -> None:
    """Inserts with a code that is not in use yet."""
    for _ in range(20):
        reservation.code = "QRV-" + "".join(secrets.choice(CODE_ALPHABET) for _ in range(6))
        try:
            with db.begin_nested():
                db.add(reservation)
                db.flush()
            return
        except IntegrityError as error:
            if not violates(error, "uq_reservations_reservations_code"):
                raise
    raise Conflict("予約IDを決められませんでした。もう一度お試しください。")


def _store_case(reservation: Reservation, case: Case, now: datetime) -> None:
    """Stores the case, and copies of some of its fields as columns for lists and figures."""
    reservation.case_now = case.model_dump(mode="json")
    reservation.state, reservation.state_since = case.state.value, case.since
    reservation.starts_at, reservation.price = case.starts_at, case.price
    reservation.paid, reservation.refunded = case.paid, case.refunded
    reservation.shop_id = case.shop
    reservation.next_action_at = case.next_action_at
    reservation.updated_at = now
    if case.paid and reservation.paid_at is None:
        reservation.paid_at = now
    if case.state is State.CONFIRMED and reservation.confirmed_at is None:
        reservation.confirmed_at = now
    reservation.closed_at = (reservation.closed_at or now) if case.state in FINAL_STATES else None


def _shop_note(reservation: Reservation, case: Case, event: Event) -> str:
    """The name of an unlisted shop."""
    if isinstance(event, e.ShopOk) and event.shop is None:
        return event.note[:300]
    return reservation.shop_note if case.is_unlisted else ""


def _end_call(db: Session, reservation: Reservation, event: e.CallEnded, now: datetime, by: Actor | None) -> None:
    """Ends the call itself, even when the reservation ignores the event. An operator's correction is not
    overwritten."""
    call = find_row(db, PhoneCall, PhoneCall.reservation_id == reservation.id, PhoneCall.number == event.number)
    if call is None or (call.overruled_at is not None and not event.overruled):
        return
    call.is_active, call.ended_at, call.answer = False, call.ended_at or now, event.answer.value
    if event.overruled:
        call.overruled_at, call.overruled_by = now, by.name[:100] if by else None


def _carry_out_and_record(
    db: Session,
    reservation: Reservation,
    before: Case | None,
    event: Event,
    outcome: Outcome,
    now: datetime,
    *,
    source: Source,
    by: Actor | None,
    note: str = "",
) -> None:
    """Carries out the effects and adds the event to the timeline."""
    state_changed = before is not None and before.state != outcome.case.state
    effect_notes = []
    if outcome.effects or state_changed:
        effect_notes = outgoing.carry_out(
            db, reservation, outcome.case, outcome.effects, now, moved=state_changed, detail=note, by=by
        )
    db.add(
        TimelineEvent(
            reservation_id=reservation.id,
            number=queries.next_number(db, reservation.id),
            at=now,
            event=event.model_dump(mode="json"),
            kind=event.kind,
            state_before=before.state.value if before else None,
            state=outcome.case.state.value,
            effects=[e.effect_as_json(effect) for effect in outcome.effects],
            ignored=outcome.ignored,
            source=source,
            user_id=by.user_id if by else None,
            by=by.name[:100] if by else "",
            note="\n".join([*([note] if note else []), *effect_notes])[:2000],
        )
    )
    db.flush()


def _audit(
    db: Session,
    reservation: Reservation,
    by: Actor,
    event: Event,
    before: Case,
    outcome: Outcome,
    changes: audit.Changes,
) -> None:
    state_changed = before.state != outcome.case.state
    action: audit.Action = (
        "cancel"
        if isinstance(event, e.CancelAsked) and state_changed
        else "status_change"
        if state_changed
        else "update"
    )
    after = {**changes[1], "state": outcome.case.state.label, "event": EVENT_LABELS[event.kind]}
    if outcome.ignored is not None:
        after["reason"] = outcome.ignored
    old = {**changes[0], "state": before.state.label}
    audit.record(db, by, action, AREA.name, "reservation", reservation.code, before=old, after=after)
