"""Times for display: Asia/Tokyo, in Japanese. The service's clock decides what "now" is."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import streamlit as st

TOKYO = ZoneInfo("Asia/Tokyo")
WEEKDAYS = "月火水木金土日"
_AHEAD = "times.service_clock_ahead"


def parse(text: str) -> datetime:
    """An ISO time of the service in Tokyo time."""
    return datetime.fromisoformat(text).astimezone(TOKYO)


def use_service_clock(as_of: datetime) -> None:
    """Uses the service's clock from now on, which the demo and the tests can move."""
    st.session_state[_AHEAD] = as_of - datetime.now(UTC)


def begin_page(ahead: timedelta) -> None:
    """For the frame: each page starts with the product's clock, whatever the page before used."""
    st.session_state[_AHEAD] = ahead


def now() -> datetime:
    ahead: timedelta = st.session_state.get(_AHEAD, timedelta())
    return (datetime.now(UTC) + ahead).astimezone(TOKYO)


def real_now() -> datetime:
    """The real time, for data about machines."""
    return datetime.now(TOKYO)


def full(at: datetime) -> str:
    """2026/11/21（土）9:05"""
    local = at.astimezone(TOKYO)
    return f"{day(local)}{local.hour}:{local.minute:02}"


def stamp(text: str | None) -> str:
    """2026/11/21（土）9:05, from an ISO time of the service; "" without one."""
    return full(parse(text)) if text else ""


def day(value: date) -> str:
    """2026/11/21（土）"""
    return f"{value.year}/{value.month}/{value.day}（{WEEKDAYS[value.weekday()]}）"


def month(text: str) -> str:
    """2026年11月, from 2026-11 or a day of that month."""
    return f"{int(text[:4])}年{int(text[5:7])}月"


def short(at: datetime) -> str:
    """9:05, 11/20 9:05 on another day, 2025/11/20 in another year: for tables, next to the relative time."""
    local, today = at.astimezone(TOKYO), now()
    time = f"{local.hour}:{local.minute:02}"
    if local.date() == today.date():
        return time
    day = f"{local.month}/{local.day}"
    return f"{day} {time}" if local.year == today.year else f"{local.year}/{day}"


def clock(at: datetime) -> str:
    """09:05:07"""
    return at.astimezone(TOKYO).strftime("%H:%M:%S")


def duration(span: timedelta) -> str:
    """45秒, 12分, 3時間12分, 2日5時間"""
    seconds = max(0, int(span.total_seconds()))
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if days:
        return f"{days}日{hours % 24}時間" if hours % 24 else f"{days}日"
    if hours:
        return f"{hours}時間{minutes % 60}分" if minutes % 60 else f"{hours}時間"
    return f"{minutes}分" if minutes else f"{seconds}秒"


def ago(at: datetime) -> str:
    """12分前; small clock differences never give "0秒前" or a time in the future."""
    span = now() - at
    return f"{duration(span)}前" if span >= timedelta(seconds=5) else "たった今"


def ago_rounded(at: datetime) -> str:
    """14時間前, where the exact time stands next to it."""
    span = now() - at
    if span < timedelta(hours=1):
        return ago(at)
    return f"{span.days}日前" if span.days else f"{span.seconds // 3600}時間前"
