"""The conversation on the phone: the assistant speaks as Bland's model would, the shop as its script says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sandbox.scripts import Answer

TOKYO = ZoneInfo("Asia/Tokyo")
ASSISTANT, SHOP = "assistant", "user"
DEFAULT_STAFF = "佐藤"
# Keys under which a request may have a detail of the reservation.
DETAIL_KEYS: Mapping[str, tuple[str, ...]] = {
    "service": ("service", "service_name", "service_type"),
    "size": ("size", "size_name"),
    "date": ("date", "reservation_date"),
    "time": ("time", "reservation_time"),
    "start": ("start", "starts_at", "start_at", "datetime"),
    "customer": ("customer_name", "customer", "name"),
    "shop": ("shop_name", "shop", "store"),
}


@dataclass
class Conversation:
    """The conversation of one call: its lines in order, and the analysis of the vendor's model."""

    lines: list[tuple[str, str]] = field(default_factory=list)
    analysis: dict[str, Any] = field(default_factory=dict)
    summary: str = ""
    ended_by: str = "ASSISTANT"

    def add_shop_line(self, text: str) -> None:
        self.lines.append((SHOP, text))

    def add_assistant_line(self, text: str) -> None:
        self.lines.append((ASSISTANT, text))


@dataclass(frozen=True)
class RequestedReservation:
    """The reservation that the customer wants, as far as the request describes it. Every part is optional."""

    service: str
    size: str
    start: datetime | None
    day: str
    hour: str
    customer: str
    shop: str

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> RequestedReservation:
        def value(name: str) -> str:
            return next((str(data[key]) for key in DETAIL_KEYS[name] if data.get(key)), "")

        day, hour, start = value("date"), value("time"), None
        try:
            start = datetime.fromisoformat(value("start") or f"{day}T{hour}")
        except ValueError:
            pass
        else:
            # Shops are in Tokyo. A time without a zone is already local time.
            start = start.astimezone(TOKYO) if start.tzinfo else start
            day, hour = spoken_day(start.date()), spoken_time(start)
        return cls(value("service"), value("size"), start, day, hour, value("customer"), value("shop"))

    @property
    def what(self) -> str:
        """For example 花束 M（約20本）. No brackets around the size, because the size may have its own."""
        return f"{self.service or 'ご予約'} {self.size}".rstrip()

    @property
    def when(self) -> str:
        return f"{self.day}の{self.hour}" if self.day and self.hour else self.day or self.hour or "ご希望の日時"

    def start_at(self, time: str | None) -> datetime | None:
        """The requested day at HH:MM."""
        if self.start is None or not time:
            return self.start
        hour, minute = time.split(":")
        return self.start.replace(hour=int(hour), minute=int(minute))


def spoken_day(day: date) -> str:
    return f"{day.month}月{day.day}日（{'月火水木金土日'[day.weekday()]}）"


def spoken_time(at: datetime) -> str:
    return f"{at.hour}時{f'{at.minute}分' if at.minute else ''}"


def build_voicemail(request: RequestedReservation) -> Conversation:
    conversation = Conversation(summary="留守番電話につながったため、伝言を残さずに電話を切りました。")
    name = f"{request.shop}です。" if request.shop else ""
    conversation.add_shop_line(f"お電話ありがとうございます。{name}ただいま電話に出ることができません。")
    conversation.add_shop_line("発信音のあとに、お名前とご用件をお話しください。")
    return conversation


def build_conversation(answer: Answer, data: Mapping[str, Any], first_sentence: str) -> Conversation:
    """The conversation after the shop has answered."""
    request, conversation = RequestedReservation.of(data), Conversation()
    conversation.add_shop_line(
        f"お電話ありがとうございます。{f'{request.shop}でございます。' if request.shop else 'ご用件をお伺いします。'}"
    )
    conversation.add_assistant_line(
        first_sentence or "お忙しいところ恐れ入ります。お客様のご予約を代行しておりますQRVの自動音声でございます。"
    )
    conversation.add_shop_line("はい、どのようなご用件でしょうか。")
    name = f"お名前は{request.customer}様です。" if request.customer else ""
    conversation.add_assistant_line(f"{request.when}から、{request.what}を1件お願いできますでしょうか。{name}")
    ANSWER_BUILDERS[answer.kind](conversation, request, answer)
    if answer.analysis is not None:
        conversation.analysis |= answer.analysis
    return conversation


