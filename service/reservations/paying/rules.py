"""What becomes of a case while it is paid for, and when money goes back. Pure.

Stripe's session is the referee of every payment: nobody is timed out or cancelled before it is closed, and whoever paid
before that has paid.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from service.reservations.cases.rules import OF_ARRANGING, OF_PAYING, Case, Result, closing, gone, with_
from service.reservations.events import rules as e
from service.reservations.events.rules import Effect, Purpose, State, Task


def _checkout_ready(case: Case, event: e.CheckoutReady, now: datetime) -> Result:
    if case.session == event.session:
        return "この決済ページは登録済みです。"
    if case.state is not State.CALLING_SUCCESS or event.number != case.checkouts:
        # Made for what has changed since: nobody may pay it.
        return case, [e.Expire(session=event.session)]
    ready = with_(case, session=event.session)
    if case.sms_fails and not case.by_mail:
        return ready, [e.ForPeople(task=Task.SMS_FAILED)]
    return ready, [e.ToCustomer(purpose=Purpose.PAYMENT_LINK, by_mail=case.by_mail)]


def _checkout_failed(case: Case, event: e.CheckoutFailed, now: datetime) -> Result:
    if case.state is not State.CALLING_SUCCESS or event.number != case.checkouts:
        return "決済ページを待っていません。"
    return case, [e.ForPeople(task=Task.PAYMENT_TROUBLE)]


def _checkout_retried(case: Case, event: e.CheckoutRetried, now: datetime) -> Result:
    if case.state is not State.CALLING_SUCCESS:
        return "決済リンクを送る段階ではありません。"
    return anew(case, by_mail=event.by_mail)


def anew(case: Case, *, by_mail: bool) -> tuple[Case, list[Effect]]:
    """Another page to pay on, and a link to it; who pays on the one before gets that money back."""
    ending: list[Effect] = [e.Expire(session=case.session)] if case.session else []
    number = case.checkouts + 1
    waiting = with_(case, state=State.CALLING_SUCCESS, session=None, deadline=None, by_mail=by_mail, checkouts=number)
    checkout = e.Checkout(number=number, amount=case.price, by_mail=by_mail)
    return waiting, [e.Solved(tasks=OF_PAYING), *ending, checkout]


def _link_sent(case: Case, event: e.LinkSent, now: datetime) -> Result:
    if case.state not in (State.CALLING_SUCCESS, State.AWAITING_PAYMENT) or case.session is None:
        return "決済リンクを待っていません。"
    if case.by_mail != event.by_mail:
        return "別の方法で決済リンクを送り直しています。"
    return with_(case, state=State.AWAITING_PAYMENT, deadline=now + timedelta(minutes=event.minutes)), []


def _link_lost(case: Case, event: e.LinkLost, now: datetime) -> Result:
    """The ten minutes begin when it is sent again."""
    if case.state is not State.AWAITING_PAYMENT or case.by_mail:
        return "決済リンクの送信を待っています。"
    return with_(case, state=State.CALLING_SUCCESS, deadline=None), []


def _sms_failed(case: Case, event: e.SmsFailed, now: datetime) -> Result:
    """A link that never arrived does not run out: people send it another way."""
    failing = with_(case, sms_fails=True)
    is_link = event.purpose == Purpose.PAYMENT_LINK and case.state is State.AWAITING_PAYMENT and not case.by_mail
    if is_link:
        failing = with_(failing, state=State.CALLING_SUCCESS, deadline=None)
    return failing, [e.ForPeople(task=Task.SMS_FAILED)]


def _deadline_passed(case: Case, event: e.DeadlinePassed, now: datetime) -> Result:
    if case.state is not State.AWAITING_PAYMENT or case.deadline is None or now < case.deadline:
        return "決済期限になっていません。"
    return closing(case, "deadline")


def _session_closed(case: Case, event: e.SessionClosed, now: datetime) -> Result:
    if event.session != case.session:
        return "以前の決済ページです。"
    if case.state is State.EXPIRING and case.leaving == "cancelled":
        return gone(case)
    if case.state in (State.EXPIRING, State.AWAITING_PAYMENT):
        told: list[Effect] = [
            e.ToCustomer(purpose=Purpose.PAYMENT_TIMEOUT),
            e.ToShop(purpose=Purpose.RELEASED, shop=case.shop),
        ]
        return with_(case, state=State.PAYMENT_TIMEOUT), [e.Solved(tasks=OF_PAYING), *told]
    if case.state is State.CALLING_SUCCESS:
        return with_(case, session=None), [e.ForPeople(task=Task.PAYMENT_TROUBLE)]
    return "決済を待っていません。"


def _expiry_unclear(case: Case, event: e.ExpiryUnclear, now: datetime) -> Result:
    if case.state is not State.EXPIRING or case.session is None:
        return "決済ページを閉じていません。"
    return case, [e.ForPeople(task=Task.PAYMENT_TROUBLE), e.Expire(session=case.session)]


def _paid(case: Case, event: e.Paid, now: datetime) -> Result:
    if event.intent == case.intent or event.intent in case.stray:
        return "この決済は処理済みです。"
    number = case.refunds + 1
    refund = e.Refund(number=number, intent=event.intent, amount=event.amount)
    if event.session != case.session or case.paid:
        # For a page that was closed or should have been: it is given back beside everything else.
        stray = with_(case, stray=(*case.stray, event.intent), refunds=number)
        return stray, [refund, e.ForPeople(task=Task.PAYMENT_TROUBLE)]
    paid = with_(case, intent=event.intent, paid=event.amount)
    wanted = case.state is State.EXPIRING and case.leaving == "deadline"
    if wanted or case.state in (State.AWAITING_PAYMENT, State.CALLING_SUCCESS):
        told: list[Effect] = [e.ToCustomer(purpose=Purpose.CONFIRMED), e.ToShop(purpose=Purpose.BOOKED, shop=case.shop)]
        return with_(paid, state=State.CONFIRMED, leaving=None), [e.Solved(tasks=OF_PAYING), *told]
    back = with_(paid, state=State.REFUND_PENDING, refunds=number)
    if case.state is State.EXPIRING:
        released = e.ToShop(purpose=Purpose.RELEASED, shop=case.shop)
        return back, [e.Solved(tasks=OF_ARRANGING), refund, released, e.ToCustomer(purpose=Purpose.CANCELLED)]
    return back, [refund, e.ForPeople(task=Task.PAYMENT_TROUBLE)]


def _refund_done(case: Case, event: e.RefundDone, now: datetime) -> Result:
    if event.intent in case.stray:
        return case, []
    if case.state is not State.REFUND_PENDING or event.intent != case.intent:
        return "返金を待っていません。"
    done = with_(case, state=State.REFUNDED, refunded=event.amount, refund_fails=False)
    return done, [e.Solved(tasks=(Task.REFUND_FAILED,)), e.ToCustomer(purpose=Purpose.REFUNDED)]


def _refund_failed(case: Case, event: e.RefundFailed, now: datetime) -> Result:
    """Also after it had succeeded: the customer's bank can send it back."""
    if event.intent in case.stray:
        return case, [e.ForPeople(task=Task.REFUND_FAILED)]
    if case.state not in (State.REFUND_PENDING, State.REFUNDED) or event.intent != case.intent:
        return "返金を待っていません。"
    failing = with_(case, state=State.REFUND_PENDING, refunded=0, refund_fails=True)
    return failing, [e.ForPeople(task=Task.REFUND_FAILED)]


