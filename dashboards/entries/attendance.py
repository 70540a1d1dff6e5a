"""出欠表管理: who is here today, since when, and the notes about the children (6.4)."""

from __future__ import annotations

from datetime import date, datetime

import streamlit as st

from dashboards.contract.entries import DaySheet, SheetRow
from dashboards.entries import attendance_drawer, choices
from dashboards.entries.attendance_drawer import history
from dashboards.entries.words import SHOWN_PRESENCE, attended, presence_figures, shown_presence
from dashboards.session import has_permission
from dashboards.ui import columns, feedback, figures, filters, live, tables, times
from dashboards.ui.links import link
from dashboards.ui.live import refreshing
from dashboards.ui.text import plain, small

PATH = "/api/entries/attendance"
KEY = "entries.attendance"
TODAY = f"{KEY}.today"


def selected_day() -> date | None:
    """Before the filter is first drawn, from the page's address. None: today."""
    chosen = st.session_state.get("day") or st.query_params.get("day")
    if isinstance(chosen, date):
        return None if chosen == st.session_state.get("day.nothing") else chosen
    try:
        return datetime.fromisoformat(chosen).date() if chosen else None
    except ValueError:
        return None


@refreshing
def headline(day: date | None, nursery_id: int | None) -> None:
    reading = live.block(
        f"{KEY}_headline",
        "出欠表管理",
        PATH,
        headline=True,
        right=head,
        day=day.isoformat() if day else None,
        nursery_id=nursery_id,
    )
    if reading is None:
        return
    sheet: DaySheet = reading.data
    if day is None:
        st.session_state[TODAY] = sheet["day"]
    if not sheet["rows"]:
        return
    counts = sheet["counts"]
    unknown = (
        f"まだわからない園児が{counts['unknown']:,}人います。" if counts["unknown"] else "全員の出欠がわかっています。"
    )
    st.markdown(
        f"{times.day(date.fromisoformat(sheet['day']))}、{plain(sheet['nursery_name'])}の出席は**{attended(counts):,}人**、"
        f"欠席は**{counts['absent']:,}人**です。{unknown}"
    )
    figures.row(presence_figures(counts, "人"), faded=reading.problem is not None)


def today() -> date:
    """The date of the service's clock, once the service has answered."""
    day = st.session_state.get(TODAY)
    return date.fromisoformat(day) if day else times.now().date()


def head() -> None:
    link("詳細レポート", "/attendance-report", primary=True)


def conditions() -> filters.Filters:
    shown = live.last_answer(f"{KEY}_headline")
    classes = dict.fromkeys(row["class_name"] for row in shown["rows"] if row["class_name"]) if shown else {}
    return filters.bar(
        filters.Day("day", "日付", today()),
        *choices.nursery_fields(shown["nursery_name"] if shown else "保育園"),
        filters.Choice("class_name", "組", {name: name for name in classes}),
    )


@refreshing
def show_list(chosen: filters.Filters) -> None:
    reading = live.block(KEY, "", PATH, left=_hint, **chosen.query)
    if reading is None:
        return
    sheet: DaySheet = reading.data
    rows = sheet["rows"]
    chosen.show_total(len(rows), "人")
    if not rows:
        feedback.empty(
            "まだ園児が登録されていません",
            "保護者と園児のファイルを取り込むと、ここに園児が並びます。",
            action=choices.import_link,
        )
        return
    may_update = has_permission("entries:attendance:update")
    tables.grid(
        f"{KEY}.rows",
        "出欠表",
        [attendance_drawer.day_row(row, sheet["day"]) for row in rows],
        COLUMNS,
        actions=({"編集": attendance_drawer.edit} if may_update else {}) | {"送り迎え履歴": attendance_drawer.drawer},
        bulk={"出欠を入力する": attendance_drawer.enter_all} if may_update else None,
        conditions=chosen.query | {"day": sheet["day"]},
    )


def _hint() -> None:
    st.markdown(
        small("「（推定）」はスキャンから推定した出席状態です。送り迎え時刻に触れると、その日の履歴が表示されます。"),
        width="content",
    )


def _scan_times(row: SheetRow) -> str:
    """The newest scan of each direction."""
    latest = ((row["latest_entry"], "登園"), (row["latest_exit"], "降園"))
    return "　".join(f"{word} {times.parse(at):%H:%M}" for at, word in latest if at)


COLUMNS = (
    columns.text("園児名", "child_name", width=200),
    columns.text("組", "class_name", width=120),
    columns.badge("出席状態", shown_presence, SHOWN_PRESENCE, width=150),
    columns.text("送り迎え時刻", _scan_times, width=210, hint=lambda row: history(row["scans"])),
    columns.text("備考", "note", width=260),
)


if choices.require_nursery("出欠表管理"):
    headline(selected_day(), choices.selected_nursery_id())
    show_list(conditions())
