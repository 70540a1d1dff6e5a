"""統計: when is it busy, who was picked up late, what was unusual, and are the goals met?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, Literal
from urllib.parse import urlencode

import streamlit as st

from dashboards.addresses import DOWNLOAD
from dashboards.contract.entries import SUBJECTS, Indicator, Late, Odd, Quarter, Statistics
from dashboards.entries import choices
from dashboards.entries.words import ANOMALIES, DIRECTION_LABELS, IN, OUT, timestamp
from dashboards.session import has_permission
from dashboards.ui import charts, columns, feedback, figures, filters, live, tables, times
from dashboards.ui.figures import Figure
from dashboards.ui.links import link
from dashboards.ui.text import plain, small

PATH = "/api/entries/statistics"
KEY = "entries.statistics"
QUARTER = 15
INDICATORS = {
    "KPI-001": (
        "バーコードを利用している保護者",
        "%",
        "目標 90%以上",
        "30日以内にスキャンした保護者 {part:,} / {whole:,}人",
    ),
    "KPI-002": ("記録漏れ率", "%", "目標 5%以下", "「入」のあと「出」のない日 {part:,} / {whole:,}日"),
    "KPI-003": ("スキャンから記録まで", "秒", "目標 2秒以内", "端末からの{whole:,}件の99%がこの時間以内"),
}


COMMON_COLUMNS = (
    columns.text("日時", lambda row: timestamp(row["at"]), width=160),
    columns.text("保護者名", "parent_name", width=120),
    columns.text("関連園児名", lambda row: ", ".join(row["child_names"]), width=160),
)
LATE_COLUMNS = (*COMMON_COLUMNS, columns.number("閉園から（分）", "minutes", width=120))


def describe_anomaly(row: Odd) -> str:
    """The reason in words, with the usual time."""
    at, kind, minutes = times.parse(row["at"]), row["kind"], row["minutes"]
    if kind == "forgotten":
        return f"{at:%H:%M}に登園。降園の記録がありません（スキャン忘れの可能性）。"
    if kind == "other_person":
        return f"{row['parent_name']}さんのお迎えは、この期間で初めてです。"
    is_late = kind == "late"
    usual = at.hour * 60 + at.minute - (minutes if is_late else -minutes)
    label = DIRECTION_LABELS[row["entry_type"]]
    return (
        f"いつもの{label}は{usual // 60:02}:{usual % 60:02}ごろ。この日は{at:%H:%M}でした"
        f"（{minutes:,}分{'遅い' if is_late else '早い'}）。"
    )


UNUSUAL_COLUMNS = (
    *COMMON_COLUMNS,
    columns.badge("種類", "kind", ANOMALIES, width=190),
    columns.text("理由", describe_anomaly, width=460),
)


def selected_period() -> dict[str, str]:
    """The value of the period filter, which is drawn after the first block. At first it comes from the page's
    address."""
    chosen = st.session_state.get("period")
    if chosen is None:
        chosen = st.query_params.get_all("period")
    try:
        days = [date.fromisoformat(str(day)).isoformat() for day in chosen]
    except ValueError:
        return {}
    return {"first_day": days[0], "last_day": days[1]} if len(days) == 2 else {}


def page() -> None:
    query: dict[str, Any] = selected_period()
    if nursery_id := choices.selected_nursery_id():
        query["nursery_id"] = nursery_id
    reading = live.block(KEY, "統計", PATH, headline=True, **query)
    shown = live.last_answer(KEY)
    sentence = st.container()
    filters.bar(
        filters.Dates("period", "期間", parameters=("first_day", "last_day")),
        *choices.nursery_fields(shown["nursery_name"] if shown else "保育園"),
    )
    if reading is None:
        return
    statistics: Statistics = reading.data
    with sentence:
        state_sentence(statistics)
        figures.row([_goal(indicator) for indicator in statistics["indicators"]], faded=reading.problem is not None)
    if not statistics["days"]:
        feedback.empty(
            "この期間の入退の記録はありません",
            "期間を変えてください。まだスキャンを始めていないときは、保護者を取り込んで、入退登録画面を使い始めてください。",
            action=choices.import_link,
        )
        return
    rush(statistics)
    late(statistics, query)
    unusual(statistics, query)


def state_sentence(statistics: Statistics) -> None:
    first, last = (times.day(date.fromisoformat(statistics[name])) for name in ("first_day", "last_day"))
    period = f"{plain(statistics['nursery_name'])}の{first}～{last}"
    if not statistics["days"]:
        st.markdown(f"{period}には、入退の記録がありません。")
        return
    busiest = [
        f"{label}は{quarter}ごろ"
        for label, quarter in (("登園", statistics["busiest_entry"]), ("降園", statistics["busiest_exit"]))
        if quarter
    ]
    st.markdown(
        f"{period}は、{'、'.join(busiest)}が最も混み合いました。閉園時刻{statistics['closes_at']}を過ぎたお迎えは"
        f"**{statistics['late_total']:,}件**、いつもと違う入退は**{statistics['unusual_total']:,}件**です。"
    )


def _goal(indicator: Indicator) -> Figure:
    label, unit, target, basis = INDICATORS[indicator["key"]]
    verdict = {True: "達成", False: "未達成", None: "まだ測定できません"}[indicator["met"]]
    value = "–" if indicator["value"] is None else f"{indicator['value']:g}{unit}"
    measured = basis.format(**indicator) if indicator["whole"] else "この期間に、もとになる記録がありません"
    return Figure(f"{label}（{verdict}）", value, f"{target}。{measured}")


def rush(statistics: Statistics) -> None:
    x, entries, exits = quarters(statistics["quarters"])
    charts.stacked(
        rush_title(statistics),
        x,
        {IN.label: entries, OUT.label: exits},
        unit="件",
        key=f"{KEY}.rush",
        statuses=(IN, OUT),
    )
    st.markdown(small(f"記録のあった{statistics['days']:,}日の平均を、15分ごとに示します。"))


def quarters(rows: list[Quarter]) -> tuple[list[str], list[float], list[float]]:
    """From the first quarter of an hour with scans to the last. Quarters without scans are zero."""
    by_time = {row["begins"]: row for row in rows}
    minutes = [int(begins[:2]) * 60 + int(begins[3:]) for begins in by_time]
    x = [f"{at // 60:02}:{at % 60:02}" for at in range(min(minutes), max(minutes) + 1, QUARTER)]
    shown = [by_time.get(begins, Quarter(begins=begins, entries=0, exits=0)) for begins in x]
    return x, [quarter["entries"] for quarter in shown], [quarter["exits"] for quarter in shown]


def rush_title(statistics: Statistics) -> str:
    peaks = (
        ("登園", statistics["busiest_entry"], max(quarter["entries"] for quarter in statistics["quarters"])),
        ("降園", statistics["busiest_exit"], max(quarter["exits"] for quarter in statistics["quarters"])),
    )
    return "、".join(
        f"{label}は{begins}から15分間が最も多く、平均{average:g}件" for label, begins, average in peaks if begins
    )


def late(statistics: Statistics, query: dict[str, Any]) -> None:
    _scans(
        "late",
        f"閉園時刻{statistics['closes_at']}を過ぎたお迎え",
        statistics["late"],
        statistics["late_total"],
        LATE_COLUMNS,
        query,
        ("閉園後のお迎えはありませんでした", "この期間のお迎えは、すべて閉園時刻までに済んでいます。"),
    )


def unusual(statistics: Statistics, query: dict[str, Any]) -> None:
    _scans(
        "unusual",
        SUBJECTS["unusual"],
        statistics["unusual"],
        statistics["unusual_total"],
        UNUSUAL_COLUMNS,
        query,
        ("いつもと違う入退はありませんでした", "同じ保護者のほかの日と比べて、大きく異なる記録を示します。"),
    )


def _scans(
    name: Literal["late", "unusual"],
    title: str,
    rows: Sequence[Late | Odd],
    total: int,
    shown_columns: tuple[columns.Column, ...],
    query: dict[str, Any],
    empty: tuple[str, str],
) -> None:
    """The newest rows of a list, and all of them as CSV. `query` is that of the page."""
    counted = f"新しい{len(rows):,}件 / 全{total:,}件" if len(rows) < total else f"全{total:,}件"
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom"):
        st.subheader(title, anchor=False, width="content")
        with st.container(horizontal=True, width="content", vertical_alignment="center"):
            st.markdown(small(counted), width="content")
            if total and has_permission("entries:log:read"):
                query_string = f"?{urlencode(query)}" if query else ""
                link("CSVで出力", f"{DOWNLOAD}{PATH}/{name}.csv{query_string}", download=True)
    if rows:
        tables.grid(f"{KEY}.{name}", SUBJECTS[name], rows, shown_columns, height="auto")
    else:
        feedback.empty(*empty)


if choices.require_nursery("統計"):
    page()
