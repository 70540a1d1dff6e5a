"""Events (what happened) and effects (what has to be done). Pure data.

The timeline stores events as JSON and reads them back forever: a field may be added with a default, never renamed.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from service.reservations.state_machine.states import Answer, Purpose, Task


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Requested(_Event):
    """`order`: the service's shops at that time, in calling order."""

    kind: Literal["requested"] = "requested"
    starts_at: datetime
    price: int
    order: tuple[int, ...]


class CallPlaced(_Event):
    """A shop is about to be called; `number` counts the reservation's calls from 1."""

    kind: Literal["call_placed"] = "call_placed"
    number: int
    shop: int


class ShopSkipped(_Event):
    """The shop's turn of this round passes without a call."""

    kind: Literal["shop_skipped"] = "shop_skipped"
    number: int
    shop: int
    why: str


class ShopsClosed(_Event):
    """None of the shops still to be called in this round can be called before `until`."""

    kind: Literal["shops_closed"] = "shops_closed"
    until: datetime


class CallEnded(_Event):
    """`overruled`: an operator corrected the answer that was read from the call."""

    kind: Literal["call_ended"] = "call_ended"
    number: int
    shop: int
    answer: Answer
    overruled: bool = False


class ShopsExhausted(_Event):
    """Both rounds are over, there was no shop to call, or (`too_late`) no time is left to call."""

    kind: Literal["shops_exhausted"] = "shops_exhausted"
    too_late: bool = False


class ShopOk(_Event):
    """An operator confirmed that a shop accepts. `shop` None: an unlisted shop, which `note` names."""

    kind: Literal["shop_ok"] = "shop_ok"
    shop: int | None = None
    note: str = ""


class ShopRefused(_Event):
    """An operator confirmed that the shop refuses: the next shop is called."""

    kind: Literal["shop_refused"] = "shop_refused"


class ChangeAccepted(_Event):
    """The customer agreed to the change that the shop asked for."""

    kind: Literal["change_accepted"] = "change_accepted"
    starts_at: datetime
    price: int


class ChangeRefused(_Event):
    kind: Literal["change_refused"] = "change_refused"


class Rearranged(_Event):
    """The customer wants another time: the shops are called from the beginning."""

    kind: Literal["rearranged"] = "rearranged"
    starts_at: datetime
    price: int
    order: tuple[int, ...]


class CheckoutReady(_Event):
    kind: Literal["checkout_ready"] = "checkout_ready"
    number: int
    session: str


class CheckoutFailed(_Event):
    kind: Literal["checkout_failed"] = "checkout_failed"
    number: int


class CheckoutRetried(_Event):
    """An operator requests a new payment page; `by_mail`: its link is sent by mail."""

    kind: Literal["checkout_retried"] = "checkout_retried"
    by_mail: bool = False


class LinkSent(_Event):
    """The payment link was sent: the customer has `minutes` to pay from now on."""

    kind: Literal["link_sent"] = "link_sent"
    minutes: int
    by_mail: bool = False


class LinkLost(_Event):
    """The SMS with the link did not arrive; it is sent again."""

    kind: Literal["link_lost"] = "link_lost"


class SmsFailed(_Event):
    """All tries are used up, or the number cannot receive SMS."""

    kind: Literal["sms_failed"] = "sms_failed"
    purpose: str


class DeadlinePassed(_Event):
    kind: Literal["deadline_passed"] = "deadline_passed"


class SessionClosed(_Event):
    """Stripe confirms that this session was not paid and can no longer be paid."""

    kind: Literal["session_closed"] = "session_closed"
    session: str


class ExpiryUnclear(_Event):
    """Stripe did not say whether the session is closed; it is asked again."""

    kind: Literal["expiry_unclear"] = "expiry_unclear"


class Paid(_Event):
    kind: Literal["paid"] = "paid"
    session: str
    intent: str
    amount: int


class ReminderDue(_Event):
    kind: Literal["reminder_due"] = "reminder_due"


class Finished(_Event):
    """The reservation's time has passed."""

    kind: Literal["finished"] = "finished"


class Lapsed(_Event):
    """The reservation's time came before a shop was found."""

    kind: Literal["lapsed"] = "lapsed"


class CancelAsked(_Event):
    """`special`: an operator cancels although the time limit has passed (document 2.2.6)."""

    kind: Literal["cancel_asked"] = "cancel_asked"
    by: Literal["customer", "operator"]
    special: bool = False


class LateCancelAsked(_Event):
    """A customer asks to cancel after the time limit: operators decide."""

    kind: Literal["late_cancel_asked"] = "late_cancel_asked"


class RefundDone(_Event):
    kind: Literal["refund_done"] = "refund_done"
    intent: str
    amount: int


class RefundFailed(_Event):
    """Stripe could not refund, or has not reported the result for a day."""

    kind: Literal["refund_failed"] = "refund_failed"
    intent: str


class RefundRetried(_Event):
    kind: Literal["refund_retried"] = "refund_retried"


