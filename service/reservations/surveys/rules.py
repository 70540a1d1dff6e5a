"""Quarters, times and texts of the survey of how content customers are (document 6.4, 7.3). Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum

from service.core.times import TOKYO, Month, in_words, month_of
from service.reservations.letters.rules import SENDER as SMS_SENDER

# 1週間 (6.4).
OPEN_FOR = timedelta(days=7)
# Who has not answered by then is asked once more, when nobody is woken by it.
REMINDER_AFTER = timedelta(days=4)
DAY_BEGINS, DAY_ENDS = time(9), time(20)
STARS = {1: "とても不満", 2: "やや不満", 3: "どちらともいえない", 4: "やや満足", 5: "とても満足"}
LONGEST_COMMENT = 1000
_QUARTER = re.compile(r"([0-9]{4})-Q([1-4])")
# How far back a quarter may lie of which customers are asked.
YEAR = 4


class Status(StrEnum):
    PREPARING = "preparing"
    OPEN = "open"
    CLOSED = "closed"


STATUS_WORDS = {Status.PREPARING: "準備中", Status.OPEN: "実施中", Status.CLOSED: "終了"}


@dataclass(frozen=True, order=True)
class Quarter:
    """Three months of Tokyo's calendar, written 2026-Q3."""

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
        """From its first moment to the next one's, which is no longer part of it."""
        return self._first.bounds()[0], self._first.plus(3).bounds()[0]


def quarter_of(moment: datetime) -> Quarter:
    month = month_of(moment)
    return Quarter(month.year, (month.month + 2) // 3)


def parse_quarter(text: str) -> Quarter:
    """Raises ValueError, in words."""
    found = _QUARTER.fullmatch(text)
    if found is None or not 2000 <= int(found[1]) <= 9000:
        raise ValueError("四半期は 2026-Q3 の形式で指定してください。")
    return Quarter(int(found[1]), int(found[2]))


def may_be_asked_about(quarter: Quarter, now: datetime) -> bool:
    """It is over, and not for too long."""
    this = quarter_of(now)
    return this.plus(-YEAR) <= quarter < this


def may_disturb(now: datetime) -> bool:
    """Whether an SMS would wake nobody."""
    return DAY_BEGINS <= now.astimezone(TOKYO).time() < DAY_ENDS


def sms(url: str, closes_at: datetime, *, again: bool) -> str:
    asked = "アンケートのご回答がまだの方へお送りしています。" if again else "ご利用ありがとうございます。"
    return f"{SMS_SENDER}{asked}満足度調査（1分）にご協力ください。{in_words(closes_at)}まで: {url}"


def mail(url: str, quarter: Quarter, closes_at: datetime, signature: str, *, again: bool) -> tuple[str, str]:
    """Subject and text."""
    subject = f"【QRV】{'（再送）' if again else ''}満足度調査のお願い"
    first = (
        "先日お願いした満足度調査について、ご回答がまだのお客様にもう一度お送りしています。"
        if again
        else f"{quarter.words}に予約代行サービス QRV をご利用、またはお問い合わせいただき、ありがとうございます。"
    )
    body = (
        f"{first}\n"
        "サービスを改善するため、1分ほどで終わる満足度調査にご協力をお願いします。\n\n"
        f"{url}\n\n"
        f"回答期限: {in_words(closes_at)}\n"
        "期限までは、何度でも回答を変更できます。\n"
        "回答は集計のためだけに使い、調査の終了後は、お客様の連絡先との結び付きを残しません。\n\n"
        f"{signature}\n"
    )
    return subject, body
