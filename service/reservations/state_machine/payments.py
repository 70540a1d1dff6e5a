"""The state machine's transitions for payments and refunds. Pure.

Stripe's session decides about every payment: no reservation times out or is cancelled before its session is closed, and
a payment made before that counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from service.reservations.state_machine import events as e
from service.reservations.state_machine.case import (
    ARRANGEMENT_TASKS,
    PAYMENT_TASKS,
    Case,
    Transition,
    cancel_unpaid,
    close_session,
    with_changes,
)
from service.reservations.state_machine.events import Effect
from service.reservations.state_machine.states import Purpose, State, Task


def _checkout_ready(case: Case, event: e.CheckoutReady, now: datetime) -> Transition:
    if case.session == event.session:
        return "この決済ページは登録済みです。"
    if case.state is not State.CALLING_SUCCESS or event.number != case.checkouts:
        # Created for data that has changed since: it must not be paid.
        return case, [e.Expire(session=event.session)]
    ready = with_changes(case, session=event.session)
    if case.sms_fails and not case.by_mail:
        return ready, [e.ForPeople(task=Task.SMS_FAILED)]
    return ready, [e.ToCustomer(purpose=Purpose.PAYMENT_LINK, by_mail=case.by_mail)]


def _checkout_failed(case: Case, event: e.CheckoutFailed, now: datetime) -> Transition:
    if case.state is not State.CALLING_SUCCESS or event.number != case.checkouts:
        return "決済ページを待っていません。"
    return case, [e.ForPeople(task=Task.PAYMENT_TROUBLE)]


def _checkout_retried(case: Case, event: e.CheckoutRetried, now: datetime) -> Transition:
    if case.state is not State.CALLING_SUCCESS:
        return "決済リンクを送る段階ではありません。"
    return restart_checkout(case, by_mail=event.by_mail)


def restart_checkout(case: Case, *, by_mail: bool) -> tuple[Case, list[Effect]]:
    """A new payment page and link. A payment on the earlier page is refunded."""
    expire_effects: list[Effect] = [e.Expire(session=case.session)] if case.session else []
    number = case.checkouts + 1
    waiting = with_changes(
        case, state=State.CALLING_SUCCESS, session=None, deadline=None, by_mail=by_mail, checkouts=number
    )
    checkout = e.Checkout(number=number, amount=case.price, by_mail=by_mail)
    return waiting, [e.Solved(tasks=PAYMENT_TASKS), *expire_effects, checkout]


def _link_sent(case: Case, event: e.LinkSent, now: datetime) -> Transition:
    if case.state not in (State.CALLING_SUCCESS, State.AWAITING_PAYMENT) or case.session is None:
        return "決済リンクを待っていません。"
    if case.by_mail != event.by_mail:
        return "別の方法で決済リンクを送り直しています。"
    return with_changes(case, state=State.AWAITING_PAYMENT, deadline=now + timedelta(minutes=event.minutes)), []


def _link_lost(case: Case, event: e.LinkLost, now: datetime) -> Transition:
    """The time to pay begins when the link is sent again."""
    if case.state is not State.AWAITING_PAYMENT or case.by_mail:
        return "決済リンクの送信を待っています。"
    return with_changes(case, state=State.CALLING_SUCCESS, deadline=None), []


def _sms_failed(case: Case, event: e.SmsFailed, now: datetime) -> Transition:
    """A link that never arrived does not expire: operators send it another way."""
    failing = with_changes(case, sms_fails=True)
    is_link = event.purpose == Purpose.PAYMENT_LINK and case.state is State.AWAITING_PAYMENT and not case.by_mail
    if is_link:
        failing = with_changes(failing, state=State.CALLING_SUCCESS, deadline=None)
    return failing, [e.ForPeople(task=Task.SMS_FAILED)]


def _deadline_passed(case: Case, event: e.DeadlinePassed, now: datetime) -> Transition:
    if case.state is not State.AWAITING_PAYMENT or case.deadline is None or now < case.deadline:
        return "決済期限になっていません。"
    return close_session(case, "deadline")


def _session_closed(case: Case, event: e.SessionClosed, now: datetime) -> Transition:
    if event.session != case.session:
        return "以前の決済ページです。"
    if case.state is State.EXPIRING and case.leaving == "cancelled":
        return cancel_unpaid(case)
    if case.state in (State.EXPIRING, State.AWAITING_PAYMENT):
        notifications: list[Effect] = [
            e.ToCustomer(purpose=Purpose.PAYMENT_TIMEOUT),
            e.ToShop(purpose=Purpose.RELEASED, shop=case.shop),
        ]
        return with_changes(case, state=State.PAYMENT_TIMEOUT), [e.Solved(tasks=PAYMENT_TASKS), *notifications]
    if case.state is State.CALLING_SUCCESS:
        return with_changes(case, session=None), [e.ForPeople(task=Task.PAYMENT_TROUBLE)]
    return "決済を待っていません。"


def _expiry_unclear(case: Case, event: e.ExpiryUnclear, now: datetime) -> Transition:
    if case.state is not State.EXPIRING or case.session is None:
        return "決済ページを閉じていません。"
    return case, [e.ForPeople(task=Task.PAYMENT_TROUBLE), e.Expire(session=case.session)]


def _paid(case: Case, event: e.Paid, now: datetime) -> Transition:
    if event.intent == case.intent or event.intent in case.stray:
        return "この決済は処理済みです。"
    number = case.refunds + 1
    refund = e.Refund(number=number, intent=event.intent, amount=event.amount)
    if event.session != case.session or case.paid:
        # Paid on a page that was, or should have been, closed: refunded independently of the rest.
        stray = with_changes(case, stray=(*case.stray, event.intent), refunds=number)
        return stray, [refund, e.ForPeople(task=Task.PAYMENT_TROUBLE)]
    paid = with_changes(case, intent=event.intent, paid=event.amount)
    is_on_time = case.state is State.EXPIRING and case.leaving == "deadline"
    if is_on_time or case.state in (State.AWAITING_PAYMENT, State.CALLING_SUCCESS):
        notifications: list[Effect] = [
            e.ToCustomer(purpose=Purpose.CONFIRMED),
            e.ToShop(purpose=Purpose.BOOKED, shop=case.shop),
        ]
        return with_changes(paid, state=State.CONFIRMED, leaving=None), [e.Solved(tasks=PAYMENT_TASKS), *notifications]
    refunding = with_changes(paid, state=State.REFUND_PENDING, refunds=number)
    if case.state is State.EXPIRING:
        released = e.ToShop(purpose=Purpose.RELEASED, shop=case.shop)
        return refunding, [e.Solved(tasks=ARRANGEMENT_TASKS), refund, released, e.ToCustomer(purpose=Purpose.CANCELLED)]
    return refunding, [refund, e.ForPeople(task=Task.PAYMENT_TROUBLE)]


def _refund_done(case: Case, event: e.RefundDone, now: datetime) -> Transition:
    if event.intent in case.stray:
        return case, []
    if case.state is not State.REFUND_PENDING or event.intent != case.intent:
        return "返金を待っていません。"
    done = with_changes(case, state=State.REFUNDED, refunded=event.amount, refund_fails=False)
    return done, [e.Solved(tasks=(Task.REFUND_FAILED,)), e.ToCustomer(purpose=Purpose.REFUNDED)]


def _refund_failed(case: Case, event: e.RefundFailed, now: datetime) -> Transition:
    """Also after a refund had succeeded: the customer's bank can return it."""
    if event.intent in case.stray:
        return case, [e.ForPeople(task=Task.REFUND_FAILED)]
    if case.state not in (State.REFUND_PENDING, State.REFUNDED) or event.intent != case.intent:
        return "返金を待っていません。"
    failing = with_changes(case, state=State.REFUND_PENDING, refunded=0, refund_fails=True)
    return failing, [e.ForPeople(task=Task.REFUND_FAILED)]