def _refund_retried(case: Case, event: e.RefundRetried, now: datetime) -> Result:
    if case.state is not State.REFUND_PENDING or case.intent is None:
        return "返金を待っていません。"
    if not case.refund_fails:
        return "返金の結果を待っています。"
    number = case.refunds + 1
    refund = e.Refund(number=number, intent=case.intent, amount=case.paid)
    return with_(case, refunds=number, refund_fails=False), [e.Solved(tasks=(Task.REFUND_FAILED,)), refund]


def _refunded_otherwise(case: Case, event: e.RefundedOtherwise, now: datetime) -> Result:
    """Only when Stripe could not: nobody is to get it twice. The customer knows from the person who did it."""
    if case.state is not State.REFUND_PENDING or case.intent is None:
        return "返金を待っていません。"
    if not case.refund_fails:
        return "返金の結果を待っています。"
    done = with_(case, state=State.REFUNDED, refunded=case.paid, refund_fails=False)
    return done, [e.Solved(tasks=(Task.REFUND_FAILED,))]


def _disputed(case: Case, event: e.Disputed, now: datetime) -> Result:
    if not case.paid:
        return "支払いのない予約です。"
    return case, [e.ForPeople(task=Task.DISPUTE)]


HANDLERS: Mapping[str, Callable[..., Result]] = {
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
