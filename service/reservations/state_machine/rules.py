"""The state machine of a reservation. Pure: `apply` takes a case and an event and returns the new case and the effects;
`due_event` returns the event that is due by time. A reservation's timeline is the list of its events; folding `apply`
over it gives the case again (`replay`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta

from pydantic import BaseModel, ConfigDict

from service.reservations.state_machine import events as e
from service.reservations.state_machine import payments, shop_search
from service.reservations.state_machine.case import (
    ARRANGEMENT_TASKS,
    CALL_TIMEOUT,
    EXPIRY_RETRY_AFTER,
    FINISH_AFTER,
    GIVE_UP_BEFORE,
    REFUND_TIMEOUT,
    REMIND_BEFORE,
    Case,
    Transition,
    cancel_unpaid,
    close_session,
    with_changes,
)
from service.reservations.state_machine.events import Effect, Event
from service.reservations.state_machine.states import SHOP_SEARCH_STATES, Answer, Purpose, State, Task


class Outcome(BaseModel):
    """`ignored`: why the event changes nothing. It is stored in the timeline all the same."""

    model_config = ConfigDict(frozen=True)

    case: Case
    effects: tuple[Effect, ...] = ()
    ignored: str | None = None


# The earliest time at which a shop may be called; None: never.
EarliestCall = Callable[[int], datetime | None]
_TOO_LATE_TO_CANCEL = "キャンセル期限を過ぎています。"


def start(event: e.Requested, now: datetime) -> Outcome:
    case = Case(state=State.REQUESTED, since=now, starts_at=event.starts_at, price=event.price, order=event.order)
    return Outcome(case=_with_next_action(case, now), effects=(e.ToCustomer(purpose=Purpose.REQUEST_RECEIVED),))


def apply(case: Case, event: Event, now: datetime) -> Outcome:
    """Applies an event. Every event is possible in every state: one that does not fit is ignored, with a reason."""
    result = _HANDLERS[event.kind](case, event, now)
    if isinstance(result, str):
        return Outcome(case=case, ignored=result)
    changed, effects = result
    if changed.state != case.state:
        changed = changed.model_copy(update={"since": now})
    return Outcome(case=_with_next_action(changed, now), effects=tuple(effects))


def replay(events: Iterable[tuple[datetime, Event]]) -> Iterable[tuple[datetime, Event, Outcome]]:
    """Replays the reservation from its first event on, step by step."""
    case: Case | None = None
    for at, event in events:
        if case is None:
            if not isinstance(event, e.Requested):
                raise ValueError("a reservation begins with its request")
            outcome = start(event, at)
        else:
            outcome = apply(case, event, at)
        case = outcome.case
        yield at, event, outcome


def due_event(case: Case, now: datetime, earliest_call: EarliestCall) -> Event | None:
    """The event that is due by time, if any; to be called again after that event was applied."""
    if case.next_action_at is None or now < case.next_action_at:
        return None
    if case.state in (State.REQUESTED, State.CALLING):
        return _next_calling_event(case, now, earliest_call)
    if case.state in (State.PENDING_SHOP_RESPONSE, State.CHANGE_REQUESTED):
        return e.ShopsExhausted(too_late=True)
    if case.state in (State.ALL_SHOPS_REFUSED, State.CALLING_SUCCESS):
        return e.Lapsed()
    if case.state is State.AWAITING_PAYMENT:
        return e.DeadlinePassed()
    if case.state is State.EXPIRING:
        return e.ExpiryUnclear()
    if case.state is State.CONFIRMED:
        return e.Finished() if now >= case.starts_at + FINISH_AFTER else e.ReminderDue()
    return e.RefundFailed(intent=case.intent or "")


def _next_calling_event(case: Case, now: datetime, earliest_call: EarliestCall) -> Event:
    if now >= case.starts_at - GIVE_UP_BEFORE:
        return e.ShopsExhausted(too_late=True)
    if case.call is not None:
        return e.CallEnded(number=case.call, shop=case.turn[-1], answer=Answer.NO_RESULT)
    remaining = [shop for shop in case.order if shop not in case.turn]
    if not remaining:
        return e.ShopsExhausted()
    earliest_times = {shop: earliest_call(shop) for shop in remaining}
    number = case.calls + 1
    for shop in remaining:
        earliest = earliest_times[shop]
        if earliest is None:
            return e.ShopSkipped(number=number, shop=shop, why="電話をかけられない店舗です。")
        if earliest <= now:
            return e.CallPlaced(number=number, shop=shop)
    return e.ShopsClosed(until=min(earliest for earliest in earliest_times.values() if earliest is not None))


def _with_next_action(case: Case, now: datetime) -> Case:
    """With the time at which the next event is due."""
    give_up = case.starts_at - GIVE_UP_BEFORE
    next_action_at: datetime | None
    if case.state in (State.REQUESTED, State.CALLING):
        next_call = now + CALL_TIMEOUT if case.call is not None else max(case.resume_at or now, now)
        next_action_at = min(next_call, max(give_up, now))
    elif case.state in (State.PENDING_SHOP_RESPONSE, State.CHANGE_REQUESTED):
        next_action_at = max(give_up, now)
    elif case.state in (State.ALL_SHOPS_REFUSED, State.CALLING_SUCCESS):
        next_action_at = max(case.starts_at, now)
    elif case.state is State.AWAITING_PAYMENT:
        next_action_at = case.deadline
    elif case.state is State.EXPIRING:
        next_action_at = now + EXPIRY_RETRY_AFTER
    elif case.state is State.CONFIRMED:
        next_action_at = case.starts_at + FINISH_AFTER if case.reminded else case.starts_at - REMIND_BEFORE
    elif case.state is State.REFUND_PENDING:
        next_action_at = now + REFUND_TIMEOUT
    else:
        next_action_at = None
    return case.model_copy(update={"next_action_at": next_action_at})


def _already_requested(case: Case, event: e.Requested, now: datetime) -> Transition:
    return "この予約は受付済みです。"


def _reminder_due(case: Case, event: e.ReminderDue, now: datetime) -> Transition:
    if case.state is not State.CONFIRMED or case.reminded:
        return "リマインダーは不要です。"
    # A customer who booked less than a day ahead has just been notified; one already on the way needs no reminder.
    just_notified = case.since > case.starts_at - REMIND_BEFORE - timedelta(hours=1)
    is_useless = just_notified or now >= case.starts_at
    reminder: list[Effect] = [] if is_useless else [e.ToCustomer(purpose=Purpose.REMINDER)]
    return with_changes(case, reminded=True), reminder


def _finished(case: Case, event: e.Finished, now: datetime) -> Transition:
    if case.state is not State.CONFIRMED or now < case.starts_at + FINISH_AFTER:
        return "まだ終わった予約ではありません。"
    return with_changes(case, state=State.COMPLETED), [
        e.Solved(tasks=(Task.LATE_CANCEL, Task.SMS_FAILED, Task.SECOND_OK))
    ]


def _lapsed(case: Case, event: e.Lapsed, now: datetime) -> Transition:
    if case.state not in SHOP_SEARCH_STATES and case.state is not State.CALLING_SUCCESS:
        return "店舗は決まっています。"
    if now < case.starts_at:
        return "予約日時になっていません。"
    if case.session is not None:
        return close_session(case, "cancelled")
    return cancel_unpaid(case)


def _cancel_asked(case: Case, event: e.CancelAsked, now: datetime) -> Transition:
    if case.state in SHOP_SEARCH_STATES:
        return cancel_unpaid(case)
    if case.state in (State.CALLING_SUCCESS, State.AWAITING_PAYMENT):
        return close_session(case, "cancelled") if case.session else cancel_unpaid(case)
    if case.state is State.EXPIRING:
        return with_changes(case, leaving="cancelled"), []
    if case.state is not State.CONFIRMED:
        return "この予約はすでに終わっています。"
    if now > case.cancel_until and not (event.special and event.by == "operator"):
        return _TOO_LATE_TO_CANCEL
    number = case.refunds + 1
    refund = e.Refund(number=number, intent=case.intent or "", amount=case.paid)
    notifications: list[Effect] = [
        e.ToShop(purpose=Purpose.RELEASED, shop=case.shop),
        e.ToCustomer(purpose=Purpose.CANCELLED),
    ]
    refunding = with_changes(case, state=State.REFUND_PENDING, refunds=number)
    return refunding, [e.Solved(tasks=ARRANGEMENT_TASKS), refund, *notifications]


def _late_cancel_asked(case: Case, event: e.LateCancelAsked, now: datetime) -> Transition:
    if case.state is not State.CONFIRMED:
        return "確定した予約ではありません。"
    return case, [e.ForPeople(task=Task.LATE_CANCEL)]


def _contact_noted(case: Case, event: e.ContactNoted, now: datetime) -> Transition:
    return "連絡の記録です。予約は変わりません。"


def _customer_corrected(case: Case, event: e.CustomerCorrected, now: datetime) -> Transition:
    """A wrong number or address received nothing: the current message is sent again to the corrected one."""
    corrected = with_changes(case, sms_fails=case.sms_fails and not event.phone)
    effects: list[Effect] = [e.Solved(tasks=(Task.SMS_FAILED,))] if event.phone else []
    # A shop knows the name from the beginning, the number once the reservation is paid.
    concerns_shop = event.name or (event.phone and case.state is State.CONFIRMED)
    if concerns_shop and case.state in _HOLDING_STATES:
        effects.append(e.ToShop(purpose=Purpose.CORRECTED, shop=case.shop))
    if case.state in (State.CALLING_SUCCESS, State.AWAITING_PAYMENT):
        if not (event.mail if case.by_mail else event.phone):
            return corrected, effects
        waiting, checkout_effects = payments.restart_checkout(corrected, by_mail=case.by_mail)
        return waiting, [*effects, *checkout_effects]
    if case.state in _LAST_MESSAGES and (event.phone or event.mail or event.new_mail):
        effects.append(e.ToCustomer(purpose=_LAST_MESSAGES[case.state], by_mail=not event.phone))
    return corrected, effects


# A shop holds the reservation for the customer.
_HOLDING_STATES = frozenset({State.CALLING_SUCCESS, State.AWAITING_PAYMENT, State.EXPIRING, State.CONFIRMED})
# The last message to the customer in each state.
_LAST_MESSAGES = {
    **dict.fromkeys(SHOP_SEARCH_STATES, Purpose.REQUEST_RECEIVED),
    State.ALL_SHOPS_REFUSED: Purpose.ALL_SHOPS_REFUSED,
    State.CONFIRMED: Purpose.CONFIRMED,
    State.PAYMENT_TIMEOUT: Purpose.PAYMENT_TIMEOUT,
    State.CANCELLED: Purpose.CANCELLED,
    State.REFUND_PENDING: Purpose.CANCELLED,
    State.REFUNDED: Purpose.REFUNDED,
}
_HANDLERS: Mapping[str, Callable[..., Transition]] = {
    **shop_search.HANDLERS,
    **payments.HANDLERS,
    "requested": _already_requested,
    "reminder_due": _reminder_due,
    "finished": _finished,
    "lapsed": _lapsed,
    "cancel_asked": _cancel_asked,
    "late_cancel_asked": _late_cancel_asked,
    "contact_noted": _contact_noted,
    "customer_corrected": _customer_corrected,
}
