"""Times as people read them: Asia/Tokyo, in words. The service's clock decides what "now" is."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import streamlit as st

TOKYO = ZoneInfo("Asia/Tokyo")
WEEKDAYS = "月火水木金土日"
_AHEAD = "times.service_clock_ahead"


def parse(text: str) -> datetime:
    """An ISO time of the service as Tokyo time."""
    return datetime.fromisoformat(text).astimezone(TOKYO)


def follow(as_of: datetime) -> None:
    """Takes over the service's clock, which the demo and the tests can move."""
    st.session_state[_AHEAD] = as_of - datetime.now(UTC)


def begin(ahead: timedelta) -> None:
    """For the frame: each page begins with the product's clock, whatever the page before has followed."""
    st.session_state[_AHEAD] = ahead


def now() -> datetime:
    ahead: timedelta = st.session_state.get(_AHEAD, timedelta())
    return (datetime.now(UTC) + ahead).astimezone(TOKYO)


def really() -> datetime:
    """The real time, for what is about machines."""
    return datetime.now(TOKYO)


def full(moment: datetime) -> str:
    """2026/11/21（土）9:05"""
    local = moment.astimezone(TOKYO)
    return f"{day(local)}{local.hour}:{local.minute:02}"


def day(moment: date) -> str:
    """2026/11/21（土）"""
    return f"{moment.year}/{moment.month}/{moment.day}（{WEEKDAYS[moment.weekday()]}）"


def brief(moment: datetime) -> str:
    """9:05, 11/20 9:05 when it was not today, 2025/11/20 in another year: for tables, beside the time in words."""
    local, today = moment.astimezone(TOKYO), now()
    time = f"{local.hour}:{local.minute:02}"
    if local.date() == today.date():
        return time
    day = f"{local.month}/{local.day}"
    return f"{day} {time}" if local.year == today.year else f"{local.year}/{day}"


def clock(moment: datetime) -> str:
    """09:05:07"""
    return moment.astimezone(TOKYO).strftime("%H:%M:%S")


def duration(span: timedelta) -> str:
    """45秒, 12分, 3時間12分, 2日5時間"""
    seconds = max(0, int(span.total_seconds()))
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if days:
        return f"{days}日{hours % 24}時間" if hours % 24 else f"{days}日"
    if hours:
        return f"{hours}時間{minutes % 60}分" if minutes % 60 else f"{hours}時間"
    return f"{minutes}分" if minutes else f"{seconds}秒"


def ago(moment: datetime) -> str:
    """12分前; clocks that differ by a moment never lead to "0秒前" or to the future."""
    span = now() - moment
    return f"{duration(span)}前" if span >= timedelta(seconds=5) else "たった今"


def roughly(moment: datetime) -> str:
    """14時間前, where the time itself stands beside it."""
    span = now() - moment
    if span < timedelta(hours=1):
        return ago(moment)
    return f"{span.days}日前" if span.days else f"{span.seconds // 3600}時間前"
