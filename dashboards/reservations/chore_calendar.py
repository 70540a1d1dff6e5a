"""定期作業 on a calendar: a week with everything, or a month in which daily chores are only counted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import streamlit as st

from dashboards.contract.reservations import Calendar, CalendarDay, CalendarItem
from dashboards.reservations.chore_drawer import drawer
from dashboards.reservations.chore_forms import CHORE
from dashboards.reservations.chore_words import STATE
from dashboards.ui import bound, dialogs, live, times
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
            key=bound.page_key("view"),
            bind="query-params",
            label_visibility="collapsed",
        )
        anchor = st.session_state.get(ANCHOR) or times.now().date()
        _step("前へ", "chevron_left", _shifted(anchor, view, -1))
        _step("今日", "today", None)
        _step("次へ", "chevron_right", _shifted(anchor, view, 1))
        first, last = _span(anchor, view)
        st.markdown(f"**{_title(anchor, first, last, view)}**", width="content")
    _show(view, anchor, first, last)


def _step(label: str, icon: str, day: date | None) -> None:
    st.button(label, key=f"{KEY}.{icon}", icon=f":material/{icon}:", on_click=_go, args=(day,))


def _go(day: date | None) -> None:
    st.session_state[ANCHOR] = day


def _shifted(anchor: date, view: str, step: int) -> date:
    if view == "週":
        return anchor + step * WEEK
    first = anchor.replace(day=1)
    return (first + 32 * DAY if step > 0 else first - DAY).replace(day=1)


def _span(anchor: date, view: str) -> tuple[date, date]:
    """From a Monday to a Sunday."""
    if view == "週":
        first = anchor - anchor.weekday() * DAY
        return first, first + 6 * DAY
    first_of_month = anchor.replace(day=1)
    last_of_month = (first_of_month + 32 * DAY).replace(day=1) - DAY
    return first_of_month - first_of_month.weekday() * DAY, last_of_month + (6 - last_of_month.weekday()) * DAY


def _title(anchor: date, first: date, last: date, view: str) -> str:
    return f"{anchor.year}年{anchor.month}月" if view == "月" else f"{times.day(first)}〜{last.month}/{last.day}"


@refreshing
def _show(view: str, anchor: date, first: date, last: date) -> None:
    reading = live.block(KEY, "", f"{CHORE.path}/calendar", since=first.isoformat(), until=last.isoformat())
    if reading is None:
        return
    calendar: Calendar = reading.data
    days = calendar["days"]
    # Weekends without items are left out, so that the other days have more room.
    show_weekend = any(day["items"] for index, day in enumerate(days) if index % 7 >= WEEKEND)
    column_count = 7 if show_weekend else WEEKEND
    for start in range(0, len(days), 7):
        for column, day in zip(st.columns(column_count, gap="xsmall"), days[start : start + column_count], strict=True):
            with column, st.container(border=True, gap="xxsmall", key=f"{KEY}.{day['day']}"):
                _day(
                    day,
                    show_daily=view == "週",
                    dim=view == "月" and date.fromisoformat(day["day"]).month != anchor.month,
                )


def _day(day: CalendarDay, *, show_daily: bool, dim: bool) -> None:
    calendar_day = date.fromisoformat(day["day"])
    name = f"{calendar_day.month}/{calendar_day.day}（{times.WEEKDAYS[calendar_day.weekday()]}）"
    color = "gray" if dim or not day["is_business_day"] else "blue" if calendar_day == times.now().date() else ""
    today = " **今日**" if calendar_day == times.now().date() else ""
    st.markdown(f":{color}[**{name}**]{today}" if color else f"**{name}**")
    if day["holiday"]:
        st.markdown(small(plain(day["holiday"])))
    items = day["items"]
    if not show_daily:
        daily = [turn for turn in items if turn["rhythm"] == "daily"]
        _daily_summary(daily)
        items = [turn for turn in items if turn["rhythm"] != "daily"]
    for turn in items:
        _item(turn)


def _daily_summary(daily: Sequence[CalendarItem]) -> None:
    if not daily:
        return
    finished = sum(turn["state"] in ("done", "skipped") for turn in daily)
    worst = next((code for code in ("overdue", "missed", "now", "planned", "done") if _any(daily, code)), "done")
    status = STATE[worst]
    st.markdown(f":{status.color}[:material/{status.icon}:] {small(f'日次 {finished:,}/{len(daily):,}件')}")


def _any(items: Sequence[CalendarItem], state: str) -> bool:
    return any(turn["state"] == state for turn in items)


def _item(turn: CalendarItem) -> None:
    status = STATE[turn["state"]]
    st.button(
        f":{status.color}[:material/{status.icon}:] {plain(turn['title'])}",
        key=f"{KEY}.turn.{turn['id']}",
        type="tertiary",
        help=f"{plain(turn['title'])}（{status.label}）",
        on_click=dialogs.open,
        args=(drawer, turn),
        wrap=False,
    )
