"""What is said on the phone: the assistant's part as Bland's model would speak it, the shop's as its script has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tests.sandbox.scripts import Answer

TOKYO = ZoneInfo("Asia/Tokyo")
ASSISTANT, SHOP = "assistant", "user"
STAFF = "佐藤"
# Names under which a request may bring what the call is about.
NAMES: Mapping[str, tuple[str, ...]] = {
    "service": ("service", "service_name", "service_type"),
    "size": ("size", "size_name"),
    "date": ("date", "reservation_date"),
    "time": ("time", "reservation_time"),
    "start": ("start", "starts_at", "start_at", "datetime"),
    "customer": ("customer_name", "customer", "name"),
    "shop": ("shop_name", "shop", "store"),
}


@dataclass
class Talk:
    """One call: the lines in order, and what the vendor's model reads out of them."""

    lines: list[tuple[str, str]] = field(default_factory=list)
    analysis: dict[str, Any] = field(default_factory=dict)
    summary: str = ""
    ended_by: str = "ASSISTANT"

    def shop(self, text: str) -> None:
        self.lines.append((SHOP, text))

    def assistant(self, text: str) -> None:
        self.lines.append((ASSISTANT, text))


@dataclass(frozen=True)
class Wish:
    """What the customer would like, as the request tells it; nothing is required of it."""

    service: str
    size: str
    start: datetime | None
    day: str
    hour: str
    customer: str
    shop: str

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Wish:
        def told(name: str) -> str:
            return next((str(data[known]) for known in NAMES[name] if data.get(known)), "")

        day, hour, start = told("date"), told("time"), None
        try:
            start = datetime.fromisoformat(told("start") or f"{day}T{hour}")
        except ValueError:
            pass
        else:
            # Shops live in Tokyo; a time without a zone is theirs already.
            start = start.astimezone(TOKYO) if start.tzinfo else start
            day, hour = spoken_day(start.date()), spoken_time(start)
        return cls(told("service"), told("size"), start, day, hour, told("customer"), told("shop"))

    @property
    def what(self) -> str:
        """花束 M（約20本）: in brackets of their own a size's would be doubled."""
        return f"{self.service or 'ご予約'} {self.size}".rstrip()

    @property
    def when(self) -> str:
        return f"{self.day}の{self.hour}" if self.day and self.hour else self.day or self.hour or "ご希望の日時"

    def at(self, time: str | None) -> datetime | None:
        """The day of the wish at HH:MM."""
        if self.start is None or not time:
            return self.start
        hour, minute = time.split(":")
        return self.start.replace(hour=int(hour), minute=int(minute))


def spoken_day(day: date) -> str:
    return f"{day.month}月{day.day}日（{'月火水木金土日'[day.weekday()]}）"


def spoken_time(at: datetime) -> str:
    return f"{at.hour}時{f'{at.minute}分' if at.minute else ''}"


def voicemail(wish: Wish) -> Talk:
    talk = Talk(summary="留守番電話につながったため、伝言を残さずに電話を切りました。")
    name = f"{wish.shop}です。" if wish.shop else ""
    talk.shop(f"お電話ありがとうございます。{name}ただいま電話に出ることができません。")
    talk.shop("発信音のあとに、お名前とご用件をお話しください。")
    return talk


def talk(answer: Answer, data: Mapping[str, Any], first_sentence: str) -> Talk:
    """What is said once somebody has answered."""
    wish, said = Wish.of(data), Talk()
    said.shop(f"お電話ありがとうございます。{f'{wish.shop}でございます。' if wish.shop else 'ご用件をお伺いします。'}")
    said.assistant(
        first_sentence or "お忙しいところ恐れ入ります。お客様のご予約を代行しておりますQRVの自動音声でございます。"
    )
    said.shop("はい、どのようなご用件でしょうか。")
    name = f"お名前は{wish.customer}様です。" if wish.customer else ""
    said.assistant(f"{wish.when}から、{wish.what}を1件お願いできますでしょうか。{name}")
    PARTS[answer.kind](said, wish, answer)
    if answer.analysis is not None:
        said.analysis |= answer.analysis
    return said


