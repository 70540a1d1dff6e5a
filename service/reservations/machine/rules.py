"""The one state machine of a reservation. Pure: `apply` takes a case and an event and says what becomes of it and what
has to be done; `due` says which event the time calls for. A reservation's timeline is the list of its events, and
folding `apply` over it gives the case anew (`replay`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta

from pydantic import BaseModel, ConfigDict

from service.reservations.cases.rules import (
    CALL_LIMIT,
    EXPIRY_PATIENCE,
    FINISH_AFTER,
    GIVE_UP_BEFORE,
    OF_ARRANGING,
    REFUND_PATIENCE,
    REMIND_BEFORE,
    Case,
    Result,
    closing,
    gone,
    with_,
)
from service.reservations.events import rules as e
from service.reservations.events.rules import SEEKING, Answer, Effect, Event, Purpose, State, Task
from service.reservations.paying import rules as paying
from service.reservations.seeking import rules as seeking


class Outcome(BaseModel):
    """`ignored`: why the event changes nothing. It is kept all the same."""

    model_config = ConfigDict(frozen=True)

    case: Case
    effects: tuple[Effect, ...] = ()
    ignored: str | None = None


# When a shop may be called, at the earliest; None: not at all.
Free = Callable[[int], datetime | None]
_LATE = "キャンセル期限を過ぎています。"


def begin(event: e.Requested, now: datetime) -> Outcome:
    case = Case(state=State.REQUESTED, since=now, starts_at=event.starts_at, price=event.price, order=event.order)
    return Outcome(case=_timed(case, now), effects=(e.ToCustomer(purpose=Purpose.REQUEST_RECEIVED),))


def apply(case: Case, event: Event, now: datetime) -> Outcome:
    """What becomes of the case. Every event is possible in every state: what does not fit is ignored, in words."""
    result = _HANDLERS[event.kind](case, event, now)
    if isinstance(result, str):
        return Outcome(case=case, ignored=result)
    changed, effects = result
    if changed.state != case.state:
        changed = changed.model_copy(update={"since": now})
    return Outcome(case=_timed(changed, now), effects=tuple(effects))


def replay(events: Iterable[tuple[datetime, Event]]) -> Iterable[tuple[datetime, Event, Outcome]]:
    """The reservation's life from its first event on, step by step."""
    case: Case | None = None
    for at, event in events:
        if case is None:
            if not isinstance(event, e.Requested):
                raise ValueError("a reservation begins with its request")
            outcome = begin(event, at)
        else:
            outcome = apply(case, event, at)
        case = outcome.case
        yield at, event, outcome


def due(case: Case, now: datetime, free: Free) -> Event | None:
    """The event that the time calls for now, if any; to be asked again after it was applied."""
    if case.next_action_at is None or now < case.next_action_at:
        return None
    if case.state in (State.REQUESTED, State.CALLING):
        return _next_of_calling(case, now, free)
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


def _next_of_calling(case: Case, now: datetime, free: Free) -> Event:
    if now >= case.starts_at - GIVE_UP_BEFORE:
        return e.ShopsExhausted(too_late=True)
    if case.call is not None:
        return e.CallEnded(number=case.call, shop=case.turn[-1], answer=Answer.NO_RESULT)
    left = [shop for shop in case.order if shop not in case.turn]
    if not left:
        return e.ShopsExhausted()
    moments = {shop: free(shop) for shop in left}
    number = case.calls + 1
    for shop in left:
        moment = moments[shop]
        if moment is None:
            return e.ShopSkipped(number=number, shop=shop, why="電話をかけられない店舗です。")
        if moment <= now:
            return e.CallPlaced(number=number, shop=shop)
    return e.ShopsClosed(until=min(moment for moment in moments.values() if moment is not None))


def _timed(case: Case, now: datetime) -> Case:
    """With the moment at which the time calls for something next."""
    give_up = case.starts_at - GIVE_UP_BEFORE
    moment: datetime | None
    if case.state in (State.REQUESTED, State.CALLING):
        wanted = now + CALL_LIMIT if case.call is not None else max(case.resume_at or now, now)
        moment = min(wanted, max(give_up, now))
    elif case.state in (State.PENDING_SHOP_RESPONSE, State.CHANGE_REQUESTED):
        moment = max(give_up, now)
    elif case.state in (State.ALL_SHOPS_REFUSED, State.CALLING_SUCCESS):
        moment = max(case.starts_at, now)
    elif case.state is State.AWAITING_PAYMENT:
        moment = case.deadline
    elif case.state is State.EXPIRING:
        moment = now + EXPIRY_PATIENCE
    elif case.state is State.CONFIRMED:
        moment = case.starts_at + FINISH_AFTER if case.reminded else case.starts_at - REMIND_BEFORE
    elif case.state is State.REFUND_PENDING:
        moment = now + REFUND_PATIENCE
    else:
        moment = None
    return case.model_copy(update={"next_action_at": moment})


def _again(case: Case, event: e.Requested, now: datetime) -> Result:
    return "この予約は受付済みです。"


