"""サポート品質: are enquiries answered and resolved in time, per week and per quarter (7.3.1)?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from dashboards.reservations.enquiry_words import minutes
from dashboards.reservations.figure_words import percent
from dashboards.ui import bound, charts, columns, feedback, figures, live, tables, times
from dashboards.ui.columns import Row
from dashboards.ui.figures import Figure
from dashboards.ui.live import refreshing
from dashboards.ui.text import plain, small

PATH, KEY = "/api/reservations/surveys/quality", "reservations.quality"
SPANS = {"week": "週ごと", "quarter": "四半期ごと"}
_THIS = {"week": "今週", "quarter": "今四半期"}
_LAST = {"week": "前週比", "quarter": "前四半期比"}


def section() -> None:
    by = st.segmented_control(
        "期間",
        [*SPANS],
        default="week",
        required=True,
        format_func=lambda code: SPANS[code],
        key=bound.page_key("by"),
        bind="query-params",
        label_visibility="collapsed",
    )
    _show(by)


@refreshing
def _show(by: str) -> None:
    reading = live.block(f"{KEY}.{by}", "サポート品質（KPI）", PATH, by=by)
    if reading is None:
        return
    periods = reading.data["periods"]
    if not any(period["count"] or period["answers"] for period in periods):
        feedback.empty(
            "この期間の問い合わせはありません",
            "問い合わせを登録すると、目標に対する実績がここに表示されます。",
            icon=":material/monitoring:",
        )
        return
    _sentence(by, periods[-1])
    figures.row(_figures(by, periods, reading.data["goal"]), faded=reading.problem is not None)
    left, right = st.columns(2)
    with left:
        _in_time(by, periods)
    with right:
        _counts(by, periods)
    if by == "quarter":
        left, right = st.columns(2)
        with left:
            _satisfaction(periods, reading.data["goal"])
        with right:
            _categories(by, reading.data["categories"])
    else:
        _categories(by, reading.data["categories"])
    tables.grid(f"{KEY}.{by}.grid", "期間ごとの実績", [*reversed(periods)], _columns(by))


def _sentence(by: str, period: Row) -> None:
    if not period["count"]:
        st.info(f"{_THIS[by]}の問い合わせは、まだありません。", icon=":material/info:")
        return
    missed = [
        (label, measure["due"] - measure["met"])
        for label, measure in (
            ("Emailの初回応答", period["first_mail"]),
            ("電話の初回応答", period["first_phone"]),
            ("解決", period["resolution"]),
        )
        if measure["due"] > measure["met"]
    ]
    text = f"{_THIS[by]}は{period['count']:,}件の問い合わせがありました。"
    if missed:
        missed_text = "、".join(f"{label}{count:,}件" for label, count in missed)
        st.warning(f"{text}目標時間に間に合わなかったものは、{missed_text}です。", icon=":material/timer_off:")
    else:
        st.success(f"{text}目標時間はすべて守られています。", icon=":material/check_circle:")


def _figures(by: str, periods: Sequence[Row], goal: float) -> list[Figure]:
    current, before = periods[-1], periods[-2]
    cards = [
        _figure("初回応答（Email）", "first_mail", current, before, by, "目標 2時間以内（提携店は4時間以内）"),
        _figure("初回応答（電話）", "first_phone", current, before, by, "目標 即時"),
        _figure("解決時間", "resolution", current, before, by, "目標 24時間以内（Medium以下）"),
    ]
    if by == "quarter":
        latest = next((period for period in reversed(periods) if period["satisfaction"] is not None), None)
        cards.append(
            Figure(
                "顧客満足度",
                f"{latest['satisfaction']:.2f}" if latest else "–",
                f"目標 {goal:.1f}以上・{latest['title']} {latest['answers']:,}人" if latest else f"目標 {goal:.1f}以上",
            )
        )
    return cards


def _figure(label: str, name: str, current: Row, before: Row, by: str, goal: str) -> Figure:
    share, previous = current[name]["share"], before[name]["share"]
    change = round((share - previous) * 100, 1) if share is not None and previous is not None else None
    median = current[name]["median_minutes"]
    median_note = f"・中央値 {minutes(median)}" if median is not None else ""
    return Figure(label, percent(current[name]), f"{goal}{median_note}", change, "pt", _LAST[by])


def _in_time(by: str, periods: Sequence[Row]) -> None:
    measures = {"初回応答（Email）": "first_mail", "初回応答（電話）": "first_phone", "解決": "resolution"}
    series = {label: [_share(period[name]) for period in periods] for label, name in measures.items()}
    due = sum(period[name]["due"] for period in periods for name in measures.values())
    met = sum(period[name]["met"] for period in periods for name in measures.values())
    title = f"目標時間を守れた割合は、この{len(periods)}{_unit(by)}で{met / due:.0%}" if due else "目標時間を守れた割合"
    charts.line(title, _labels(periods), series, unit="%", key=f"{KEY}.{by}.share", top=105)


def _labels(periods: Sequence[Row]) -> list[str]:
    """11/16, or 26/10〜 for a quarter, whose title is too long for an axis."""
    starts = [times.parse(period["since"]) for period in periods]
    return [
        f"{start:%y}/{start.month}〜" if "年" in period["title"] else str(period["title"])
        for start, period in zip(starts, periods, strict=True)
    ]


def _share(measure: Row) -> float | None:
    return None if measure["share"] is None else round(measure["share"] * 100, 1)


def _unit(by: str) -> str:
    return "週間" if by == "week" else "四半期"


def _counts(by: str, periods: Sequence[Row]) -> None:
    busiest = max(periods, key=lambda period: period["count"])
    charts.stacked(
        f"最も多かったのは{busiest['title']}{'の週' if by == 'week' else ''}の{busiest['count']:,}件",
        _labels(periods),
        {"Email": [period["mail"] for period in periods], "電話": [period["phone"] for period in periods]},
        unit="件",
        key=f"{KEY}.{by}.counts",
    )


def _satisfaction(periods: Sequence[Row], goal: float) -> None:
    surveyed = [period for period in periods if period["satisfaction"] is not None]
    if not surveyed:
        return
    latest = surveyed[-1]
    result = "を上回りました" if latest["satisfaction"] >= goal else "に届きませんでした"
    charts.bar(
        f"{latest['title']}の満足度は{latest['satisfaction']:.2f}で、目標{goal:.1f}{result}",
        _labels(surveyed),
        {"満足度": [period["satisfaction"] for period in surveyed]},
        unit="点",
        key=f"{KEY}.satisfaction",
        goal=goal,
        top=5.2,
    )


def _categories(by: str, categories: Sequence[Sequence[Any]]) -> None:
    if categories:
        lines = "\n".join(f"1. {plain(name)}　{count:,}件" for name, count in categories)
        st.markdown(f"**{_THIS[by]}に多い問い合わせ**　{small('月次の改善提案に使います')}\n\n{lines}")


def _columns(by: str) -> tuple[columns.Column, ...]:
    parts = [
        columns.text("週（月曜日）" if by == "week" else "四半期", "title", width=126),
        columns.number("件数（件）", "count"),
        columns.text("初回応答（Email）・中央値", lambda row: _met_with_median(row["first_mail"]), width=216),
        columns.text("初回応答（電話）", lambda row: _met_ratio(row["first_phone"]), width=150),
        columns.text("解決（Medium以下）・中央値", lambda row: _met_with_median(row["resolution"]), width=216),
        columns.number("未解決（件）", "unresolved", width=88),
    ]
    if by == "quarter":
        parts.append(
            columns.text(
                "満足度",
                lambda row: f"{row['satisfaction']:.2f}（{row['answers']:,}人）" if row["satisfaction"] else "–",
                width=120,
            )
        )
    return tuple(parts)


def _met_ratio(measure: Row) -> str:
    """92%（12件中11件）"""
    return f"{percent(measure)}（{measure['due']:,}件中{measure['met']:,}件）" if measure["due"] else "–"


def _met_with_median(measure: Row) -> str:
    """92%（12件中11件）45分: with the median."""
    median = f"{minutes(measure['median_minutes'])}" if measure["median_minutes"] is not None else ""
    return f"{_met_ratio(measure)}{median}"
