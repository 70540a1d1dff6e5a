"""Rules of satisfaction surveys: quarters, times and texts (document 6.4, 7.3). Pure functions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum

from service.core.values import labels
from service.core.values.times import TOKYO, Month, format_local_datetime, month_of
from service.reservations.outgoing.message_texts import SENDER as SMS_SENDER

# 1週間 (6.4).
OPEN_DURATION = timedelta(days=7)
# Customers without an answer get one reminder after this time, in the daytime.
REMINDER_AFTER = timedelta(days=4)
DAY_BEGINS, DAY_ENDS = time(9), time(20)
STARS = labels.table(
    "reservations",
    "Stars",
    {1: "とても不満", 2: "やや不満", 3: "どちらともいえない", 4: "やや満足", 5: "とても満足"},
)
MAX_COMMENT_LENGTH = 1000
_QUARTER = re.compile(r"([0-9]{4})-Q([1-4])")
# How many quarters back a survey can be created for.
MAX_QUARTERS_BACK = 4


class Status(StrEnum):
    PREPARING = "preparing"
    OPEN = "open"
    CLOSED = "closed"


@dataclass(frozen=True, order=True)
class Quarter:
    """A quarter of a year in Tokyo time, written 2026-Q3."""

    year: int
    quarter: int

    def __str__(self) -> str:
        return f"{self.year:04}-Q{self.quarter}"

    @property
    def words(self) -> str:
        """2026年7〜9月"""
        first = self._first.month
        return f"{self.year}年{first}〜{first + 2}月"

    @property
    def _first(self) -> Month:
        return Month(self.year, 3 * self.quarter - 2)

    def plus(self, quarters: int) -> Quarter:
        years, place = divmod(self.year * 4 + self.quarter - 1 + quarters, 4)
        return Quarter(years, place + 1)

    def bounds(self) -> tuple[datetime, datetime]:
        """Start of the quarter, and start of the next one (exclusive)."""
        return self._first.bounds()[0], self._first.plus(3).bounds()[0]


def quarter_of(at: datetime) -> Quarter:
    month = month_of(at)
    return Quarter(month.year, (month.month + 2) // 3)


def parse_quarter(text: str) -> Quarter:
    """Raises ValueError with a message for users."""
    match = _QUARTER.fullmatch(text)
    if match is None or not 2000 <= int(match[1]) <= 9000:
        raise ValueError("四半期は 2026-Q3 の形式で指定してください。")
    return Quarter(int(match[1]), int(match[2]))


def may_have_survey(quarter: Quarter, now: datetime) -> bool:
    """Whether the quarter is over, and not for too long."""
    current = quarter_of(now)
    return current.plus(-MAX_QUARTERS_BACK) <= quarter < current


def is_daytime(now: datetime) -> bool:
    """Whether it is daytime, when an SMS disturbs no customer."""
    return DAY_BEGINS <= now.astimezone(TOKYO).time() < DAY_ENDS


def build_sms(url: str, closes_at: datetime, *, again: bool) -> str:
    greeting = "アンケートのご回答がまだの方へお送りしています。" if again else "ご利用ありがとうございます。"
    return f"{SMS_SENDER}{greeting}満足度調査（1分）にご協力ください。{format_local_datetime(closes_at)}まで: {url}"


def build_mail(url: str, quarter: Quarter, closes_at: datetime, signature: str, *, again: bool) -> tuple[str, str]:
    """Subject and body."""
    subject = f"【QRV】{'（再送）' if again else ''}満足度調査のお願い"
    introduction = (
        "先日お願いした満足度調査について、ご回答がまだのお客様にもう一度お送りしています。"
        if again
        else f"{quarter.words}に予約代行サービス QRV をご利用、またはお問い合わせいただき、ありがとうございます。"
    )
    body = (
        f"{introduction}\n"
        "サービスを改善するため、1分ほどで終わる満足度調査にご協力をお願いします。\n\n"
        f"{url}\n\n"
        f"回答期限: {format_local_datetime(closes_at)}\n"
        "期限までは、何度でも回答を変更できます。\n"
        "回答は集計のためだけに使い、調査の終了後は、お客様の連絡先との結び付きを残しません。\n\n"
        f"{signature}\n"
    )
    return subject, body
