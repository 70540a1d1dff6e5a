"""The text and the form of the public pages in each state. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from service.core.values.times import format_local_datetime
from service.reservations.outgoing.message_texts import NOT_POSSIBLE, TIMED_OUT, TOO_LATE_TO_CANCEL, yen
from service.reservations.state_machine.case import Case
from service.reservations.state_machine.states import SHOP_SEARCH_STATES, State

Tone = Literal["", "good", "warning", "bad"]
_AGAIN = "もう一度予約する場合は、AIアシスタントに依頼してください。"
_RESULT_BY_SMS = "結果はSMSでもお知らせしますので、この画面は閉じてもかまいません。"
_NO_COST = "代金はいただいていません。"


@dataclass(frozen=True)
class View:
    """`offer`: the form below the text. `seconds_left`: the time to pay. `refresh`: the page reloads itself soon.
    `support`: the page shows how to reach customer support."""

    title: str
    lines: tuple[str, ...]
    tone: Tone = ""
    offer: Literal["pay", "cancel", "enquire"] | None = None
    seconds_left: int | None = None
    refresh: bool = False
    support: bool = False


def payment_view(case: Case, is_open: bool, now: datetime) -> View:
    """`is_open`: a Stripe page is open for payment."""
    lines: tuple[str, ...]
    if case.state in SHOP_SEARCH_STATES:
        return _searching_shop(case)
    if case.state is State.CALLING_SUCCESS and not (case.session and is_open):
        lines = ("お支払いページを準備しています。このまま少しお待ちください。",)
        return View("お支払いの準備をしています", lines, refresh=True)
    if case.state in (State.CALLING_SUCCESS, State.AWAITING_PAYMENT) and is_open and _in_time(case, now):
        seconds_left = None if case.deadline is None else int((case.deadline - now).total_seconds())
        # Shown before the payment, not after: a customer who books for tomorrow can no longer cancel.
        until = format_local_datetime(case.cancel_until)
        terms = (
            f"お支払いのあとも、{until}までは全額返金でキャンセルできます。"
            if now <= case.cancel_until
            else f"キャンセルの期限（{until}）を過ぎているため、お支払いのあとはキャンセルできません。"
        )
        lines = ("お店の仮予約が取れました。内容を確認して、お支払いへお進みください。", terms)
        return View("お支払い", lines, offer="pay", seconds_left=seconds_left)
    return _closed(case, now)


def after_payment_view(case: Case, is_open: bool, now: datetime) -> View:
    """Back from Stripe, whose report may come later."""
    if case.state in (State.CALLING_SUCCESS, State.AWAITING_PAYMENT, State.EXPIRING):
        lines = ("お支払いの結果を確認しています。確認できしだい、この画面が切り替わります。", _RESULT_BY_SMS)
        return View("お支払いを確認しています", lines, refresh=True)
    return payment_view(case, is_open, now)


def cancel_view(case: Case, is_enquired: bool, now: datetime) -> View:
    """`is_enquired`: the customer's enquiry after the time limit waits for operators."""
    lines: tuple[str, ...]
    if case.state in SHOP_SEARCH_STATES or case.state in (State.CALLING_SUCCESS, State.AWAITING_PAYMENT):
        lines = ("この予約をキャンセルできます。費用はかかりません。",)
        return View("予約のキャンセル", lines, offer="cancel")
    if case.state is not State.CONFIRMED:
        return _closed(case, now)
    if now <= case.cancel_until:
        lines = (
            f"{format_local_datetime(case.cancel_until)}まで、キャンセルできます。",
            f"お支払いの{yen(case.paid)}は、全額返金します。",
        )
        return View("予約のキャンセル", lines, offer="cancel")
    if now >= case.starts_at:
        return View("予約日時を過ぎています", ("この予約は、ここではキャンセルできません。",), support=True)
    if is_enquired:
        lines = ("ご相談を受け付けました。担当者が内容を確認し、お電話でご連絡します。", "予約はまだ有効です。")
        return View("キャンセルのご相談", lines, "good", support=True)
    lines = (
        f"{TOO_LATE_TO_CANCEL}。",
        f"キャンセルの期限は{format_local_datetime(case.cancel_until)}でした。"
        "病気や事故などのご事情がある場合は、下の欄からもご相談いただけます。",
    )
    return View("キャンセル期限を過ぎています", lines, "warning", offer="enquire", support=True)


def _in_time(case: Case, now: datetime) -> bool:
    return case.deadline is None or now < case.deadline


def _searching_shop(case: Case) -> View:
    if case.state is State.ALL_SHOPS_REFUSED:
        return View("予約できませんでした", (f"{NOT_POSSIBLE}。", _NO_COST), "warning", support=True)
    lines = (
        "予約できるお店を探しています。今、お支払いの必要はありません。",
        "お店が決まりましたら、お支払いのご案内をSMSでお送りします。",
    )
    return View("お店を探しています", lines)


def _closed(case: Case, now: datetime) -> View:
    """When there is nothing left to pay or to cancel."""
    lines: tuple[str, ...]
    if case.state in (State.AWAITING_PAYMENT, State.EXPIRING):
        return _closing(case)
    if case.state is State.CONFIRMED:
        until = f"キャンセルは{format_local_datetime(case.cancel_until)}まで、SMSでお送りしたリンクから承ります。"
        lines = (
            "お支払いを確認しました。ご予約の内容は次のとおりです。",
            *([until] if now <= case.cancel_until else []),
        )
        return View("予約が確定しました", lines, "good")
    if case.state is State.COMPLETED:
        return View("ご利用ありがとうございました", ("この予約は終了しています。",), "good")
    if case.state is State.REFUND_PENDING:
        lines = (f"お支払いの{yen(case.paid)}を返金する手続きをしています。完了しましたら、SMSでお知らせします。",)
        return View("返金の手続きをしています", lines)
    if case.state is State.REFUNDED:
        lines = (
            f"{yen(case.refunded)}を返金しました。",
            "カードへの返金は、カード会社により、明細に反映されるまで数日かかることがあります。",
        )
        return View("返金しました", lines, "good")
    if case.state is State.PAYMENT_TIMEOUT:
        lines = (f"{TIMED_OUT}。", _NO_COST, _AGAIN)
        return View("決済期限が切れました", lines, "warning", support=True)
    return View("キャンセルしました", ("この予約はキャンセルしました。", _NO_COST, _AGAIN))


def _closing(case: Case) -> View:
    if case.leaving == "cancelled":
        lines = ("キャンセルの手続きをしています。", _RESULT_BY_SMS)
        return View("キャンセルの手続きをしています", lines, refresh=True)
    lines = (
        "決済期限を過ぎたため、受付を締め切りました。",
        f"すでにお支払いを済ませた場合は、結果を確認しています。{_RESULT_BY_SMS}",
    )
    return View("お支払いの受付を締め切りました", lines, "warning", refresh=True)
