"""The list of ホーム: what is due in all areas of the user, and the way to its next step."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import streamlit as st

from dashboards.contract.core import WHOSE, DueItem, Home
from dashboards.menu import page_at
from dashboards.ui import bound, columns, live, tables, times
from dashboards.ui.status import Status

# The block with the page's one answer, and that of the list.
HOME = "core.home"
KEY = f"{HOME}.due"
DUE_STATES = {
    "overdue": Status("期限超過", "red", "alarm"),
    "running": Status("期限内", "gray", "timer"),
    "waiting": Status("期限なし", "gray", "hourglass_empty"),
}


def table(data: Home) -> None:
    if data["due"]:
        st.markdown(_sentence(data))
    tables.table(
        KEY,
        "",
        _page,
        _columns(data["areas"]),
        actions={"対応する": _open},
        address=lambda item: item["address"],
        empty=tables.Empty(
            "いま対応が必要なものはありません。", "対応が必要なものができると、ここに期限の近い順に並びます。"
        ),
    )


def _sentence(data: Home) -> str:
    total, mine, shown = data["due_total"], data["mine_total"], len(data["due"])
    text = f"対応が必要なものが**{total:,}件**あります"
    text += f"（うち自分の担当 {mine:,}件）。自分の担当を先に、" if mine else "。"
    text += "期限の近い順に並べています。"
    return text + (f"急ぐものから{shown:,}件を表示しています。" if total > shown else "")


def _page(**_: Any) -> dict[str, Any]:
    """The list came with the page's one answer."""
    items = live.last_answer(HOME)["due"]
    return {"items": items, "total": len(items), "next_cursor": None}


def _columns(areas: dict[str, str]) -> tuple[columns.Column, ...]:
    """The area only for who works in several."""
    titles = {name: Status(title, "blue", "work") for name, title in areas.items()}
    return (
        columns.text("内容", "title", width=214),
        columns.badge("状況", _state, DUE_STATES, width=88),
        columns.text("残り時間", _time_left, width=172),
        *((columns.badge("業務", "area", titles, width=94),) if len(areas) > 1 else ()),
        columns.text("種類", "kind", width=92),
        columns.text("詳細", "detail", width=136 if len(areas) > 1 else 230),
        columns.text("担当", _owner, width=86),
        columns.text("次の手順", "step", width=118),
    )


def _state(item: DueItem) -> str:
    if item["due_at"] is None:
        return "waiting"
    return "overdue" if times.parse(item["due_at"]) < times.now() else "running"


def _time_left(item: DueItem) -> str:
    """あと2時間（18:00）, 3時間超過; without a due time how long it has waited."""
    if item["due_at"]:
        due_at = times.parse(item["due_at"])
        remaining = due_at - times.now()
        if remaining < timedelta():
            return f"{times.duration(-remaining)}超過"
        return f"あと{times.duration(remaining)}（{times.short(due_at)}）"
    return f"{times.ago_rounded(times.parse(item['since']))}から" if item["since"] else "–"


def _owner(item: DueItem) -> str:
    return WHOSE["mine"] if item["whose"] == "mine" else item["owner"] or WHOSE["nobody"]


def _open(item: DueItem) -> None:
    bound.switch_page(page_at(item["address"]).file, item["address"])