def _refund_retried(case: Case, event: e.RefundRetried, now: datetime) -> Transition:
    if case.state is not State.REFUND_PENDING or case.intent is None:
        return "返金を待っていません。"
    if not case.refund_fails:
        return "返金の結果を待っています。"
    number = case.refunds + 1
    refund = e.Refund(number=number, intent=case.intent, amount=case.paid)
    return with_changes(case, refunds=number, refund_fails=False), [e.Solved(tasks=(Task.REFUND_FAILED,)), refund]


def _refunded_otherwise(case: Case, event: e.RefundedOtherwise, now: datetime) -> Transition:
    """Only when Stripe could not refund: no double refund. The operator notifies the customer."""
    if case.state is not State.REFUND_PENDING or case.intent is None:
        return "返金を待っていません。"
    if not case.refund_fails:
        return "返金の結果を待っています。"
    done = with_changes(case, state=State.REFUNDED, refunded=case.paid, refund_fails=False)
    return done, [e.Solved(tasks=(Task.REFUND_FAILED,))]


def _disputed(case: Case, event: e.Disputed, now: datetime) -> Transition:
    if not case.paid:
        return "支払いのない予約です。"
    return case, [e.ForPeople(task=Task.DISPUTE)]


HANDLERS: Mapping[str, Callable[..., Transition]] = {
    "checkout_ready": _checkout_ready,
    "checkout_failed": _checkout_failed,
    "checkout_retried": _checkout_retried,
    "link_sent": _link_sent,
    "link_lost": _link_lost,
    "sms_failed": _sms_failed,
    "deadline_passed": _deadline_passed,
    "session_closed": _session_closed,
    "expiry_unclear": _expiry_unclear,
    "paid": _paid,
    "refund_done": _refund_done,
    "refund_failed": _refund_failed,
    "refund_retried": _refund_retried,
    "refunded_otherwise": _refunded_otherwise,
    "disputed": _disputed,
}