def _reminder_due(case: Case, event: e.ReminderDue, now: datetime) -> Result:
    if case.state is not State.CONFIRMED or case.reminded:
        return "リマインダーは不要です。"
    # Who booked less than a day ahead has only just been told; who is on the way already needs no telling.
    just_told = case.since > case.starts_at - REMIND_BEFORE - timedelta(hours=1)
    useless = just_told or now >= case.starts_at
    reminder: list[Effect] = [] if useless else [e.ToCustomer(purpose=Purpose.REMINDER)]
    return with_(case, reminded=True), reminder


def _finished(case: Case, event: e.Finished, now: datetime) -> Result:
    if case.state is not State.CONFIRMED or now < case.starts_at + FINISH_AFTER:
        return "まだ終わった予約ではありません。"
    return with_(case, state=State.COMPLETED), [e.Solved(tasks=(Task.LATE_CANCEL, Task.SMS_FAILED, Task.SECOND_OK))]


def _lapsed(case: Case, event: e.Lapsed, now: datetime) -> Result:
    if case.state not in SEEKING and case.state is not State.CALLING_SUCCESS:
        return "店舗は決まっています。"
    if now < case.starts_at:
        return "予約日時になっていません。"
    if case.session is not None:
        return closing(case, "cancelled")
    return gone(case)


def _cancel_asked(case: Case, event: e.CancelAsked, now: datetime) -> Result:
    if case.state in SEEKING:
        return gone(case)
    if case.state in (State.CALLING_SUCCESS, State.AWAITING_PAYMENT):
        return closing(case, "cancelled") if case.session else gone(case)
    if case.state is State.EXPIRING:
        return with_(case, leaving="cancelled"), []
    if case.state is not State.CONFIRMED:
        return "この予約はすでに終わっています。"
    if now > case.cancel_until and not (event.special and event.by == "operator"):
        return _LATE
    number = case.refunds + 1
    refund = e.Refund(number=number, intent=case.intent or "", amount=case.paid)
    told: list[Effect] = [e.ToShop(purpose=Purpose.RELEASED, shop=case.shop), e.ToCustomer(purpose=Purpose.CANCELLED)]
    back = with_(case, state=State.REFUND_PENDING, refunds=number)
    return back, [e.Solved(tasks=OF_ARRANGING), refund, *told]


def _late_cancel_asked(case: Case, event: e.LateCancelAsked, now: datetime) -> Result:
    if case.state is not State.CONFIRMED:
        return "確定した予約ではありません。"
    return case, [e.ForPeople(task=Task.LATE_CANCEL)]


def _contact_noted(case: Case, event: e.ContactNoted, now: datetime) -> Result:
    return "連絡の記録です。予約は変わりません。"


def _customer_corrected(case: Case, event: e.CustomerCorrected, now: datetime) -> Result:
    """Whoever had a wrong number or address has heard nothing: what holds now is said once more, where it arrives."""
    right = with_(case, sms_fails=case.sms_fails and not event.phone)
    effects: list[Effect] = [e.Solved(tasks=(Task.SMS_FAILED,))] if event.phone else []
    # A shop knows the name from the beginning, the number once it is paid for.
    concerns_shop = event.name or (event.phone and case.state is State.CONFIRMED)
    if concerns_shop and case.state in _HELD:
        effects.append(e.ToShop(purpose=Purpose.CORRECTED, shop=case.shop))
    if case.state in (State.CALLING_SUCCESS, State.AWAITING_PAYMENT):
        if not (event.mail if case.by_mail else event.phone):
            return right, effects
        again, paying_again = paying.anew(right, by_mail=case.by_mail)
        return again, [*effects, *paying_again]
    if case.state in _SAYS and (event.phone or event.mail or event.new_mail):
        effects.append(e.ToCustomer(purpose=_SAYS[case.state], by_mail=not event.phone))
    return right, effects


# A shop keeps it for the customer.
_HELD = frozenset({State.CALLING_SUCCESS, State.AWAITING_PAYMENT, State.EXPIRING, State.CONFIRMED})
# What the customer was last told in each state.
_SAYS = {
    **dict.fromkeys(SEEKING, Purpose.REQUEST_RECEIVED),
    State.ALL_SHOPS_REFUSED: Purpose.ALL_SHOPS_REFUSED,
    State.CONFIRMED: Purpose.CONFIRMED,
    State.PAYMENT_TIMEOUT: Purpose.PAYMENT_TIMEOUT,
    State.CANCELLED: Purpose.CANCELLED,
    State.REFUND_PENDING: Purpose.CANCELLED,
    State.REFUNDED: Purpose.REFUNDED,
}
_HANDLERS: Mapping[str, Callable[..., Result]] = {
    **seeking.HANDLERS,
    **paying.HANDLERS,
    "requested": _again,
    "reminder_due": _reminder_due,
    "finished": _finished,
    "lapsed": _lapsed,
    "cancel_asked": _cancel_asked,
    "late_cancel_asked": _late_cancel_asked,
    "contact_noted": _contact_noted,
    "customer_corrected": _customer_corrected,
}
