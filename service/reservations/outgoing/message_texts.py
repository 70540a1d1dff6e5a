"""The message texts for customers and shops. Pure. Sentences of the document (2.2) are
used word for word."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from service.core.values.times import format_local_datetime
from service.reservations.rules import SERVICE_NAME
from service.reservations.state_machine.states import Purpose

# The document's own sentences.
NOT_POSSIBLE = "現在、予約できませんでした。別の日時をご検討いただくか、カスタマーサポートまでご連絡ください"
TIMED_OUT = "決済期限が切れました。再度予約をお願いします"
TOO_LATE_TO_CANCEL = "キャンセル期限を過ぎています。カスタマーサポートまでご連絡ください"

SENDER = "【QRV】"
SHOP_TITLES = {
    Purpose.HELD: "仮予約のお知らせ",
    Purpose.BOOKED: "予約確定のお知らせ",
    Purpose.RELEASED: "仮予約キャンセルのお知らせ",
    Purpose.DECLINED: "変更見送りのお知らせ",
    Purpose.CORRECTED: "お客様情報の訂正のお知らせ",
}
BOOKING_CANCELLED = "予約キャンセルのお知らせ"


@dataclass(frozen=True)
class Facts:
    """The data for message texts. `shop` and `shop_phone` are empty while no shop accepts; `is_booked`: it is paid and
    the shop was notified; `pay_url` and `cancel_url` are empty in texts without that link; `guides_url` ends with a
    slash, or is empty in texts without a guide."""

    code: str
    service: str
    plan: str
    starts_at: datetime
    price: int
    customer_name: str
    phone: str
    wishes: str
    cancel_until: datetime
    shop: str = ""
    shop_phone: str = ""
    is_booked: bool = False
    paid: int = 0
    pay_minutes: int = 10
    pay_url: str = ""
    cancel_url: str = ""
    support_phone: str = ""
    support_mail: str = ""
    guides_url: str = ""

    @property
    def what(self) -> str:
        return f"{self.service} {self.plan}"

    @property
    def support(self) -> str:
        """The contact data of customer support, as far as configured."""
        return " / ".join(contact for contact in (self.support_phone, self.support_mail) if contact)


@dataclass(frozen=True)
class CustomerMessage:
    """`sms` is short: its price is per segment."""

    title: str
    sms: str
    mail: str


@dataclass(frozen=True)
class Mail:
    title: str
    body: str


def yen(amount: int) -> str:
    return f"{amount:,}円"


def domestic_phone(phone: str) -> str:
    """+819012345678 in domestic form: 09012345678."""
    return f"0{phone.removeprefix('+81')}" if phone.startswith("+81") else phone


def customer_message(purpose: Purpose, facts: Facts) -> CustomerMessage:
    title, sms, lines = _CUSTOMER_TEXTS[purpose](facts)
    mail = [
        f"{facts.customer_name} 様",
        "",
        *lines,
        "",
        *_details(facts),
        "",
        *_signature(facts, "よくある質問", "faq"),
    ]
    return CustomerMessage(f"{title}（{facts.code}）", SENDER + sms, "\n".join(mail))


_TextParts = tuple[str, str, list[str]]


def _request_received(facts: Facts) -> _TextParts:
    next_step = "お店に電話で確認し、予約が取れましたら、お支払いのご案内をSMSでお送りします。"
    sms = f"ご予約を受け付けました。{_summary(facts)}\nお店に確認してご連絡します。\n取消: {facts.cancel_url}"
    lines = ["ご予約のリクエストを受け付けました。", next_step, "", "取り消す場合は、次のページからお手続きください。"]
    return "ご予約を受け付けました", sms, [*lines, facts.cancel_url]


def _all_shops_refused(facts: Facts) -> _TextParts:
    contact = f"\n{facts.support}" if facts.support else ""
    return "予約できませんでした", f"{NOT_POSSIBLE}\n{facts.code}{contact}", [f"{NOT_POSSIBLE}。"]


def _payment_link(facts: Facts) -> _TextParts:
    time_limit = f"{facts.pay_minutes}分以内"
    sms = (
        f"お店が見つかりました。{_summary(facts)}\n{yen(facts.price)}を{time_limit}にお支払いください: {facts.pay_url}"
    )
    lines = [
        "お店の仮予約が取れました。",
        f"{time_limit}に次のページからお支払いください。お支払いが完了すると、予約が確定します。",
        facts.pay_url,
        "期限を過ぎると、仮予約はキャンセルになります。",
    ]
    return "お支払いのご案内", sms, lines


def _payment_timeout(facts: Facts) -> _TextParts:
    lines = [f"{TIMED_OUT}。", "お店の仮予約はキャンセルしました。代金はいただいていません。"]
    return "決済期限が切れました", f"{TIMED_OUT}\n{facts.code}", lines


def _confirmed(facts: Facts) -> _TextParts:
    sms = f"予約が確定しました。{_summary(facts)}\n{_shop(facts)}\n取消は{_cancel_until(facts)}まで: {facts.cancel_url}"
    return "予約が確定しました", sms, ["お支払いを確認し、予約が確定しました。", *_how_to_cancel(facts)]


def _reminder(facts: Facts) -> _TextParts:
    sms = f"ご予約の前日になりました。{_summary(facts)}\n{_shop(facts)}\nお気をつけてお越しください。"
    lines = ["ご予約の日時が近づきましたので、お知らせします。", "お気をつけてお越しください。"]
    return "ご予約の確認", sms, lines


def _cancelled(facts: Facts) -> _TextParts:
    refund_text = (
        f"お支払いの{yen(facts.paid)}は全額返金します。完了しましたらお知らせします。"
        if facts.paid
        else "代金はいただいていません。"
    )
    sms = f"ご予約をキャンセルしました。{_summary(facts)}\n{refund_text}"
    return "キャンセルを承りました", sms, ["ご予約をキャンセルしました。", refund_text]


def _refunded(facts: Facts) -> _TextParts:
    refund_text = f"{yen(facts.paid)}の返金手続きが完了しました。"
    delay_note = "カード会社により、明細に反映されるまで数日かかることがあります。"
    return "返金のお知らせ", f"{refund_text}\n{facts.code}\n{delay_note}", [refund_text, delay_note]


_CUSTOMER_TEXTS: Mapping[Purpose, Callable[[Facts], _TextParts]] = {
    Purpose.REQUEST_RECEIVED: _request_received,
    Purpose.ALL_SHOPS_REFUSED: _all_shops_refused,
    Purpose.PAYMENT_LINK: _payment_link,
    Purpose.PAYMENT_TIMEOUT: _payment_timeout,
    Purpose.CONFIRMED: _confirmed,
    Purpose.REMINDER: _reminder,
    Purpose.CANCELLED: _cancelled,
    Purpose.REFUNDED: _refunded,
}
CUSTOMER_PURPOSES = tuple(_CUSTOMER_TEXTS)


def _summary(facts: Facts) -> str:
    return f"\n{facts.code}\n{_shorten(facts.what, 28)}\n{format_local_datetime(facts.starts_at)}"


def _shop(facts: Facts) -> str:
    return f"{_shorten(facts.shop, 20)} {domestic_phone(facts.shop_phone)}".strip()


def _shorten(text: str, max_chars: int) -> str:
    """Shortens a long name: SMS are paid per segment."""
    return text if len(text) <= max_chars else text[: max_chars - 1] + "…"


def _cancel_until(facts: Facts) -> str:
    return format_local_datetime(facts.cancel_until)


def _how_to_cancel(facts: Facts) -> list[str]:
    return ["", f"キャンセルは{_cancel_until(facts)}まで、次のページから承ります（全額返金します）。", facts.cancel_url]


def _details(facts: Facts) -> list[str]:
    shop = [f"店舗: {facts.shop}"] if facts.shop else []
    # The shop's telephone only after the payment.
    if facts.shop_phone and facts.paid:
        shop.append(f"店舗の電話番号: {domestic_phone(facts.shop_phone)}")
    return _frame(facts, shop)


def _frame(facts: Facts, party: list[str]) -> list[str]:
    """The reservation's data; `party`: the lines about the shop or the customer."""
    wishes = [f"ご要望: {facts.wishes}"] if facts.wishes else []
    return [
        "――――――――――",
        f"予約ID: {facts.code}",
        f"内容: {facts.what}",
        f"日時: {format_local_datetime(facts.starts_at)}",
        f"料金: {yen(facts.price)}",
        *party,
        *wishes,
        "――――――――――",
    ]


