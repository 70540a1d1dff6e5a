"""What a month, or a year, is made of: services, shops and days."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from html import escape
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from dashboards.addresses import DOWNLOAD
from dashboards.reservations.figure_words import yen
from dashboards.ui import charts, columns, feedback, tables
from dashboards.ui.columns import Row
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
    columns.text("割合", "part", width=68, alignment="right"),
    columns.number("確定", "confirmed", width=68),
    columns.money("売上", "sales"),
)


def draw(parts: Row, key: str, query: Mapping[str, Any]) -> None:
    """Services and shops side by side, and of a month its days."""
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
            asked = f"?{urlencode(query)}" if query else ""
            for kind, ending in (("CSV", "csv"), ("Excel", "xlsx")):
                link(f"{kind}で出力", f"{DOWNLOAD}{path}.{ending}{asked}", download=True)


def services(parts: Row, key: str) -> None:
    found = [one for one in parts["services"] if one["requested"]]
    total = sum(one["requested"] for one in found)
    if not total:
        feedback.empty(
            "この期間に受け付けた予約はありません", "期間を変えると表示されます。", icon=":material/bar_chart:"
        )
        return
    shares = [round(one["requested"] / total * 100, 1) for one in found]
    charts.bar(
        f"最も多いのは{escape(found[0]['name'])}（{shares[0]:g}%）",
        [one["name"] for one in found],
        {"割合": shares},
        unit="%",
        key=f"{key}.services",
        top=100,
        notes=[f"{one['requested']:,}件" for one in found],
    )
    rows = [one | {"part": f"{share:g}%"} for one, share in zip(found, shares, strict=True)]
    tables.grid(f"{key}.services.grid", "サービスタイプ別の予約件数", rows, SERVICE_COLUMNS)


def shops(parts: Row, key: str) -> None:
    found = parts["shops"]
    if not found:
        feedback.empty(
            "この期間に確定した予約はありません", "期間を変えると表示されます。", icon=":material/storefront:"
        )
        return
    total = sum(one["confirmed"] for one in found)
    share = f"（全体の{found[0]['confirmed'] / total:.0%}）" if total else ""
    st.markdown(f"**最も多いのは{plain(found[0]['name'])}{share}**")
    # All of them, however many there are: the first ten without scrolling.
    tables.grid(f"{key}.shops.grid", "提携店別の予約件数", found, SHOP_COLUMNS, height="auto")


def days(parts: Row, key: str) -> None:
    known = {date.fromisoformat(one["day"]): one for one in parts["days"]}
    asked = {day: one["requested"] for day, one in known.items() if one["requested"]}
    if not asked:
        return
    best = max(asked, key=lambda day: asked[day])
    first = best.replace(day=1)
    shown = [first + timedelta(days=number) for number in range((max(known) - first).days + 1)]
    charts.bar(
        f"予約が最も多かったのは{charts.day(best)}の{asked[best]:,}件",
        shown,
        {"予約件数": [asked.get(day, 0) for day in shown]},
        unit="件",
        key=f"{key}.days",
        notes=[f"売上 {yen(known[day]['sales'] if day in known else 0)}" for day in shown],
    )