class RefundedOtherwise(_Event):
    """An operator refunded outside of this system: in Stripe's dashboard or by bank transfer."""

    kind: Literal["refunded_otherwise"] = "refunded_otherwise"


class Disputed(_Event):
    """The customer's bank reclaims the money (a dispute)."""

    kind: Literal["disputed"] = "disputed"


class ContactNoted(_Event):
    """Staff talked with the customer or a shop; the note in the timeline says about what."""

    kind: Literal["contact_noted"] = "contact_noted"
    party: Literal["customer", "shop"]


class CustomerCorrected(_Event):
    """An operator corrected the customer's data; the note in the timeline says what and why. `new_mail`: there was no
    address before."""

    kind: Literal["customer_corrected"] = "customer_corrected"
    name: bool = False
    phone: bool = False
    mail: bool = False
    new_mail: bool = False


Event = Annotated[
    Requested
    | CallPlaced
    | ShopSkipped
    | ShopsClosed
    | CallEnded
    | ShopsExhausted
    | ShopOk
    | ShopRefused
    | ChangeAccepted
    | ChangeRefused
    | Rearranged
    | CheckoutReady
    | CheckoutFailed
    | CheckoutRetried
    | LinkSent
    | LinkLost
    | SmsFailed
    | DeadlinePassed
    | SessionClosed
    | ExpiryUnclear
    | Paid
    | ReminderDue
    | Finished
    | Lapsed
    | CancelAsked
    | LateCancelAsked
    | RefundDone
    | RefundFailed
    | RefundRetried
    | RefundedOtherwise
    | Disputed
    | ContactNoted
    | CustomerCorrected,
    Field(discriminator="kind"),
]
EVENT_ADAPTER: TypeAdapter[Event] = TypeAdapter(Event)

EVENT_LABELS = {
    "requested": "予約リクエストを受け付けました",
    "call_placed": "店舗に電話をかけます",
    "shop_skipped": "店舗の順番をとばしました",
    "shops_closed": "店舗の受付時間を待ちます",
    "call_ended": "電話が終わりました",
    "shops_exhausted": "電話できる店舗がなくなりました",
    "shop_ok": "運営担当者が店舗の予約OKを確認しました",
    "shop_refused": "運営担当者が店舗の予約NGを確認しました",
    "change_accepted": "依頼者が変更を承諾しました",
    "change_refused": "依頼者が変更を承諾しませんでした",
    "rearranged": "日時を変更して店舗探しをやり直します",
    "checkout_ready": "決済ページを用意しました",
    "checkout_failed": "決済ページを用意できませんでした",
    "checkout_retried": "決済ページを作り直します",
    "link_sent": "決済リンクを送信しました",
    "link_lost": "決済リンクが届かなかったため、送り直します",
    "sms_failed": "SMSの送信がすべて失敗しました",
    "deadline_passed": "決済期限になりました",
    "session_closed": "決済ページを閉じました",
    "expiry_unclear": "決済ページを閉じたか確認できません",
    "paid": "決済が完了しました",
    "reminder_due": "リマインダーの時刻になりました",
    "finished": "予約日時を過ぎ、完了しました",
    "lapsed": "店舗が決まらないまま予約日時になりました",
    "cancel_asked": "キャンセルの依頼を受けました",
    "late_cancel_asked": "期限を過ぎたキャンセルの依頼を受けました",
    "refund_done": "返金が完了しました",
    "refund_failed": "返金に失敗しました",
    "refund_retried": "返金をやり直します",
    "refunded_otherwise": "運営担当者が別の方法で返金しました",
    "disputed": "カード会社から支払いへの異議がありました",
    "contact_noted": "連絡を記録しました",
    "customer_corrected": "依頼者の連絡先を訂正しました",
}


class _Effect(BaseModel):
    model_config = ConfigDict(frozen=True)


class ToCustomer(_Effect):
    """An SMS and, where the customer gave an address, a mail; `by_mail`: only the mail."""

    purpose: Purpose
    by_mail: bool = False


class ToShop(_Effect):
    """A mail. `shop` None: an unlisted shop, which operators contact themselves."""

    purpose: Purpose
    shop: int | None


class Call(_Effect):
    number: int
    shop: int


class StopCall(_Effect):
    number: int


class Checkout(_Effect):
    """`by_mail`: the link is sent by mail."""

    number: int
    amount: int
    by_mail: bool = False


class Expire(_Effect):
    session: str


class Refund(_Effect):
    number: int
    intent: str
    amount: int


class ForPeople(_Effect):
    """A task in the operators' queue, announced in Slack. A reservation has at most one open task of a kind."""

    task: Task


class Solved(_Effect):
    """Tasks of these kinds are no longer needed."""

    tasks: tuple[Task, ...]


Effect = ToCustomer | ToShop | Call | StopCall | Checkout | Expire | Refund | ForPeople | Solved


def effect_as_json(effect: Effect) -> dict[str, Any]:
    """As the timeline stores it; the class name is the kind."""
    return {"kind": type(effect).__name__, **effect.model_dump(mode="json")}
