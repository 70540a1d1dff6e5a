"""サポート品質: are enquiries answered and resolved in time, per week and per quarter (7.3.1)?"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboards.contract.reservations import MeasureItem, Quality, QualityPeriod
from dashboards.reservations.enquiry_words import minutes
from dashboards.reservations.figure_words import percent
from dashboards.ui import bound, charts, columns, feedback, figures, live, tables, times
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
    quality: Quality = reading.data
    periods = quality["periods"]
    if not any(period["count"] or period["answers"] for period in periods):
        feedback.empty(
            "この期間の問い合わせはありません",
            "問い合わせを登録すると、目標に対する実績がここに表示されます。",
            icon=":material/monitoring:",
        )
        return
    _sentence(by, periods[-1])
    figures.row(_figures(by, periods, quality["goal"]), faded=reading.problem is not None)
    left, right = st.columns(2)
    with left:
        _in_time(by, periods)
    with right:
        _counts(by, periods)
    if by == "quarter":
        left, right = st.columns(2)
        with left:
            _satisfaction(periods, quality["goal"])
        with right:
            _categories(by, quality["categories"])
    else:
        _categories(by, quality["categories"])
    tables.grid(f"{KEY}.{by}.grid", "期間ごとの実績", [*reversed(periods)], _columns(by))


def _sentence(by: str, period: QualityPeriod) -> None:
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


def _figures(by: str, periods: Sequence[QualityPeriod], goal: float) -> list[Figure]:
    current, before = periods[-1], periods[-2]
    cards = [
        _figure(
            "初回応答（Email）", current["first_mail"], before["first_mail"], by, "目標 2時間以内（提携店は4時間以内）"
        ),
        _figure("初回応答（電話）", current["first_phone"], before["first_phone"], by, "目標 即時"),
        _figure("解決時間", current["resolution"], before["resolution"], by, "目標 24時間以内（Medium以下）"),
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


def _figure(label: str, current: MeasureItem, before: MeasureItem, by: str, goal: str) -> Figure:
    share, previous = current["share"], before["share"]
    change = round((share - previous) * 100, 1) if share is not None and previous is not None else None
    median = current["median_minutes"]
    median_note = f"・中央値 {minutes(median)}" if median is not None else ""
    return Figure(label, percent(current), f"{goal}{median_note}", change, "pt", _LAST[by])


def _in_time(by: str, periods: Sequence[QualityPeriod]) -> None:
    measures = {
        "初回応答（Email）": [period["first_mail"] for period in periods],
        "初回応答（電話）": [period["first_phone"] for period in periods],
        "解決": [period["resolution"] for period in periods],
    }
    series = {label: [*map(_share, measured)] for label, measured in measures.items()}
    due = sum(measure["due"] for measured in measures.values() for measure in measured)
    met = sum(measure["met"] for measured in measures.values() for measure in measured)
    title = f"目標時間を守れた割合は、この{len(periods)}{_unit(by)}で{met / due:.0%}" if due else "目標時間を守れた割合"
    charts.line(title, _labels(periods), series, unit="%", key=f"{KEY}.{by}.share", top=105)


def _labels(periods: Sequence[QualityPeriod]) -> list[str]:
    """11/16, or 26/10〜 for a quarter, whose title is too long for an axis."""
    starts = [times.parse(period["since"]) for period in periods]
    return [
        f"{start:%y}/{start.month}〜" if "年" in period["title"] else period["title"]
        for start, period in zip(starts, periods, strict=True)
    ]


def _share(measure: MeasureItem) -> float | None:
    return None if measure["share"] is None else round(measure["share"] * 100, 1)


def _unit(by: str) -> str:
    return "週間" if by == "week" else "四半期"


def _counts(by: str, periods: Sequence[QualityPeriod]) -> None:
    busiest = max(periods, key=lambda period: period["count"])
    charts.stacked(
        f"最も多かったのは{busiest['title']}{'の週' if by == 'week' else ''}の{busiest['count']:,}件",
        _labels(periods),
        {"Email": [period["mail"] for period in periods], "電話": [period["phone"] for period in periods]},
        unit="件",
        key=f"{KEY}.{by}.counts",
    )


def _satisfaction(periods: Sequence[QualityPeriod], goal: float) -> None:
    surveyed = [(period, mean) for period in periods if (mean := period["satisfaction"]) is not None]
    if not surveyed:
        return
    latest, latest_mean = surveyed[-1]
    result = "を上回りました" if latest_mean >= goal else "に届きませんでした"
    charts.bar(
        f"{latest['title']}の満足度は{latest_mean:.2f}で、目標{goal:.1f}{result}",
        _labels([period for period, _ in surveyed]),
        {"満足度": [mean for _, mean in surveyed]},
        unit="点",
        key=f"{KEY}.satisfaction",
        goal=goal,
        top=5.2,
    )


def _categories(by: str, categories: Sequence[tuple[str, int]]) -> None:
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


def _met_ratio(measure: MeasureItem) -> str:
    """92%（12件中11件）"""
    return f"{percent(measure)}（{measure['due']:,}件中{measure['met']:,}件）" if measure["due"] else "–"


def _met_with_median(measure: MeasureItem) -> str:
    """92%（12件中11件）45分: with the median."""
    median = f"{minutes(measure['median_minutes'])}" if measure["median_minutes"] is not None else ""
    return f"{_met_ratio(measure)}{median}"
