"""定期作業 on a calendar: a week with everything, or a month with the daily ones counted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import streamlit as st

from dashboards.reservations.chore_drawer import drawer
from dashboards.reservations.chore_forms import PATH
from dashboards.reservations.chore_words import STATE
from dashboards.ui import bound, dialogs, live, times
from dashboards.ui.columns import Row
from dashboards.ui.live import refreshing
from dashboards.ui.text import plain, small

KEY = "reservations.chores.calendar"
VIEWS = ("週", "月")
WEEKEND = 5
DAY, WEEK = timedelta(days=1), timedelta(days=7)
ANCHOR = f"{KEY}.day"


def section() -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        view = st.pills(
            "期間",
            VIEWS,
            default=VIEWS[0],
            required=True,
            key=bound.key("view"),
            bind="query-params",
            label_visibility="collapsed",
        )
        anchor = st.session_state.get(ANCHOR) or times.now().date()
        _step("前へ", "chevron_left", _moved(anchor, view, -1))
        _step("今日", "today", None)
        _step("次へ", "chevron_right", _moved(anchor, view, 1))
        first, last = _span(anchor, view)
        st.markdown(f"**{_title(anchor, first, last, view)}**", width="content")
    _shown(view, anchor, first, last)


def _step(label: str, icon: str, day: date | None) -> None:
    st.button(label, key=f"{KEY}.{icon}", icon=f":material/{icon}:", on_click=_go, args=(day,))


def _go(day: date | None) -> None:
    st.session_state[ANCHOR] = day


def _moved(anchor: date, view: str, by: int) -> date:
    if view == "週":
        return anchor + by * WEEK
    first = anchor.replace(day=1)
    return (first + 32 * DAY if by > 0 else first - DAY).replace(day=1)


def _span(anchor: date, view: str) -> tuple[date, date]:
    """From a Monday to a Sunday."""
    if view == "週":
        first = anchor - anchor.weekday() * DAY
        return first, first + 6 * DAY
    begins = anchor.replace(day=1)
    ends = (begins + 32 * DAY).replace(day=1) - DAY
    return begins - begins.weekday() * DAY, ends + (6 - ends.weekday()) * DAY


def _title(anchor: date, first: date, last: date, view: str) -> str:
    return f"{anchor.year}年{anchor.month}月" if view == "月" else f"{times.day(first)}〜{last.month}/{last.day}"


@refreshing
def _shown(view: str, anchor: date, first: date, last: date) -> None:
    reading = live.block(KEY, "", f"{PATH}/calendar", since=first.isoformat(), until=last.isoformat())
    if reading is None:
        return
    days = reading.data["days"]
    # Nobody works at the weekend: without anything on it, the other days have its room.
    is_whole_week = any(day["items"] for place, day in enumerate(days) if place % 7 >= WEEKEND)
    shown = 7 if is_whole_week else WEEKEND
    for begin in range(0, len(days), 7):
        for column, day in zip(st.columns(shown, gap="xsmall"), days[begin : begin + shown], strict=True):
            with column, st.container(border=True, gap="xxsmall", key=f"{KEY}.{day['day']}"):
                _day(day, whole=view == "週", dim=view == "月" and date.fromisoformat(day["day"]).month != anchor.month)


def _day(day: Row, *, whole: bool, dim: bool) -> None:
    moment = date.fromisoformat(day["day"])
    name = f"{moment.month}/{moment.day}（{times.WEEKDAYS[moment.weekday()]}）"
    color = "gray" if dim or not day["is_business_day"] else "blue" if moment == times.now().date() else ""
    today = " **今日**" if moment == times.now().date() else ""
    st.markdown(f":{color}[**{name}**]{today}" if color else f"**{name}**")
    if day["holiday"]:
        st.markdown(small(plain(day["holiday"])))
    items = day["items"]
    if not whole:
        daily = [one for one in items if one["rhythm"] == "daily"]
        _counted(daily)
        items = [one for one in items if one["rhythm"] != "daily"]
    for one in items:
        _item(one)


def _counted(daily: Sequence[dict[str, Any]]) -> None:
    if not daily:
        return
    over = sum(one["state"] in ("done", "skipped") for one in daily)
    worst = next((code for code in ("overdue", "missed", "now", "planned", "done") if _any(daily, code)), "done")
    status = STATE[worst]
    st.markdown(f":{status.color}[:material/{status.icon}:] {small(f'日次 {over:,}/{len(daily):,}件')}")


def _any(items: Sequence[dict[str, Any]], state: str) -> bool:
    return any(one["state"] == state for one in items)


def _item(one: Row) -> None:
    status = STATE[one["state"]]
    st.button(
        f":{status.color}[:material/{status.icon}:] {plain(one['title'])}",
        key=f"{KEY}.turn.{one['id']}",
        type="tertiary",
        help=f"{plain(one['title'])}（{status.word}）",
        on_click=dialogs.open,
        args=(drawer, one),
        wrap=False,
    )