def _signature(facts: Facts, title: str, guide_name: str) -> list[str]:
    contact_line = [f"お問い合わせ: カスタマーサポート {facts.support}（平日9:00〜18:00）"] if facts.support else []
    guide_line = [f"{title}: {facts.guides_url}{guide_name}"] if facts.guides_url else []
    return [SERVICE_NAME, *guide_line, *contact_line, "このメールは自動でお送りしています。"]


def shop_mail(purpose: Purpose, facts: Facts) -> Mail:
    """`facts.shop` is the recipient."""
    was_booked = purpose is Purpose.RELEASED and facts.is_booked
    title = BOOKING_CANCELLED if was_booked else SHOP_TITLES[purpose]
    lines = _CANCELLED_BOOKING if was_booked else _SHOP_TEXTS[purpose]
    customer = (
        [f"お客様: {facts.customer_name} 様", f"お客様の電話番号: {domestic_phone(facts.phone)}"]
        if purpose is Purpose.BOOKED or (purpose is Purpose.CORRECTED and facts.is_booked)
        else [f"お客様: {facts.customer_name} 様"]
    )
    body = [
        f"{facts.shop} 御中",
        "",
        f"いつもお世話になっております。{SERVICE_NAME} です。",
        *lines,
        "",
        *_frame(facts, customer),
        "",
        *_signature(facts, "提携店向けマニュアル", "shop-manual"),
    ]
    return Mail(f"【QRV】{title}（{facts.code}）", "\n".join(body))


_SHOP_TEXTS: Mapping[Purpose, list[str]] = {
    Purpose.HELD: [
        "下記のご予約をお受けいただき、ありがとうございます。",
        "お客様のお支払いを確認するまでは、仮予約としてお取り置きください。",
        "お支払いの確認後に、予約確定のお知らせをお送りします。",
    ],
    Purpose.BOOKED: [
        "お客様のお支払いを確認し、下記のご予約が確定しました。",
        "当日はどうぞよろしくお願いいたします。",
    ],
    Purpose.RELEASED: [
        "下記のご予約は、キャンセルとなりました。お取り置きは不要です。",
        "ご対応いただいたところ申し訳ございません。またの機会によろしくお願いいたします。",
    ],
    Purpose.DECLINED: [
        "ご提案いただいた変更をお客様に確認しましたが、今回は見送りとなりました。お取り置きは不要です。",
        "ご検討いただき、ありがとうございました。またの機会によろしくお願いいたします。",
    ],
    Purpose.CORRECTED: [
        "下記のご予約について、お客様の情報に誤りがありましたので訂正いたします。ご予約の内容に変更はありません。",
        "お手数をおかけしますが、お手元の控えを下の内容に改めてください。",
    ],
}
_CANCELLED_BOOKING = [
    "確定していた下記のご予約は、キャンセルとなりました。ご準備は不要です。",
    "お手数をおかけして申し訳ございません。またの機会によろしくお願いいたします。",
]
