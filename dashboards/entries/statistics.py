"""統計: when is it busy, who was picked up late, what was unusual, and are the goals met?"""

from __future__ import annotations

from datetime import date
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from dashboards.addresses import DOWNLOAD
from dashboards.entries import choices
from dashboards.entries.words import ANOMALIES, DIRECTION_LABELS, IN, OUT
from dashboards.session import has_permission
from dashboards.ui import charts, columns, feedback, figures, filters, live, tables, times
from dashboards.ui.columns import Row
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


def stamp(row: Row) -> str:
    return f"{times.parse(row['at']):%Y-%m-%d %H:%M:%S}"


COMMON_COLUMNS = (
    columns.text("日時", stamp, width=160),
    columns.text("保護者名", "parent_name", width=120),
    columns.text("関連園児名", lambda row: ", ".join(row["child_names"]), width=160),
)
LATE_COLUMNS = (*COMMON_COLUMNS, columns.number("閉園から（分）", "minutes", width=120))


def describe_anomaly(row: Row) -> str:
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
    days = [day.isoformat() if isinstance(day, date) else day for day in chosen]
    if len(days) != 2 or not all(_is_day(day) for day in days):
        return {}
    return {"first_day": days[0], "last_day": days[1]}


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def page() -> None:
    query: dict[str, Any] = selected_period()
    if nursery_id := choices.selected_nursery_id():
        query["nursery_id"] = nursery_id
    reading = live.block(KEY, "統計", PATH, headline=True, **query)
    shown = live.last_answer(KEY)
    sentence = st.container()
    filters.bar(
        filters.Dates("period", "期間", asked=("first_day", "last_day")),
        *choices.nursery_fields(shown["nursery_name"] if shown else "保育園"),
    )
    if reading is None:
        return
    statistics = reading.data
    with sentence:
        state_sentence(statistics)
        goals(reading)
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


def state_sentence(statistics: Row) -> None:
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


def goals(reading: live.Snapshot) -> None:
    figures.row([_goal(indicator) for indicator in reading.data["indicators"]], faded=reading.problem is not None)


def _goal(indicator: Row) -> Figure:
    label, unit, target, basis = INDICATORS[indicator["key"]]
    verdict = {True: "達成", False: "未達成", None: "まだ測定できません"}[indicator["met"]]
    value = "–" if indicator["value"] is None else f"{indicator['value']:g}{unit}"
    measured = basis.format(**indicator) if indicator["whole"] else "この期間に、もとになる記録がありません"
    return Figure(f"{label}（{verdict}）", value, f"{target}。{measured}")


def rush(statistics: Row) -> None:
    x, entries, exits = quarters(statistics["quarters"])
    charts.stacked(
        rush_title(statistics),
        x,
        {IN.word: entries, OUT.word: exits},
        unit="件",
        key=f"{KEY}.rush",
        statuses=(IN, OUT),
    )
    st.markdown(small(f"記録のあった{statistics['days']:,}日の平均を、15分ごとに示します。"))


def quarters(rows: list[Row]) -> tuple[list[str], list[float | None], list[float | None]]:
    """From the first quarter of an hour with scans to the last. Quarters without scans are zero."""
    by_time = {row["begins"]: row for row in rows}
    minutes = [int(begins[:2]) * 60 + int(begins[3:]) for begins in by_time]
    x = [f"{at // 60:02}:{at % 60:02}" for at in range(min(minutes), max(minutes) + 1, QUARTER)]
    entries, exits = ([by_time[at][name] if at in by_time else 0 for at in x] for name in ("entries", "exits"))
    return x, entries, exits


def rush_title(statistics: Row) -> str:
    by_time = {row["begins"]: row for row in statistics["quarters"]}
    parts = [
        f"{label}は{quarter}から15分間が最も多く、平均{by_time[quarter][name]:g}件"
        for label, quarter, name in (
            ("登園", statistics["busiest_entry"], "entries"),
            ("降園", statistics["busiest_exit"], "exits"),
        )
        if quarter
    ]
    return "、".join(parts)


def late(statistics: Row, query: dict[str, Any]) -> None:
    _title(
        f"閉園時刻{statistics['closes_at']}を過ぎたお迎え",
        statistics["late_total"],
        len(statistics["late"]),
        f"{PATH}/late.csv",
        query,
    )
    if not statistics["late"]:
        feedback.empty("閉園後のお迎えはありませんでした", "この期間のお迎えは、すべて閉園時刻までに済んでいます。")
        return
    tables.grid(f"{KEY}.late", "閉園後のお迎え", statistics["late"], LATE_COLUMNS, height="auto")


def unusual(statistics: Row, query: dict[str, Any]) -> None:
    _title("いつもと違う入退", statistics["unusual_total"], len(statistics["unusual"]), f"{PATH}/unusual.csv", query)
    if not statistics["unusual"]:
        feedback.empty(
            "いつもと違う入退はありませんでした", "同じ保護者のほかの日と比べて、大きく異なる記録を示します。"
        )
        return
    tables.grid(f"{KEY}.unusual", "いつもと違う入退", statistics["unusual"], UNUSUAL_COLUMNS, height="auto")


def _title(title: str, total: int, shown: int, address: str, query: dict[str, Any]) -> None:
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom"):
        st.subheader(title, anchor=False, width="content")
        with st.container(horizontal=True, width="content", vertical_alignment="center"):
            st.markdown(
                small(f"新しい{shown:,}件 / 全{total:,}件" if shown < total else f"全{total:,}件"), width="content"
            )
            if total and has_permission("entries:log:read"):
                query_string = f"?{urlencode(query)}" if query else ""
                link("CSVで出力", f"{DOWNLOAD}{address}{query_string}", download=True)


if choices.require_nursery("統計"):
    page()
