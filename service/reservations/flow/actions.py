"""The one way in which anything happens to a reservation: it is locked, the state machine is asked, and what it says is
written down and carried out in one transaction."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Literal

import structlog
from sqlalchemy import select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from service.core import audit
from service.core.auth import Actor
from service.core.clock import app_now, in_words, real_now
from service.core.db import violates
from service.core.phones import is_mobile
from service.core.problems import Conflict, Invalid, Stale
from service.core.texts import international
from service.reservations.cases.rules import LONGEST_NOTICE, SHORTEST_NOTICE, Case
from service.reservations.effects import actions as effects
from service.reservations.events import rules as e
from service.reservations.events.rules import EVENT_WORDS, OVER, STATE_WORDS, Event, State
from service.reservations.flow import queries
from service.reservations.flow.models import Payment, PhoneCall, Reservation, TimelineEvent
from service.reservations.machine import rules as machine
from service.reservations.machine.rules import Outcome
from service.reservations.rules import AREA
from service.reservations.seeking.rules import BUSY_PAUSE, Line, free, odd_time
from service.reservations.services.models import Plan, Service

Source = Literal["system", "assistant", "customer", "stripe", "twilio", "bland", "operator"]
# None of 0, O, 1 and I, which people mistake for one another on the telephone.
ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
# Within this, whoever asks for the same again has asked twice.
SAME_WISH = timedelta(minutes=10)
# One that cannot be moved on must not hold up the others.
STUCK_PAUSE = timedelta(minutes=1)
# Whoever waits for a telephone that others are on is woken when it is free, and looks by itself after about so long.
LINE_PATIENCE = timedelta(minutes=1)
# More events than any moment can call for: two rounds of shops that are skipped, and what follows.
AT_ONCE = 500
# In these it matters who answers the telephone now.
CALLS = frozenset({State.REQUESTED, State.CALLING})

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
    """A reservation asked for by an assistant or a person. Who repeats a request gets the first one's reservation, and
    so does who asks for the same within ten minutes. `hours_confirmed`: the customer means that time, though no shop
    can be reached at it. `admit` is asked, with the number, about one that is new; it may raise.

    Raises:
        Invalid: there is no such service or size, the time is too soon or too far away, or the number is none of
            Japan's mobile ones. That no shop offers it is no refusal: people are told.
        OutsideHours: the customer has to be asked about the time first.
    """
    user_id = by.user_id if by is not None else None
    mine = queries.of_request(assistant_id, user_id)
    repeat = mine.where(Reservation.client_request_id == client_request_id)
    if (first := db.scalars(repeat).one_or_none()) is not None:
        return first
    number = number_of(phone)
    # Whoever repeats a request while the first one is at work waits for it.
    db.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": f"reservations {number}"})
    if (first := db.scalars(repeat).one_or_none()) is not None:
        return first
    now = app_now(db)
    service, plan = _offer(db, service_code, plan_code)
    if same := db.scalars(queries.same_wish(mine, number, service.id, starts_at, now - SAME_WISH)).one_or_none():
        return same
    refuse_time(starts_at, now)
    order = queries.order_of(db, service.id)
    if not hours_confirmed:
        _ask_about_hours(db, order, starts_at)
    admit(number)
    asked = e.Requested(starts_at=starts_at, price=plan.price, order=order)
    outcome = machine.begin(asked, now)
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
    _keep(reservation, outcome.case, now)
    try:
        _insert(db, reservation)
    except IntegrityError as error:
        # With another telephone number, at the same moment.
        if violates(error, "uq_reservations_reservations_request"):
            return db.scalars(repeat).one()
        raise
    source: Source = "operator" if by is not None else "assistant"
    _follow(db, reservation, None, asked, outcome, now, source=source, by=by)
    if by is not None:
        after = {"state": STATE_WORDS[outcome.case.state], "starts_at": starts_at.isoformat()}
        audit.record(db, by, "create", AREA.name, "reservation", reservation.code, after=after)
    return reservation


def happen(
    db: Session,
    reservation_id: int,
    event: Event,
    *,
    source: Source,
    by: Actor | None = None,
    note: str = "",
    expect_version: int | None = None,
) -> Outcome:
    """Something happened. What changes nothing is kept all the same, with the reason (`Outcome.ignored`).

    Raises:
        NotFound: there is no such reservation.
        Stale: somebody, or the time, has changed it since the person read it.
    """
    reservation = queries.locked(db, reservation_id)
    if expect_version is not None and expect_version != reservation.version:
        raise _stale(reservation, event, expect_version)
    return _apply(db, reservation, event, source=source, by=by, note=note)


def look_at_payment(db: Session, reservation: Reservation) -> None:
    """The customer comes back from Stripe: it is asked how the payment stands now, not at its next turn."""
    db.execute(
        update(Payment)
        .where(Payment.reservation_id == reservation.id, Payment.status == "open", Payment.look_at > real_now())
        .values(look_at=real_now())
    )


def step(db: Session, limit: int = 1) -> int:
    """Moves on what the time calls for something in; how many reservations that were. One that cannot be moved on is
    left alone for a minute. What others are at just now is left to them."""
    now = app_now(db)
    found = db.scalars(queries.due(now, limit), execution_options={"populate_existing": True}).all()
    for reservation in found:
        try:
            with db.begin_nested():
                _move_on(db, reservation, now)
        except Exception:
            log.exception("a reservation could not be moved on", reservation=reservation.code)
            db.refresh(reservation)
            reservation.next_action_at = app_now(db) + STUCK_PAUSE
            db.flush()
    return len(found)


def _move_on(db: Session, reservation: Reservation, now: datetime) -> None:
    """Until nothing more is due. Two reservations may want one telephone at the same moment: the second one sees, once
    the first has it, that it is busy."""
    taken: set[int] = set()
    for _ in range(AT_ONCE):
        case = queries.case_of(reservation)
        lines = queries.lines(db, reservation.id, case.order) if case.state in CALLS else {}
        event = machine.due(case, now, partial(_free, lines=lines, taken=taken, now=now))
        if event is None:
            # What was put off (`step`) is on time again.
            reservation.next_action_at = case.next_action_at
            return
        if isinstance(event, e.ShopsClosed) and _waits_for_line(case, event, now):
            # Not all of them in the same second.
            reservation.next_action_at = now + LINE_PATIENCE / 2 + LINE_PATIENCE * (reservation.id % 60) / 60
            return
        if not isinstance(event, e.CallPlaced):
            _apply(db, reservation, event, source="system", now=now)
            continue
        try:
            with db.begin_nested():
                _apply(db, reservation, event, source="system", now=now)
        except IntegrityError as error:
            if not violates(error, "uq_reservations_calls_line"):
                raise
            db.refresh(reservation)
            taken.add(event.shop)
    raise RuntimeError(f"the time calls for more and more in {reservation.code}")


def _waits_for_line(case: Case, event: e.ShopsClosed, now: datetime) -> bool:
    """The shops answer, and others are on the telephone with them. That it goes on is no news: with many reservations
    and few shops it would fill the timelines and the time of whoever moves them on."""
    is_told = case.state is State.CALLING and case.resume_at is not None and case.resume_at <= now
    return is_told and event.until <= now + BUSY_PAUSE


def _line_is_free(db: Session, shop: int, now: datetime) -> None:
    """Whoever waits longest for the shop's telephone looks at it at once."""
    longest = queries.waiting_for_line(shop, now, now + 1.5 * LINE_PATIENCE).scalar_subquery()
    woken = update(Reservation).where(Reservation.id == longest).values(next_action_at=now)
    db.execute(woken, execution_options={"synchronize_session": False})


