"""詳細レポート: a child's attendance in one month."""

from __future__ import annotations

from datetime import date

import streamlit as st

from dashboards.addresses import DOWNLOAD
from dashboards.contract.entries import MonthDay, MonthReport
from dashboards.entries import choices
from dashboards.entries.words import PRESENCE, attended, presence_figures
from dashboards.ui import columns, feedback, figures, filters, heading, live, tables, times
from dashboards.ui.links import link
from dashboards.ui.text import plain

KEY = "entries.month"
MONTHS_OFFERED = 13
NOTHING_CHOSEN = "園児を選ぶと、その月の出欠と送り迎えの時刻を1日ずつ表示します。"


def time_column(title: str, field: str) -> columns.Column:
    return columns.text(title, lambda day: f"{times.parse(day[field]):%H:%M:%S}" if day[field] else "–", width=90)


COLUMNS = (
    columns.text("日付", lambda day: times.day(date.fromisoformat(day["day"])), width=140),
    columns.text("出席状態", lambda day: presence(day), width=140),
    time_column("登園", "first_entry"),
    time_column("降園", "last_exit"),
    columns.number("送り迎え（件）", lambda day: len(day["scans"]) or None, width=110),
    columns.text(
        "保護者", lambda day: "、".join(dict.fromkeys(scan["parent_name"] for scan in day["scans"])), width=180
    ),
    columns.text("備考", "note", width=280),
)


def presence(day: MonthDay) -> str:
    if day["presence"] is None:
        return "–"
    return PRESENCE[day["presence"]].label + ("（推定）" if day["suggested"] else "")


def months() -> dict[str, str]:
    now = times.now()
    count = now.year * 12 + now.month - 1
    codes = (f"{(count - back) // 12:04}-{(count - back) % 12 + 1:02}" for back in range(MONTHS_OFFERED))
    return {code: times.month(code) for code in codes}


def show(chosen: filters.Filters) -> None:
    child, month = chosen.query.get("child_id"), chosen.query.get("month") or next(iter(months()))
    if child is None:
        feedback.empty("園児が選ばれていません", NOTHING_CHOSEN, icon=":material/child_care:")
        return
    address = f"/api/entries/children/{child}/months/{month}"
    reading = live.block(KEY, "", address, left=lambda: downloads(address))
    if reading is None:
        return
    report: MonthReport = reading.data
    counts = report["counts"]
    st.markdown(
        f"{plain(report['child_name'])}さん（{plain(report['class_name'] or '組なし')}）は、"
        f"{times.month(month)}に**{attended(counts):,}日**出席し、**{counts['absent']:,}日**欠席しました。"
    )
    figures.row(presence_figures(counts, "日", "休園日を含みます"))
    if not report["days"]:
        feedback.empty("この月の記録はまだありません", "月を変えると表示されます。")
        return
    tables.grid(f"{KEY}.grid", "詳細レポート", list(reversed(report["days"])), COLUMNS)


def downloads(address: str) -> None:
    link("PDFで出力", f"{DOWNLOAD}{address}/report.pdf", download=True)
    link("CSVで出力", f"{DOWNLOAD}{address}/report.csv", download=True)


if choices.require_nursery("詳細レポート"):
    heading.page("詳細レポート", right=lambda: link("出欠表管理へ戻る", "/attendance"))
    nursery_id = choices.selected_nursery_id()
    children = choices.children(nursery_id)
    show(
        filters.bar(
            *choices.nursery_fields(),
            filters.Choice("child_id", "園児", children, width=240, otherwise="選んでください"),
            filters.Choice("month", "対象月", months(), otherwise="今月", width=150),
        )
    )
