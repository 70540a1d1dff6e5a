"""Tokyo's days and months: pure functions. Datetimes are timezone-aware; stored and compared ones are in UTC.

Japan has no summer time, so a local day always has 24 hours.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

TOKYO = ZoneInfo("Asia/Tokyo")
WEEKDAYS = "月火水木金土日"
DAY = timedelta(days=1)
SATURDAY = 5


def local_date(timestamp: datetime) -> date:
    """The date in Tokyo."""
    return timestamp.astimezone(TOKYO).date()


def format_local_datetime(timestamp: datetime) -> str:
    """Tokyo time as people in Japan write it: 2026/11/21（土）9:05."""
    local = timestamp.astimezone(TOKYO)
    return f"{format_day(local)}{local.hour}:{local:%M}"


def format_day(day: date) -> str:
    """2026/11/21（土）."""
    return f"{day.year}/{day.month}/{day.day}（{WEEKDAYS[day.weekday()]}）"


def format_duration(span: timedelta) -> str:
    """3時間12分, 12分, 45秒: cut to whole minutes from one minute on, to whole hours from one day on."""
    seconds = max(0, int(span.total_seconds()))
    if seconds < 60:
        return f"{seconds}秒"
    minutes = seconds // 60
    if minutes < 60:
        return f"{minutes}分"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours}時間{minutes}分" if minutes else f"{hours}時間"
    days, hours = divmod(hours, 24)
    return f"{days}日{hours}時間" if hours else f"{days}日"


def at(day: date, time_of_day: time) -> datetime:
    """The time of the day in Tokyo, in UTC."""
    return datetime.combine(day, time_of_day, TOKYO).astimezone(UTC)


def day_bounds(day: date) -> tuple[datetime, datetime]:
    """From the start of the day to the start of the next day (exclusive)."""
    return at(day, time.min), at(day + DAY, time.min)


@dataclass(frozen=True, order=True)
class Month:
    """A calendar month in Tokyo, written 2026-11."""

    year: int
    month: int

    def __str__(self) -> str:
        return f"{self.year:04}-{self.month:02}"

    @property
    def first(self) -> date:
        return date(self.year, self.month, 1)

    def plus(self, months: int) -> Month:
        years, month = divmod(self.year * 12 + self.month - 1 + months, 12)
        return Month(years, month + 1)

    def days(self) -> list[date]:
        return [self.first + n * DAY for n in range((self.plus(1).first - self.first).days)]

    def bounds(self) -> tuple[datetime, datetime]:
        """From the start of the month to the start of the next month (exclusive)."""
        return at(self.first, time.min), at(self.plus(1).first, time.min)


def month_of(timestamp: datetime) -> Month:
    day = local_date(timestamp)
    return Month(day.year, day.month)


def parse_month(text: str) -> Month:
    """Parses a month such as 2026-11.

    Raises:
        ValueError: the format is wrong, or there is no such month; years are 2000 to 9000.
    """
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}", text):
        raise ValueError("年月は 2026-11 の形式で指定してください。")
    year, month = int(text[:4]), int(text[5:])
    if not (2000 <= year <= 9000 and 1 <= month <= 12):
        raise ValueError("年は2000から9000、月は01から12の間で指定してください。")
    return Month(year, month)


def is_business_day(day: date, holidays: Collection[date]) -> bool:
    return day.weekday() < SATURDAY and day not in holidays


def business_day(month: Month, number: int, holidays: Collection[date]) -> date:
    """The month's n-th business day, counted from 1.

    Raises:
        ValueError: the month has fewer business days.
    """
    day, remaining = month.first, number
    while number > 0 and day < month.plus(1).first:
        remaining -= is_business_day(day, holidays)
        if not remaining:
            return day
        day += DAY
    raise ValueError(f"{month} has no business day number {number}")


def clock_skew(reported_at: datetime, now: datetime) -> int:
    """Seconds that a device's clock is ahead of ours, limited to the range of an integer column."""
    return max(1 - 2**31, min(2**31 - 1, round((reported_at - now).total_seconds())))