def _free(shop: int, lines: Mapping[int, Line], taken: set[int], now: datetime) -> datetime | None:
    """When it may be called: one that is gone altogether, never; one whose line was just taken, a little later."""
    line = lines.get(shop)
    moment = free(line, now) if line is not None else None
    return moment if moment is None or shop not in taken else max(moment, now + BUSY_PAUSE)


def number_of(phone: str) -> str:
    """As it is dialled from anywhere. Raises Invalid for one that is none of Japan's, or takes no SMS: the link to pay
    comes by it."""
    number = international(phone)
    if number is None:
        message = "日本の携帯電話の番号を、090-1234-5678 や +819012345678 のように指定してください。"
        raise Invalid(f"電話番号を確認できません。{message}", [("phone", message)])
    if not is_mobile(number):
        message = "お支払いの案内をSMSで送るため、携帯電話の番号（070・080・090など）を指定してください。"
        raise Invalid(f"この番号はSMSを受け取れません。{message}", [("phone", message)])
    return number


def _offer(db: Session, service_code: str, plan_code: str) -> tuple[Service, Plan]:
    service = queries.offered(db, service_code)
    if service is None:
        known = "、".join(queries.service_codes(db)) or "なし"
        message = f"このサービスは取り扱っていません。指定できるサービス: {known}"
        raise Invalid(message, [("service", message)])
    plans = queries.plans(db, service.id)
    if plan_code not in plans:
        known = "、".join(f"{code}（{plan.name}）" for code, plan in plans.items()) or "なし"
        message = f"{service.name}に、このサイズはありません。指定できるサイズ: {known}"
        raise Invalid(message, [("plan", message)])
    return service, plans[plan_code]


def refuse_time(starts_at: datetime, now: datetime) -> None:
    """Raises Invalid for one at which no shop can be asked any more, or not yet."""
    earliest, latest = now + SHORTEST_NOTICE, now + LONGEST_NOTICE
    if starts_at < earliest:
        message = (
            f"お店への確認に時間がかかるため、{SHORTEST_NOTICE // timedelta(hours=1)}時間後より先の日時を"
            f"指定してください（今なら{in_words(earliest)}以降）。"
        )
    elif starts_at > latest:
        message = f"{LONGEST_NOTICE.days}日先までの日時を指定してください（今なら{in_words(latest)}まで）。"
    else:
        return
    raise Invalid(message, [("starts_at", message)])


