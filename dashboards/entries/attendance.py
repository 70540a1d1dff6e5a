"""出欠表管理: who is here today, since when, and the notes about the children (6.4)."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import streamlit as st

from dashboards.contract.entries import DaySheet, SheetRow
from dashboards.entries import attendance_drawer, choices
from dashboards.entries.attendance_drawer import TOOLTIP_SCANS, history
from dashboards.entries.words import IN, NOT_ENTERED, OUT, PRESENCE, attended, presence_figures
from dashboards.session import has_permission
from dashboards.ui import dialogs, feedback, figures, filters, live, times
from dashboards.ui.links import link
from dashboards.ui.live import refreshing
from dashboards.ui.text import plain, small

PATH = "/api/entries/attendance"
KEY = "entries.attendance"
# 出席（推定） and a name fit on a tablet in portrait orientation.
WIDTHS = (2.2, 2.5, 2.0, 2.3, 1.3)
ROWS = 25
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
    page = _page(len(rows), chosen.query)
    with st.container(border=True, gap="xsmall", key=f"{KEY}.rows"):
        for column, title in zip(st.columns(WIDTHS), ("園児名", "出席状態", "送り迎え時刻", "備考", ""), strict=True):
            column.markdown(small(title))
        for row in rows[page * ROWS : (page + 1) * ROWS]:
            _row(row, sheet["day"])
    _pager(len(rows), page)


def _hint() -> None:
    st.markdown(
        small("「（推定）」はスキャンから推定した出席状態です。送り迎え時刻に触れると、その日の履歴が表示されます。"),
        width="content",
    )


def _row(row: SheetRow, day: str) -> None:
    name, presence, scan_times, note, action = st.columns(WIDTHS, vertical_alignment="center")
    name.markdown(f"**{plain(row['child_name'])}**  \n{small(plain(row['class_name']))}")
    presence.markdown(_presence(row))
    with scan_times:
        _scan_times(row, day)
    note.markdown(plain(row["note"]))
    if has_permission("entries:attendance:update"):
        with action:
            dialogs.button(
                "編集",
                attendance_drawer.edit,
                row,
                day,
                key=f"{KEY}.edit.{row['child_id']}",
                icon="edit",
                type="tertiary",
            )


def _presence(row: SheetRow) -> str:
    if row["presence"] is None:
        return small(NOT_ENTERED)
    status = PRESENCE[row["presence"]]
    return f":gray-badge[:material/barcode_scanner: {status.label}（推定）]" if row["suggested"] else status.badge()


def _scan_times(row: SheetRow, day: str) -> None:
    """The newest scan of each direction. The tooltip shows the day's history, a click shows all of it."""
    latest = [
        f":{status.color}[:material/{status.icon}: **{times.parse(at):%H:%M}**]"
        for at, status in ((row["latest_entry"], IN), (row["latest_exit"], OUT))
        if at
    ]
    if latest:
        st.button(
            "　".join(latest),
            key=f"{KEY}.scans.{row['child_id']}",
            type="tertiary",
            help=history(row["scans"], TOOLTIP_SCANS),
            on_click=dialogs.open,
            args=(attendance_drawer.drawer, row, day),
        )


def _page(total: int, query: dict[str, Any]) -> int:
    """A new filter starts at the first page."""
    stored = st.session_state.setdefault(f"{KEY}.page", {"query": query, "page": 0})
    if stored["query"] != query:
        stored |= {"query": query, "page": 0}
    stored["page"] = min(int(stored["page"]), (total - 1) // ROWS)
    return int(stored["page"])


def _turn(by: int) -> None:
    st.session_state[f"{KEY}.page"]["page"] += by


def _pager(total: int, page: int) -> None:
    last = (total - 1) // ROWS
    if not last:
        return
    with st.container(horizontal=True, horizontal_alignment="center", vertical_alignment="center"):
        st.button("前へ", key=f"{KEY}.previous", on_click=_turn, args=(-1,), disabled=page == 0)
        st.markdown(f"{page + 1:,} / {last + 1:,}ページ", width="content")
        st.button("次へ", key=f"{KEY}.next", on_click=_turn, args=(1,), disabled=page == last)


if choices.require_nursery("出欠表管理"):
    headline(selected_day(), choices.selected_nursery_id())
    show_list(conditions())
