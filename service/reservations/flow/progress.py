"""What a reservation waits for, what happens next and by when, in text for the customer: for assistants, pages and
telephone. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from service.core.values.times import format_local_datetime
from service.reservations.outgoing.message_texts import NOT_POSSIBLE, TIMED_OUT, yen
from service.reservations.state_machine.case import GIVE_UP_BEFORE, PAY_MINUTES, Case
from service.reservations.state_machine.states import State

# A shorter pause is not mentioned.
MIN_PAUSE = timedelta(minutes=1)
_LATER_BY_SMS = "お店が決まりましたら、お支払いのご案内をSMSでお送りします。"
_NO_COST = "代金はいただいていません。"
_AGAIN = "ご希望でしたら、あらためて予約をご依頼ください。"


@dataclass(frozen=True)
class Progress:
    """`sentence`: the current state and what comes next. `by`: the time by which that happens, or until which the
    customer can still act; None: nothing more is expected."""

    sentence: str
    by: datetime | None = None


def progress(case: Case, now: datetime) -> Progress:
    return _BY_STATE[case.state](case, now)


def waits_until(case: Case, now: datetime) -> datetime | None:
    """No shop is called before this time: then the shops open, or the second round begins."""
    if case.state is not State.CALLING or case.call is not None or case.resume_at is None:
        return None
    return case.resume_at if case.resume_at > now + MIN_PAUSE else None


def _searching_shop(case: Case, now: datetime) -> Progress:
    give_up = case.starts_at - GIVE_UP_BEFORE
    if case.call is not None:
        activity = "お店に電話をかけて、予約できるか確認しています。"
    elif (paused_until := waits_until(case, now)) is not None:
        activity = f"{_delay_reason(case)}、{format_local_datetime(paused_until)}ごろから、お店に電話で確認します。"
    else:
        activity = "これから、お店に順番に電話をかけて確認します。"
    return Progress(
        f"{activity}{_LATER_BY_SMS}遅くとも{format_local_datetime(give_up)}までに結果をお知らせします。", give_up
    )


def _delay_reason(case: Case) -> str:
    if case.round > 1 and not case.turn:
        return "一通り電話をかけましたが予約が取れていないため、少し時間をおいて"
    return "今は電話を受け付けているお店がないため"


def _vague(case: Case, now: datetime) -> Progress:
    give_up = case.starts_at - GIVE_UP_BEFORE
    return Progress(
        "お店が、その場では決められないと回答しました。担当者がお店に確認しています"
        f"（平日9:00〜18:00は1時間以内が目安です）。{_LATER_BY_SMS}"
        f"遅くとも{format_local_datetime(give_up)}までに結果をお知らせします。",
        give_up,
    )


def _change(case: Case, now: datetime) -> Progress:
    return Progress(
        "お店から、日時などを変更できないかとの相談がありました。"
        "担当者がお客様にお電話し、変更してよいかを伺います（平日9:00〜18:00は2時間以内が目安です）。",
        case.starts_at - GIVE_UP_BEFORE,
    )


def _no_shop(case: Case, now: datetime) -> Progress:
    return Progress(f"{NOT_POSSIBLE}。{_NO_COST}担当者も、ほかに手配できるお店がないか確認しています。", case.starts_at)


def _held_by_shop(case: Case, now: datetime) -> Progress:
    if case.sms_fails and not case.by_mail:
        return Progress(
            "お店の仮予約は取れましたが、お客様の電話番号にSMSを送れません。"
            "担当者がお客様にお電話し、お支払いの方法をご案内します。",
            case.starts_at,
        )
    channel = "メール" if case.by_mail else "SMS"
    return Progress(
        f"お店の仮予約が取れました。まもなく、お支払いのリンクを{channel}でお送りします。"
        f"届いてから{PAY_MINUTES}分以内にお支払いいただくと、予約が確定します。"
    )


def _awaiting_payment(case: Case, now: datetime) -> Progress:
    until = case.deadline or case.starts_at
    channel = "メール" if case.by_mail else "SMS"
    return Progress(
        f"お店の仮予約が取れました。{channel}でお送りしたリンクから、{format_local_datetime(until)}までに"
        f"{yen(case.price)}をお支払いください。期限を過ぎると、仮予約はキャンセルになります。",
        until,
    )


def _closing(case: Case, now: datetime) -> Progress:
    if case.leaving == "cancelled":
        return Progress("キャンセルの手続きをしています。終わりましたら、SMSでお知らせします。")
    return Progress(
        "決済期限になったため、お支払いの受付を締め切っています。"
        "期限までのお支払いが確認できれば予約が確定し、結果をSMSでお知らせします。"
    )


def _timed_out(case: Case, now: datetime) -> Progress:
    return Progress(f"{TIMED_OUT}。仮予約はキャンセルしました。{_NO_COST}")


def _confirmed(case: Case, now: datetime) -> Progress:
    paid = "お支払いを確認し、予約が確定しています。"
    if now <= case.cancel_until:
        return Progress(
            f"{paid}{format_local_datetime(case.cancel_until)}までは、全額返金でキャンセルできます。", case.cancel_until
        )
    if now < case.starts_at:
        return Progress(f"{paid}{format_local_datetime(case.starts_at)}に、お店へお越しください。", case.starts_at)
    return Progress(f"{paid}予約日時を過ぎました。")


def _completed(case: Case, now: datetime) -> Progress:
    return Progress("この予約は終了しています。ご利用ありがとうございました。")


def _cancelled(case: Case, now: datetime) -> Progress:
    return Progress(f"この予約はキャンセルしました。{_NO_COST}{_AGAIN}")


def _refunding(case: Case, now: datetime) -> Progress:
    if case.refund_fails:
        return Progress(
            f"{yen(case.paid)}の返金が完了していないため、担当者が確認しています。終わりましたらお知らせします。"
        )
    return Progress(
        f"予約を取りやめ、お支払いの{yen(case.paid)}を全額返金する手続きをしています。完了しましたら、SMSでお知らせします。"
    )


def _refunded(case: Case, now: datetime) -> Progress:
    return Progress(
        f"予約を取りやめ、{yen(case.refunded)}を返金しました。"
        "カードへの返金は、カード会社により、明細に反映されるまで数日かかることがあります。"
    )


_BY_STATE: Mapping[State, Callable[[Case, datetime], Progress]] = {
    State.REQUESTED: _searching_shop,
    State.CALLING: _searching_shop,
    State.PENDING_SHOP_RESPONSE: _vague,
    State.CHANGE_REQUESTED: _change,
    State.ALL_SHOPS_REFUSED: _no_shop,
    State.CALLING_SUCCESS: _held_by_shop,
    State.AWAITING_PAYMENT: _awaiting_payment,
    State.EXPIRING: _closing,
    State.PAYMENT_TIMEOUT: _timed_out,
    State.CONFIRMED: _confirmed,
    State.COMPLETED: _completed,
    State.CANCELLED: _cancelled,
    State.REFUND_PENDING: _refunding,
    State.REFUNDED: _refunded,
}