class OutsideHours(Invalid):
    """3時 is often 15:00: `why` says what is odd about the time, in a sentence."""

    type = "urn:genba:outside-hours"

    def __init__(self, why: str) -> None:
        self.asks = f"{why}午前と午後の取り違えがないか、お客様に確かめてください。"
        message = f"{self.asks}この日時でよければ、もう一度「受け付ける」を押してください。"
        super().__init__(message, [("starts_at", message)])


def _ask_about_hours(db: Session, order: tuple[int, ...], starts_at: datetime) -> None:
    lines = queries.lines(db, 0, order).values()
    if (why := odd_time(lines, starts_at)) is not None:
        raise OutsideHours(why)


def _insert(db: Session, reservation: Reservation) -> None:
    """Under a code that is not in use."""
    for _ in range(20):
        reservation.code = "QRV-" + "".join(secrets.choice(ALPHABET) for _ in range(6))
        try:
            with db.begin_nested():
                db.add(reservation)
                db.flush()
            return
        except IntegrityError as error:
            if not violates(error, "uq_reservations_reservations_code"):
                raise
    raise Conflict("予約IDを決められませんでした。もう一度お試しください。")


def _apply(
    db: Session,
    reservation: Reservation,
    event: Event,
    *,
    source: Source,
    by: Actor | None = None,
    note: str = "",
    now: datetime | None = None,
) -> Outcome:
    """`reservation` is locked."""
    before, now = queries.case_of(reservation), now or app_now(db)
    outcome = machine.apply(before, event, now)
    if outcome.ignored is None:
        _keep(reservation, outcome.case, now)
        reservation.shop_note = _shop_note(reservation, outcome.case, event)
        reservation.version += 1
    if isinstance(event, e.CallEnded):
        _end_call(db, reservation, event, now, by)
    db.flush()
    _follow(db, reservation, before, event, outcome, now, source=source, by=by, note=note)
    if isinstance(event, e.CallEnded):
        _line_is_free(db, event.shop, now)
    elif any(isinstance(effect, e.StopCall) for effect in outcome.effects):
        _line_is_free(db, before.turn[-1], now)
    if by is not None:
        _audit(db, reservation, by, event, before, outcome)
    return outcome


def _keep(reservation: Reservation, case: Case, now: datetime) -> None:
    """The case, and what stands beside it once more for lists and figures."""
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
    reservation.closed_at = (reservation.closed_at or now) if case.state in OVER else None


def _shop_note(reservation: Reservation, case: Case, event: Event) -> str:
    """Which shop it is that stands in no list."""
    if isinstance(event, e.ShopOk) and event.shop is None:
        return event.note[:300]
    return reservation.shop_note if case.is_unlisted else ""


def _end_call(db: Session, reservation: Reservation, event: e.CallEnded, now: datetime, by: Actor | None) -> None:
    """The call itself is over, whatever the reservation makes of it. What a person said stays said."""
    call = db.scalars(
        select(PhoneCall).where(PhoneCall.reservation_id == reservation.id, PhoneCall.number == event.number)
    ).one_or_none()
    if call is None or (call.overruled_at is not None and not event.overruled):
        return
    call.is_active, call.ended_at, call.answer = False, call.ended_at or now, event.answer.value
    if event.overruled:
        call.overruled_at, call.overruled_by = now, by.name[:100] if by else None


def _follow(
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
    """Carries out what has to be done, and adds to the timeline."""
    moved = before is not None and before.state != outcome.case.state
    said = []
    if outcome.effects or moved:
        booking = queries.booking_of(db, reservation)
        said = effects.carry_out(db, booking, outcome.case, outcome.effects, now, moved=moved, detail=note, by=by)
    db.add(
        TimelineEvent(
            reservation_id=reservation.id,
            number=queries.next_number(db, reservation.id),
            at=now,
            event=event.model_dump(mode="json"),
            kind=event.kind,
            state_before=before.state.value if before else None,
            state=outcome.case.state.value,
            effects=[e.told(effect) for effect in outcome.effects],
            ignored=outcome.ignored,
            source=source,
            user_id=by.user_id if by else None,
            by=by.name[:100] if by else "",
            note="\n".join([*([note] if note else []), *said])[:2000],
        )
    )
    db.flush()


def _audit(db: Session, reservation: Reservation, by: Actor, event: Event, before: Case, outcome: Outcome) -> None:
    moved = before.state != outcome.case.state
    action: audit.Action = (
        "cancel" if isinstance(event, e.CancelAsked) and moved else "status_change" if moved else "update"
    )
    after = {"state": STATE_WORDS[outcome.case.state], "event": EVENT_WORDS[event.kind]}
    if outcome.ignored is not None:
        after["reason"] = outcome.ignored
    state = {"state": STATE_WORDS[before.state]}
    audit.record(db, by, action, AREA.name, "reservation", reservation.code, before=state, after=after)


def _stale(reservation: Reservation, event: Event, expected: int) -> Stale:
    state = STATE_WORDS[State(reservation.state)]
    return Stale(
        f"この予約は、画面を開いたあとに変わりました（今は「{state}」です）。内容を確認して、もう一度操作してください。",
        yours={"version": expected, "event": EVENT_WORDS[event.kind]},
        current={"version": reservation.version, "state": state},
    )
