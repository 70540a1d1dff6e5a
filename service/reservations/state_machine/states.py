"""The vocabulary of the state machine: states, answers of calls, purposes of messages and kinds of tasks."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    REQUESTED = "requested"
    CALLING = "calling"
    PENDING_SHOP_RESPONSE = "pending_shop_response"
    CHANGE_REQUESTED = "change_requested"
    ALL_SHOPS_REFUSED = "all_shops_refused"
    CALLING_SUCCESS = "calling_success"
    AWAITING_PAYMENT = "awaiting_payment"
    EXPIRING = "expiring"
    PAYMENT_TIMEOUT = "payment_timeout"
    CONFIRMED = "confirmed"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    REFUND_PENDING = "refund_pending"
    REFUNDED = "refunded"


STATE_LABELS = {
    State.REQUESTED: "受付済み",
    State.CALLING: "店舗に電話中",
    State.PENDING_SHOP_RESPONSE: "店舗の回答待ち",
    State.CHANGE_REQUESTED: "変更の確認中",
    State.ALL_SHOPS_REFUSED: "全店舗NG",
    State.CALLING_SUCCESS: "店舗OK（決済準備中）",
    State.AWAITING_PAYMENT: "決済待ち",
    State.EXPIRING: "決済の締め切り処理中",
    State.PAYMENT_TIMEOUT: "決済期限切れ",
    State.CONFIRMED: "予約確定",
    State.COMPLETED: "完了",
    State.CANCELLED: "キャンセル",
    State.REFUND_PENDING: "返金処理中",
    State.REFUNDED: "返金済み",
}
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


class Answer(StrEnum):
    """How a call ended. `unknown`: it is unclear whether the call was placed; `no_result`: it was placed, and its
    result is unclear; `skipped`: the shop's turn passed without a call."""

    OK = "ok"
    REFUSED = "refused"
    VAGUE = "vague"
    CHANGE_REQUESTED = "change_requested"
    VOICEMAIL = "voicemail"
    NO_ANSWER = "no_answer"
    BUSY = "busy"
    FAILED = "failed"
    NO_RESULT = "no_result"
    UNKNOWN = "unknown"
    SKIPPED = "skipped"


ANSWER_LABELS = {
    Answer.OK: "予約OK",
    Answer.REFUSED: "予約NG",
    Answer.VAGUE: "曖昧な回答",
    Answer.CHANGE_REQUESTED: "変更依頼",
    Answer.VOICEMAIL: "留守番電話",
    Answer.NO_ANSWER: "応答なし",
    Answer.BUSY: "話し中",
    Answer.FAILED: "発信失敗",
    Answer.NO_RESULT: "結果不明",
    Answer.UNKNOWN: "発信の成否不明",
    Answer.SKIPPED: "電話せず",
}


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


class Task(StrEnum):
    """A manual task for operators (document 2.2, and what vendors leave unclear)."""

    ALL_SHOPS_REFUSED = "all_shops_refused"
    SMS_FAILED = "sms_failed"
    VAGUE_ANSWER = "vague_answer"
    CHANGE_REQUESTED = "change_requested"
    LATE_CANCEL = "late_cancel"
    PAYMENT_TROUBLE = "payment_trouble"
    REFUND_FAILED = "refund_failed"
    DISPUTE = "dispute"
    CALL_UNCLEAR = "call_unclear"
    SECOND_OK = "second_ok"
    CUSTOMER_ENQUIRY = "customer_enquiry"
