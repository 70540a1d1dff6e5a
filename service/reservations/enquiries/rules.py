"""Rules of enquiries: codes, targets and texts (document 2.3.2, 7.1 to 7.3). Pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from service.core.values.labels import Labelled
from service.core.values.targets import NEAR, Target
from service.core.values.times import format_local_datetime
from service.core.values.working_time import Calendar, CalendarName, add_working_time, working_time_between
from service.reservations.incidents.rules import Level
from service.reservations.rules import SERVICE_NAME

HOUR = timedelta(hours=1)
CALENDAR: CalendarName = "business"
SENDER = SERVICE_NAME
HOURS = "平日9:00〜18:00"


class Party(Labelled):
    CUSTOMER = "customer", "依頼者"
    SHOP = "shop", "提携店"


class Channel(Labelled):
    """An enquiry from the public form counts as mail: it is answered by mail."""

    MAIL = "mail", "Email"
    PHONE = "phone", "電話"


class Status(Labelled, table="EnquiryStatus"):
    """`waiting`: for a reply of the sender."""

    RECEIVED = "received", "受付"
    WORKING = "working", "対応中"
    WAITING = "waiting", "回答待ち"
    RESOLVED = "resolved", "解決"


class Category(Labelled):
    BOOKING = "booking", "予約の内容・変更"
    PAYMENT = "payment", "お支払い"
    CANCELLATION = "cancellation", "キャンセル・返金"
    MESSAGES = "messages", "SMS・メールが届かない"
    CALLS = "calls", "店舗への電話・受付"
    ASSISTANT = "assistant", "AIアシスタントの使い方"
    TROUBLE = "trouble", "不具合・トラブル"
    OTHER = "other", "その他"


class Way(Labelled):
    """How it was answered (7.1.2, 7.2.2)."""

    FAQ = "faq", "FAQ記載内容"
    SYSTEM = "system", "システム確認"
    MANUAL = "manual", "マニュアルオペレーション"


class Faq(Labelled):
    """For the weekly FAQ review (7.3.2): nothing to do, should be added, was added, was declined."""

    NONE = "none", "なし"
    WANTED = "wanted", "追加すべき"
    ADDED = "added", "追加済み"
    DECLINED = "declined", "見送り"


# 初回応答時間目標 (7.1.1, 7.2.1); 即時: the target is `received_at` itself.
FIRST_RESPONSE_TARGETS: Mapping[tuple[Party, Channel], Target] = {
    (Party.CUSTOMER, Channel.MAIL): Target("first_customer_mail", 2 * HOUR, CALENDAR),
    (Party.SHOP, Channel.MAIL): Target("first_shop_mail", 4 * HOUR, CALENDAR),
    (Party.CUSTOMER, Channel.PHONE): Target("first_customer_phone", timedelta(), CALENDAR),
    (Party.SHOP, Channel.PHONE): Target("first_shop_phone", timedelta(), CALENDAR),
}
# 解決時間 (7.3.1, and 低 of 2.3.2). Higher levels have the targets of their incident or 手動対応.
RESOLUTION_TARGET = Target("resolution", 24 * HOUR, CALENDAR)
LEVELS_WITH_TARGET = (Level.MEDIUM, Level.LOW)
SATISFACTION_GOAL = 4.0


@dataclass(frozen=True)
class Deadline:
    """The deadline, and when to warn that it will be late."""

    due_at: datetime
    warn_at: datetime


def enquiry_number(enquiry_id: int) -> str:
    return f"ENQ-{enquiry_id:04}"


def first_due(party: Party, channel: Channel, received_at: datetime, calendar: Calendar) -> Deadline:
    """For a call, `received_at` itself. Here and below, `calendar` is the one named `CALENDAR`."""
    target = FIRST_RESPONSE_TARGETS[party, channel]
    if not target.span:
        return Deadline(received_at, received_at)
    return _due(target, received_at, calendar)


def resolution_due(level: Level, received_at: datetime, calendar: Calendar) -> Deadline | None:
    """None: the level has no resolution target."""
    return _due(RESOLUTION_TARGET, received_at, calendar) if level in LEVELS_WITH_TARGET else None


def _due(target: Target, start: datetime, calendar: Calendar) -> Deadline:
    warn_at = add_working_time(start, target.span - target.span / NEAR, calendar)
    return Deadline(target.due_at(start, calendar), warn_at)


def working_minutes(start: datetime, end: datetime, calendar: Calendar) -> int:
    """Whole working minutes of the calendar from `start` to `end`."""
    return max(0, int(working_time_between(start, end, calendar).total_seconds() // 60))


def _heading(enquiry_id: int, party: Party, channel: Channel) -> str:
    return f"問い合わせ {enquiry_number(enquiry_id)}（{party.label}・{channel.label}）"


def received_message(enquiry_id: int, party: Party, subject: str, due_at: datetime) -> str:
    """The Slack message about an enquiry from the public form."""
    heading = _heading(enquiry_id, party, Channel.MAIL)
    return f"{heading}を受け付けました\n{subject}: 初回応答の目標は{format_local_datetime(due_at)}です。"


def warning_message(
    enquiry_id: int, party: Party, channel: Channel, target: str, due_at: datetime, owner: str | None
) -> str:
    """`target`: 初回応答 or 解決."""
    owner_text = f"担当は{owner}さんです。" if owner else "まだ担当者がいません。"
    heading = _heading(enquiry_id, party, channel)
    return f"{heading}の{target}の目標時間が近づいています\n目標は{format_local_datetime(due_at)}です。{owner_text}"


def breach_message(
    enquiry_id: int, party: Party, channel: Channel, target: str, due_at: datetime, owner: str | None
) -> str:
    owner_text = f"担当は{owner}さんです。" if owner else "まだ担当者がいません。"
    heading = _heading(enquiry_id, party, channel)
    return f"{heading}の{target}が目標時間を過ぎました\n目標は{format_local_datetime(due_at)}でした。{owner_text}"


def signature(support_phone: str, support_mail: str) -> str:
    contacts = " / ".join(contact for contact in (support_phone, support_mail) if contact)
    contact_line = f"\n{contacts}" if contacts else ""
    return f"――――――――――\n{SENDER} カスタマーサポート（{HOURS}）{contact_line}"


def acknowledgement(enquiry_id: int, support_phone: str, support_mail: str) -> tuple[str, str]:
    """Subject and body of the mail that acknowledges the form. It repeats nothing that was typed: the address may
    belong to another person."""
    subject = f"【QRV】お問い合わせを受け付けました（{enquiry_number(enquiry_id)}）"
    body = (
        "お問い合わせいただき、ありがとうございます。\n"
        f"次の番号で受け付けました。担当者が内容を確認し、{HOURS}の間にメールでご回答します。\n\n"
        f"受付番号: {enquiry_number(enquiry_id)}\n\n"
        "お心当たりがない場合は、このメールを破棄してください。\n"
        "このメールは自動でお送りしています。\n\n"
        f"{signature(support_phone, support_mail)}\n"
    )
    return subject, body


def answer_subject(enquiry_id: int, subject: str) -> str:
    return f"Re: {subject[:150]}（{enquiry_number(enquiry_id)}）"


def answer_body(party: Party, name: str, support_phone: str, support_mail: str) -> str:
    """The template of an answer: greeting and signature, to be edited by staff."""
    to_shop = party is Party.SHOP
    addressee = f"{name} 様"
    thanks = "いつもお世話になっております。" if to_shop else "お問い合わせいただき、ありがとうございます。"
    return (
        f"{addressee}\n\n{thanks}\n{SENDER} カスタマーサポートです。\n\n\n\n"
        f"ご不明な点がありましたら、このメールにお知らせください。\n\n{signature(support_phone, support_mail)}\n"
    )


def quotation(received_at: datetime, subject: str, body: str) -> str:
    """The enquiry as a quotation below the answer."""
    lines = "\n".join(f"> {line}" for line in body.splitlines())
    return f"\n{format_local_datetime(received_at)} にいただいたお問い合わせ: {subject}\n{lines}\n"
