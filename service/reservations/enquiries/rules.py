"""Kinds, targets and texts of enquiries (document 2.3.2, 7.1 to 7.3). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from service.core.calendar import Calendar, Name, add_working_time, working_time_between
from service.core.targets import NEAR, Target
from service.core.times import in_words
from service.reservations.incidents.rules import Level
from service.reservations.rules import SERVICE_NAME

HOUR = timedelta(hours=1)
CALENDAR: Name = "business"
SENDER = SERVICE_NAME
HOURS = "平日9:00〜18:00"


class Party(StrEnum):
    CUSTOMER = "customer"
    SHOP = "shop"


class Channel(StrEnum):
    """What is written in the public form is answered by mail, and counts as one."""

    MAIL = "mail"
    PHONE = "phone"


class Status(StrEnum):
    """`waiting`: for what the other side answers."""

    RECEIVED = "received"
    WORKING = "working"
    WAITING = "waiting"
    RESOLVED = "resolved"


class Category(StrEnum):
    BOOKING = "booking"
    PAYMENT = "payment"
    CANCELLATION = "cancellation"
    MESSAGES = "messages"
    CALLS = "calls"
    ASSISTANT = "assistant"
    TROUBLE = "trouble"
    OTHER = "other"


class Way(StrEnum):
    """How it was answered (7.1.2, 7.2.2)."""

    FAQ = "faq"
    SYSTEM = "system"
    MANUAL = "manual"


class Faq(StrEnum):
    """For the weekly review (7.3.2): nothing to do, should be in it, is in it by now, was decided against."""

    NONE = "none"
    WANTED = "wanted"
    ADDED = "added"
    DECLINED = "declined"


PARTY_WORDS = {Party.CUSTOMER: "依頼者", Party.SHOP: "提携店"}
CHANNEL_WORDS = {Channel.MAIL: "Email", Channel.PHONE: "電話"}
STATUS_WORDS = {
    Status.RECEIVED: "受付",
    Status.WORKING: "対応中",
    Status.WAITING: "回答待ち",
    Status.RESOLVED: "解決",
}
CATEGORY_WORDS = {
    Category.BOOKING: "予約の内容・変更",
    Category.PAYMENT: "お支払い",
    Category.CANCELLATION: "キャンセル・返金",
    Category.MESSAGES: "SMS・メールが届かない",
    Category.CALLS: "店舗への電話・受付",
    Category.ASSISTANT: "AIアシスタントの使い方",
    Category.TROUBLE: "不具合・トラブル",
    Category.OTHER: "その他",
}
WAY_WORDS = {Way.FAQ: "FAQ記載内容", Way.SYSTEM: "システム確認", Way.MANUAL: "マニュアルオペレーション"}
FAQ_WORDS = {Faq.NONE: "なし", Faq.WANTED: "追加すべき", Faq.ADDED: "追加済み", Faq.DECLINED: "見送り"}

# 初回応答時間目標 (7.1.1, 7.2.1); 即時 is the receipt itself.
FIRST: Mapping[tuple[Party, Channel], Target] = {
    (Party.CUSTOMER, Channel.MAIL): Target("first_customer_mail", 2 * HOUR, CALENDAR),
    (Party.SHOP, Channel.MAIL): Target("first_shop_mail", 4 * HOUR, CALENDAR),
    (Party.CUSTOMER, Channel.PHONE): Target("first_customer_phone", timedelta(), CALENDAR),
    (Party.SHOP, Channel.PHONE): Target("first_shop_phone", timedelta(), CALENDAR),
}
# 解決時間 (7.3.1, and 低 of 2.3.2). What is graver has the clocks of its incident or manual operation.
RESOLUTION = Target("resolution", 24 * HOUR, CALENDAR)
HELD_TO_IT = (Level.MEDIUM, Level.LOW)
GOAL_OF_SATISFACTION = 4.0


@dataclass(frozen=True)
class Due:
    """Until when, and when people are warned that it will be late."""

    due_at: datetime
    warn_at: datetime


def number(enquiry_id: int) -> str:
    return f"ENQ-{enquiry_id:04}"


def first_due(party: Party, channel: Channel, received_at: datetime, calendar: Calendar) -> Due:
    """Of a call, the receipt itself. `calendar` is the one named `CALENDAR`, as below."""
    target = FIRST[party, channel]
    if not target.span:
        return Due(received_at, received_at)
    return _due(target, received_at, calendar)


def resolution_due(level: Level, received_at: datetime, calendar: Calendar) -> Due | None:
    """None: its level is not held to it."""
    return _due(RESOLUTION, received_at, calendar) if level in HELD_TO_IT else None


def _due(target: Target, start: datetime, calendar: Calendar) -> Due:
    warn_at = add_working_time(start, target.span - target.span / NEAR, calendar)
    return Due(target.due_at(start, calendar), warn_at)


def minutes(start: datetime, end: datetime, calendar: Calendar) -> int:
    """How long it took, in whole minutes of the calendar."""
    return max(0, int(working_time_between(start, end, calendar).total_seconds() // 60))


def _called(enquiry_id: int, party: Party, channel: Channel) -> str:
    return f"問い合わせ {number(enquiry_id)}（{PARTY_WORDS[party]}・{CHANNEL_WORDS[channel]}）"


def arrived(enquiry_id: int, party: Party, subject: str, due_at: datetime) -> str:
    """What Slack reads when the public form was filled in: nobody was there to see it."""
    called = _called(enquiry_id, party, Channel.MAIL)
    return f"{called}を受け付けました\n{subject}: 初回応答の目標は{in_words(due_at)}です。"


def warning(enquiry_id: int, party: Party, channel: Channel, what: str, due_at: datetime, owner: str | None) -> str:
    """`what`: 初回応答 or 解決."""
    whose = f"担当は{owner}さんです。" if owner else "まだ担当者がいません。"
    called = _called(enquiry_id, party, channel)
    return f"{called}の{what}の目標時間が近づいています\n目標は{in_words(due_at)}です。{whose}"


def breach(enquiry_id: int, party: Party, channel: Channel, what: str, due_at: datetime, owner: str | None) -> str:
    whose = f"担当は{owner}さんです。" if owner else "まだ担当者がいません。"
    called = _called(enquiry_id, party, channel)
    return f"{called}の{what}が目標時間を過ぎました\n目標は{in_words(due_at)}でした。{whose}"


def signature(support_phone: str, support_mail: str) -> str:
    known = " / ".join(one for one in (support_phone, support_mail) if one)
    contact = f"\n{known}" if known else ""
    return f"――――――――――\n{SENDER} カスタマーサポート（{HOURS}）{contact}"


def acknowledgement(enquiry_id: int, support_phone: str, support_mail: str) -> tuple[str, str]:
    """Subject and text of the mail that says that the form has arrived. Nothing of what was typed is repeated: whoever
    typed it may have typed somebody else's address."""
    subject = f"【QRV】お問い合わせを受け付けました（{number(enquiry_id)}）"
    body = (
        "お問い合わせいただき、ありがとうございます。\n"
        f"次の番号で受け付けました。担当者が内容を確認し、{HOURS}の間にメールでご回答します。\n\n"
        f"受付番号: {number(enquiry_id)}\n\n"
        "お心当たりがない場合は、このメールを破棄してください。\n"
        "このメールは自動でお送りしています。\n\n"
        f"{signature(support_phone, support_mail)}\n"
    )
    return subject, body


def answer_subject(enquiry_id: int, subject: str) -> str:
    return f"Re: {subject[:150]}（{number(enquiry_id)}）"


def answer_body(party: Party, name: str, support_phone: str, support_mail: str) -> str:
    """What an answer begins with and ends with, to be changed by whoever writes it."""
    to_shop = party is Party.SHOP
    whom = f"{name} 様"
    thanks = "いつもお世話になっております。" if to_shop else "お問い合わせいただき、ありがとうございます。"
    return (
        f"{whom}\n\n{thanks}\n{SENDER} カスタマーサポートです。\n\n\n\n"
        f"ご不明な点がありましたら、このメールにお知らせください。\n\n{signature(support_phone, support_mail)}\n"
    )


def quoted(received_at: datetime, subject: str, body: str) -> str:
    """What is answered, below the answer."""
    lines = "\n".join(f"> {line}" for line in body.splitlines())
    return f"\n{in_words(received_at)} にいただいたお問い合わせ: {subject}\n{lines}\n"