def _ok(said: Talk, wish: Wish, answer: Answer) -> None:
    staff = answer.staff or STAFF
    _accepted(said, wish, answer)
    said.assistant("ありがとうございます。恐れ入りますが、ご担当の方のお名前を伺えますでしょうか。")
    said.shop(f"{staff}が承りました。")
    said.assistant(f"{staff}様ですね。それではよろしくお願いいたします。失礼いたします。")
    said.analysis["staff_name"] = staff
    said.summary = f"店舗は{wish.when}の予約を受けました。担当は{staff}様です。"


def _ok_without_name(said: Talk, wish: Wish, answer: Answer) -> None:
    _accepted(said, wish, answer)
    said.assistant("ありがとうございます。恐れ入りますが、ご担当の方のお名前を伺えますでしょうか。")
    said.shop("あ、大丈夫ですので、そのままお越しください。失礼します。")
    said.ended_by = "USER"
    said.summary = f"店舗は{wish.when}の予約を受けましたが、担当者の名前は伺えませんでした。"


def _slow(said: Talk, wish: Wish, answer: Answer) -> None:
    said.shop("確認いたしますので、少々お待ちください。")
    said.assistant("承知しました。お待ちしております。")
    said.shop("お待たせしております。もう少々お待ちください。")
    _ok(said, wish, answer)


def _accepted(said: Talk, wish: Wish, answer: Answer) -> None:
    at = wish.at(answer.time)
    when = f"{spoken_day(at.date())}の{spoken_time(at)}" if at else wish.when
    quote = answer.text or f"はい、{when}からでお取りできます。"
    said.shop(quote)
    said.analysis |= {"answer": "ok", "quote": quote}
    if at:
        said.analysis["confirmed_time"] = f"{at:%Y-%m-%dT%H:%M}"


def _refused(said: Talk, wish: Wish, answer: Answer) -> None:
    quote = answer.text or "申し訳ございません。その日は予約がいっぱいで、お受けできません。"
    said.shop(quote)
    said.assistant("承知しました。お忙しいところありがとうございました。失礼いたします。")
    said.analysis |= {"answer": "refused", "quote": quote}
    said.summary = f"店舗は{wish.when}の予約を断りました。"


def _vague(said: Talk, wish: Wish, answer: Answer) -> None:
    quote = answer.text or "検討しますので、後でこちらから連絡します。"
    said.shop("そうですね、今すぐには分からないですね。")
    said.shop(quote)
    said.assistant("では、お電話を切らせていただきます。ご連絡お待ちしております。")
    said.analysis |= {"answer": "vague", "quote": quote}
    said.summary = "店舗は回答を保留し、後で連絡すると述べました。"


def _change_time(said: Talk, wish: Wish, answer: Answer) -> None:
    at = wish.at(answer.time) if answer.time else wish.start and wish.start + timedelta(minutes=30)
    change = f"開始時間を{spoken_time(at)}に変更" if at else "開始時間を30分後に変更"
    when = f"{spoken_time(at)}から" if at else "30分後"
    quote = answer.text or f"その時間は埋まっておりまして、{when}でしたらお受けできます。"
    _change(said, quote, change)


def _change_size(said: Talk, wish: Wish, answer: Answer) -> None:
    size = answer.size or "1つ上のサイズ"
    quote = answer.text or f"その内容ですと、{size}でのご案内になりますが、よろしいでしょうか。"
    _change(said, quote, f"サイズを{size}に変更")


def _change(said: Talk, quote: str, change: str) -> None:
    said.shop(quote)
    said.assistant("承知しました。確認して折り返しご連絡いたします。")
    said.shop("はい、お願いします。")
    said.analysis |= {"answer": "change_requested", "quote": quote, "requested_change": change}
    said.summary = f"店舗は変更を希望しました（{change}）。"


def _hang_up(said: Talk, wish: Wish, answer: Answer) -> None:
    said.shop(answer.text or "ええと、すみません、今ちょっと")
    said.ended_by = "USER"
    said.summary = "回答を伺う前に、店舗が電話を切りました。"


PARTS = {
    "ok": _ok,
    "ok_without_name": _ok_without_name,
    "slow": _slow,
    "refused": _refused,
    "vague": _vague,
    "change_time": _change_time,
    "change_size": _change_size,
    "hang_up": _hang_up,
}
