"""サポート品質: are enquiries answered and settled in time, week by week and quarter by quarter (7.3.1)?"""

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
        "期間", [*SPANS], default="week", required=True, format_func=lambda code: SPANS[code], key=bound.key("by"),
        bind="query-params", label_visibility="collapsed",
    )  # fmt: skip
    _shown(by)


@refreshing
def _shown(by: str) -> None:
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
        (word, one["due"] - one["met"])
        for word, one in (
            ("Emailの初回応答", period["first_mail"]),
            ("電話の初回応答", period["first_phone"]),
            ("解決", period["resolution"]),
        )
        if one["due"] > one["met"]
    ]
    told = f"{_THIS[by]}は{period['count']:,}件の問い合わせがありました。"
    if missed:
        late = "、".join(f"{word}{count:,}件" for word, count in missed)
        st.warning(f"{told}目標時間に間に合わなかったものは、{late}です。", icon=":material/timer_off:")
    else:
        st.success(f"{told}目標時間はすべて守られています。", icon=":material/check_circle:")


def _figures(by: str, periods: Sequence[Row], goal: float) -> list[Figure]:
    now, before = periods[-1], periods[-2]
    found = [
        _figure("初回応答（Email）", "first_mail", now, before, by, "目標 2時間以内（提携店は4時間以内）"),
        _figure("初回応答（電話）", "first_phone", now, before, by, "目標 即時"),
        _figure("解決時間", "resolution", now, before, by, "目標 24時間以内（Medium以下）"),
    ]
    if by == "quarter":
        told = next((one for one in reversed(periods) if one["satisfaction"] is not None), None)
        found.append(
            Figure(
                "顧客満足度",
                f"{told['satisfaction']:.2f}" if told else "–",
                f"目標 {goal:.1f}以上・{told['title']} {told['answers']:,}人" if told else f"目標 {goal:.1f}以上",
            )
        )
    return found


def _figure(label: str, name: str, now: Row, before: Row, by: str, goal: str) -> Figure:
    share, last = now[name]["share"], before[name]["share"]
    change = round((share - last) * 100, 1) if share is not None and last is not None else None
    taken = now[name]["median_minutes"]
    typical = f"・中央値 {minutes(taken)}" if taken is not None else ""
    return Figure(label, percent(now[name]), f"{goal}{typical}", change, "pt", _LAST[by])


def _in_time(by: str, periods: Sequence[Row]) -> None:
    named = {"初回応答（Email）": "first_mail", "初回応答（電話）": "first_phone", "解決": "resolution"}
    series = {word: [_share(period[name]) for period in periods] for word, name in named.items()}
    due = sum(period[name]["due"] for period in periods for name in named.values())
    met = sum(period[name]["met"] for period in periods for name in named.values())
    finding = (
        f"目標時間を守れた割合は、この{len(periods)}{_unit(by)}で{met / due:.0%}" if due else "目標時間を守れた割合"
    )
    charts.line(finding, _labels(periods), series, unit="%", key=f"{KEY}.{by}.share", top=105)


def _labels(periods: Sequence[Row]) -> list[str]:
    """11/16, or 26/10〜 for a quarter, whose name is too long for an axis."""
    starts = [times.parse(period["since"]) for period in periods]
    return [
        f"{one:%y}/{one.month}〜" if "年" in period["title"] else str(period["title"])
        for one, period in zip(starts, periods, strict=True)
    ]


def _share(measure: Row) -> float | None:
    return None if measure["share"] is None else round(measure["share"] * 100, 1)


def _unit(by: str) -> str:
    return "週間" if by == "week" else "四半期"


def _counts(by: str, periods: Sequence[Row]) -> None:
    most = max(periods, key=lambda period: period["count"])
    charts.stacked(
        f"最も多かったのは{most['title']}{'の週' if by == 'week' else ''}の{most['count']:,}件",
        _labels(periods),
        {"Email": [period["mail"] for period in periods], "電話": [period["phone"] for period in periods]},
        unit="件",
        key=f"{KEY}.{by}.counts",
    )


def _satisfaction(periods: Sequence[Row], goal: float) -> None:
    told = [period for period in periods if period["satisfaction"] is not None]
    if not told:
        return
    last = told[-1]
    reached = "を上回りました" if last["satisfaction"] >= goal else "に届きませんでした"
    charts.bar(
        f"{last['title']}の満足度は{last['satisfaction']:.2f}で、目標{goal:.1f}{reached}",
        _labels(told),
        {"満足度": [period["satisfaction"] for period in told]},
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
    found = [
        columns.text("週（月曜日）" if by == "week" else "四半期", "title", width=126),
        columns.number("件数（件）", "count"),
        columns.text("初回応答（Email）・中央値", lambda row: _told(row["first_mail"]), width=216),
        columns.text("初回応答（電話）", lambda row: _met(row["first_phone"]), width=150),
        columns.text("解決（Medium以下）・中央値", lambda row: _told(row["resolution"]), width=216),
        columns.number("未解決（件）", "unresolved", width=88),
    ]
    if by == "quarter":
        found.append(
            columns.text(
                "満足度",
                lambda row: f"{row['satisfaction']:.2f}（{row['answers']:,}人）" if row["satisfaction"] else "–",
                width=120,
            )
        )
    return tuple(found)


def _met(measure: Row) -> str:
    """92%（12件中11件）"""
    return f"{percent(measure)}（{measure['due']:,}件中{measure['met']:,}件）" if measure["due"] else "–"


def _told(measure: Row) -> str:
    """92%（12件中11件）45分: with the median."""
    taken = f"{minutes(measure['median_minutes'])}" if measure["median_minutes"] is not None else ""
    return f"{_met(measure)}{taken}"
