"""The parts of a month or a year: services, shops and days."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from html import escape
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from dashboards.addresses import DOWNLOAD
from dashboards.contract.reservations import Parts
from dashboards.reservations.figure_words import yen
from dashboards.ui import charts, columns, feedback, tables
from dashboards.ui.links import link
from dashboards.ui.text import plain

PATH = "/api/reservations/management"
SHOP_COLUMNS = (
    columns.number("順位", "place", width=56),
    columns.text("提携店", "name", width=160),
    columns.text("店舗コード", "code", width=88),
    columns.number("予約件数", "confirmed", help="その店舗で確定した予約の件数です。"),
    columns.money("売上", "sales"),
)
SERVICE_COLUMNS = (
    columns.text("サービス", "name", width=148),
    columns.number("予約件数", "requested"),
    columns.text("割合", lambda row: f"{row['share']:g}%", width=68, alignment="right", sort_value="share"),
    columns.number("確定", "confirmed", width=68),
    columns.money("売上", "sales"),
)


def draw(parts: Parts, key: str, query: Mapping[str, Any]) -> None:
    """Services and shops next to each other, and for a month its days."""
    left, right = st.columns(2, gap="large")
    with left:
        _title("サービスタイプ別予約割合", f"{PATH}/services", query)
        services(parts, key)
    with right:
        _title("提携店別予約件数ランキング", f"{PATH}/shops", query)
        shops(parts, key)
    if parts["month"]:
        days(parts, key)


def _title(title: str, path: str, query: Mapping[str, Any]) -> None:
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.markdown(f"**{title}**", width="content")
        with st.container(horizontal=True, width="content"):
            query_string = f"?{urlencode(query)}" if query else ""
            for kind, extension in (("CSV", "csv"), ("Excel", "xlsx")):
                link(f"{kind}で出力", f"{DOWNLOAD}{path}.{extension}{query_string}", download=True)


def services(parts: Parts, key: str) -> None:
    rows = [row for row in parts["services"] if row["requested"]]
    total = sum(row["requested"] for row in rows)
    if not total:
        feedback.empty(
            "この期間に受け付けた予約はありません", "期間を変えると表示されます。", icon=":material/bar_chart:"
        )
        return
    shares = [round(row["requested"] / total * 100, 1) for row in rows]
    charts.bar(
        f"最も多いのは{escape(rows[0]['name'])}（{shares[0]:g}%）",
        [row["name"] for row in rows],
        {"割合": shares},
        unit="%",
        key=f"{key}.services",
        top=100,
        notes=[f"{row['requested']:,}件" for row in rows],
    )
    grid_rows = [{**row, "share": share} for row, share in zip(rows, shares, strict=True)]
    tables.grid(f"{key}.services.grid", "サービスタイプ別の予約件数", grid_rows, SERVICE_COLUMNS)


def shops(parts: Parts, key: str) -> None:
    rows = parts["shops"]
    if not rows:
        feedback.empty(
            "この期間に確定した予約はありません", "期間を変えると表示されます。", icon=":material/storefront:"
        )
        return
    total = sum(row["confirmed"] for row in rows)
    share = f"（全体の{rows[0]['confirmed'] / total:.0%}）" if total else ""
    st.markdown(f"**最も多いのは{plain(rows[0]['name'])}{share}**")
    # All shops; the first ten are visible without scrolling.
    tables.grid(f"{key}.shops.grid", "提携店別の予約件数", rows, SHOP_COLUMNS, height="auto")


def days(parts: Parts, key: str) -> None:
    by_day = {date.fromisoformat(row["day"]): row for row in parts["days"]}
    requested = {day: row["requested"] for day, row in by_day.items() if row["requested"]}
    if not requested:
        return
    best = max(requested, key=lambda day: requested[day])
    first = best.replace(day=1)
    all_days = [first + timedelta(days=number) for number in range((max(by_day) - first).days + 1)]
    charts.bar(
        f"予約が最も多かったのは{charts.day(best)}の{requested[best]:,}件",
        all_days,
        {"予約件数": [requested.get(day, 0) for day in all_days]},
        unit="件",
        key=f"{key}.days",
        notes=[f"売上 {yen(by_day[day]['sales'] if day in by_day else 0)}" for day in all_days],
    )