def _ok(conversation: Conversation, request: RequestedReservation, answer: Answer) -> None:
    staff = answer.staff or DEFAULT_STAFF
    _accepted(conversation, request, answer)
    conversation.add_assistant_line("ありがとうございます。恐れ入りますが、ご担当の方のお名前を伺えますでしょうか。")
    conversation.add_shop_line(f"{staff}が承りました。")
    conversation.add_assistant_line(f"{staff}様ですね。それではよろしくお願いいたします。失礼いたします。")
    conversation.analysis["staff_name"] = staff
    conversation.summary = f"店舗は{request.when}の予約を受けました。担当は{staff}様です。"


def _ok_without_name(conversation: Conversation, request: RequestedReservation, answer: Answer) -> None:
    _accepted(conversation, request, answer)
    conversation.add_assistant_line("ありがとうございます。恐れ入りますが、ご担当の方のお名前を伺えますでしょうか。")
    conversation.add_shop_line("あ、大丈夫ですので、そのままお越しください。失礼します。")
    conversation.ended_by = "USER"
    conversation.summary = f"店舗は{request.when}の予約を受けましたが、担当者の名前は伺えませんでした。"


def _slow(conversation: Conversation, request: RequestedReservation, answer: Answer) -> None:
    conversation.add_shop_line("確認いたしますので、少々お待ちください。")
    conversation.add_assistant_line("承知しました。お待ちしております。")
    conversation.add_shop_line("お待たせしております。もう少々お待ちください。")
    _ok(conversation, request, answer)


def _accepted(conversation: Conversation, request: RequestedReservation, answer: Answer) -> None:
    at = request.start_at(answer.time)
    when = f"{spoken_day(at.date())}の{spoken_time(at)}" if at else request.when
    quote = answer.text or f"はい、{when}からでお取りできます。"
    conversation.add_shop_line(quote)
    conversation.analysis |= {"answer": "ok", "quote": quote}
    if at:
        conversation.analysis["confirmed_time"] = f"{at:%Y-%m-%dT%H:%M}"


def _refused(conversation: Conversation, request: RequestedReservation, answer: Answer) -> None:
    quote = answer.text or "申し訳ございません。その日は予約がいっぱいで、お受けできません。"
    conversation.add_shop_line(quote)
    conversation.add_assistant_line("承知しました。お忙しいところありがとうございました。失礼いたします。")
    conversation.analysis |= {"answer": "refused", "quote": quote}
    conversation.summary = f"店舗は{request.when}の予約を断りました。"


def _vague(conversation: Conversation, request: RequestedReservation, answer: Answer) -> None:
    quote = answer.text or "検討しますので、後でこちらから連絡します。"
    conversation.add_shop_line("そうですね、今すぐには分からないですね。")
    conversation.add_shop_line(quote)
    conversation.add_assistant_line("では、お電話を切らせていただきます。ご連絡お待ちしております。")
    conversation.analysis |= {"answer": "vague", "quote": quote}
    conversation.summary = "店舗は回答を保留し、後で連絡すると述べました。"


def _change_time(conversation: Conversation, request: RequestedReservation, answer: Answer) -> None:
    at = request.start_at(answer.time) if answer.time else request.start and request.start + timedelta(minutes=30)
    change = f"開始時間を{spoken_time(at)}に変更" if at else "開始時間を30分後に変更"
    when = f"{spoken_time(at)}から" if at else "30分後"
    quote = answer.text or f"その時間は埋まっておりまして、{when}でしたらお受けできます。"
    _change(conversation, quote, change)


def _change_size(conversation: Conversation, request: RequestedReservation, answer: Answer) -> None:
    size = answer.size or "1つ上のサイズ"
    quote = answer.text or f"その内容ですと、{size}でのご案内になりますが、よろしいでしょうか。"
    _change(conversation, quote, f"サイズを{size}に変更")


def _change(conversation: Conversation, quote: str, change: str) -> None:
    conversation.add_shop_line(quote)
    conversation.add_assistant_line("承知しました。確認して折り返しご連絡いたします。")
    conversation.add_shop_line("はい、お願いします。")
    conversation.analysis |= {"answer": "change_requested", "quote": quote, "requested_change": change}
    conversation.summary = f"店舗は変更を希望しました（{change}）。"


def _hang_up(conversation: Conversation, request: RequestedReservation, answer: Answer) -> None:
    conversation.add_shop_line(answer.text or "ええと、すみません、今ちょっと")
    conversation.ended_by = "USER"
    conversation.summary = "回答を伺う前に、店舗が電話を切りました。"


ANSWER_BUILDERS = {
    "ok": _ok,
    "ok_without_name": _ok_without_name,
    "slow": _slow,
    "refused": _refused,
    "vague": _vague,
    "change_time": _change_time,
    "change_size": _change_size,
    "hang_up": _hang_up,
}
