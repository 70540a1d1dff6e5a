"""The charts of 代理店別数値 and of the dashboard. Each title says what the chart shows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from html import escape
from typing import Any

import streamlit as st

from dashboards.contract.agencies import Figure, Point
from dashboards.ui import charts, heading, live, times
from dashboards.ui.text import small

SERIES = "/api/agencies/figures/series"
MAX_DAYS = 92
AGENCIES_SHOWN = 10


def today() -> date:
    return times.now().date()


def month_days(month: str) -> tuple[str, str]:
    """The first and the last day of 2026-11."""
    first = date.fromisoformat(f"{month}-01")
    following = (first + timedelta(days=32)).replace(day=1)
    return first.isoformat(), (following - timedelta(days=1)).isoformat()


def series_query(query: dict[str, Any]) -> dict[str, Any]:
    """The query of the chart, from the page's filters: days for a month or a short period, else months."""
    period: dict[str, str] = {name: query[name] for name in ("since", "until") if name in query}
    if "month" in query and not period:
        period["since"], period["until"] = month_days(query["month"])
    by = "month"
    if len(period) == 2:
        span = date.fromisoformat(period["until"]) - date.fromisoformat(period["since"])
        by = "day" if span.days < MAX_DAYS else "month"
    agency = {"agency_id": query["agency_id"]} if "agency_id" in query else {}
    return {"by": by, **period, **agency}


def trend(key: str, query: dict[str, Any]) -> None:
    parameters = series_query(query)
    reading = live.block(key, "推移", SERIES, **parameters)
    if reading is None:
        return
    points: list[Point] = reading.data["points"]
    if not any(point["requests"] or point["acquired_sites"] for point in points):
        st.markdown(small("この期間の投入依頼と獲得地点はありません。"))
        return
    by_day = parameters["by"] == "day"
    firsts = [date.fromisoformat(point["first"]) for point in points]
    charts.bar(
        chart_title(points, by_day=by_day),
        firsts if by_day else [f"{first.year}/{first.month}" for first in firsts],
        {
            "投入依頼（件）": [point["requests"] for point in points],
            "獲得地点（地点）": [point["acquired_sites"] for point in points],
        },
        unit="",
        key=f"{key}.chart",
    )


def chart_title(points: Sequence[Point], *, by_day: bool) -> str:
    best = max(points, key=lambda point: point["acquired_sites"], default=None)
    if best is None or not best["acquired_sites"]:
        return "この期間に獲得した地点はありません"
    first = date.fromisoformat(best["first"])
    period = charts.day(first) if by_day else f"{first.year}年{first.month}月"
    return f"獲得が最も多いのは{period}の{best['acquired_sites']:,}地点"


def by_agency(items: Sequence[Figure], key: str) -> None:
    """The agencies with the most acquired sites."""
    heading.row("代理店別")
    shown = sorted(items, key=lambda row: -row["acquired_sites"])[:AGENCIES_SHOWN]
    total = sum(row["acquired_sites"] for row in items)
    if not total:
        st.markdown(small("この期間に獲得した地点はありません。"))
        return
    best = shown[0]
    charts.bar(
        f"獲得地点が最も多いのは{escape(best['name'])}（全体の{best['acquired_sites'] / total:.0%}）",
        [row["name"] for row in shown],
        {"獲得地点": [row["acquired_sites"] for row in shown]},
        unit="地点",
        key=key,
    )
