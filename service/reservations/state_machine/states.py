"""The vocabulary of the state machine: states, answers of calls, purposes of messages and kinds of tasks."""

from __future__ import annotations

from enum import StrEnum

from service.core.values.labels import Labelled


class State(Labelled, table="ReservationState"):
    REQUESTED = "requested", "受付済み"
    CALLING = "calling", "店舗に電話中"
    PENDING_SHOP_RESPONSE = "pending_shop_response", "店舗の回答待ち"
    CHANGE_REQUESTED = "change_requested", "変更の確認中"
    ALL_SHOPS_REFUSED = "all_shops_refused", "全店舗NG"
    CALLING_SUCCESS = "calling_success", "店舗OK（決済準備中）"
    AWAITING_PAYMENT = "awaiting_payment", "決済待ち"
    EXPIRING = "expiring", "決済の締め切り処理中"
    PAYMENT_TIMEOUT = "payment_timeout", "決済期限切れ"
    CONFIRMED = "confirmed", "予約確定"
    COMPLETED = "completed", "完了"
    CANCELLED = "cancelled", "キャンセル"
    REFUND_PENDING = "refund_pending", "返金処理中"
    REFUNDED = "refunded", "返金済み"


# Label of `calling` while no shop can be called.
WAITING_LABEL = "店舗への電話待ち"
# No further event is expected. Money that arrives later is still refunded.
FINAL_STATES = frozenset({State.PAYMENT_TIMEOUT, State.COMPLETED, State.CANCELLED, State.REFUNDED})
# No shop has accepted yet.
SHOP_SEARCH_STATES = frozenset(
    {
        State.REQUESTED,
        State.CALLING,
        State.PENDING_SHOP_RESPONSE,
        State.CHANGE_REQUESTED,
        State.ALL_SHOPS_REFUSED,
    }
)


class Answer(Labelled):
    """How a call ended. `unknown`: it is unclear whether the call was placed; `no_result`: it was placed, and its
    result is unclear; `skipped`: the shop's turn passed without a call."""

    OK = "ok", "予約OK"
    REFUSED = "refused", "予約NG"
    VAGUE = "vague", "曖昧な回答"
    CHANGE_REQUESTED = "change_requested", "変更依頼"
    VOICEMAIL = "voicemail", "留守番電話"
    NO_ANSWER = "no_answer", "応答なし"
    BUSY = "busy", "話し中"
    FAILED = "failed", "発信失敗"
    NO_RESULT = "no_result", "結果不明"
    UNKNOWN = "unknown", "発信の成否不明"
    SKIPPED = "skipped", "電話せず"


class Purpose(StrEnum):
    """What a message to the customer or a shop is about."""

    REQUEST_RECEIVED = "request_received"
    ALL_SHOPS_REFUSED = "all_shops_refused"
    PAYMENT_LINK = "payment_link"
    PAYMENT_TIMEOUT = "payment_timeout"
    CONFIRMED = "confirmed"
    REMINDER = "reminder"
    CANCELLED = "cancelled"
    REFUNDED = "refunded"
    # Sent by staff during an incident.
    INCIDENT = "incident"
    # To shops.
    HELD = "held"
    BOOKED = "booked"
    RELEASED = "released"
    DECLINED = "declined"
    CORRECTED = "corrected"


class Task(Labelled):
    """A manual task for operators (document 2.2, and what vendors leave unclear)."""

    ALL_SHOPS_REFUSED = "all_shops_refused", "全店舗予約NG"
    SMS_FAILED = "sms_failed", "SMS送信失敗"
    VAGUE_ANSWER = "vague_answer", "曖昧な回答"
    CHANGE_REQUESTED = "change_requested", "予約内容の変更依頼"
    LATE_CANCEL = "late_cancel", "期限超過後のキャンセル依頼"
    PAYMENT_TROUBLE = "payment_trouble", "決済の不具合"
    REFUND_FAILED = "refund_failed", "返金の失敗"
    DISPUTE = "dispute", "支払いへの異議"
    CALL_UNCLEAR = "call_unclear", "電話の発信状況が不明"
    SECOND_OK = "second_ok", "別の店舗からも予約OK"
    CUSTOMER_ENQUIRY = "customer_enquiry", "依頼者からの問い合わせ"
