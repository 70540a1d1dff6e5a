"""代理店別数値: the figures of each agency (3.6) in a period."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from dashboards.addresses import DOWNLOAD
from dashboards.agencies import case_words, numbers, trends
from dashboards.contract.agencies import Figure, FiguresPage, Numbers
from dashboards.ui import feedback, filters, live
from dashboards.ui.links import link
from dashboards.ui.text import plain, small

PATH = numbers.PATH
SORTS = {
    "-acquired_sites": "獲得地点の多い順",
    "-rate": "不備率の高い順",
    "name": "代理店名順",
}
MONTHS_BACK = 24


def months(today: date) -> dict[str, str]:
    """This month and the ones before it: 2026-11 → 2026年11月."""
    return {month: case_words.month(month) for month in case_words.months(today, MONTHS_BACK)}


def conditions() -> filters.Filters:
    return filters.bar(
        filters.Choice("agency_id", "代理店", numbers.agencies(), width=220),
        filters.Choice("month", "月別", months(trends.today()), width=150, otherwise="全期間"),
        filters.Dates("days", "日別", parameters=("since", "until")),
        filters.Choice("cancelled", "キャンセル", {"excluded": "除く"}, width=120, otherwise="含める"),
        more=(filters.Choice("sort", "並べ替え", SORTS, otherwise="依頼件数の多い順"),),
    )


def show_figures(chosen: filters.Filters, reading: live.Snapshot) -> None:
    data: FiguresPage = reading.data
    items, total = data["items"], data["whole"]
    chosen.show_total(data["total"], "店")
    if not items:
        feedback.empty("代理店がまだ登録されていません", "「代理店管理」で代理店を登録すると、ここに並びます。")
        return
    st.html(numbers.table(items, total, days(chosen.query)))
    st.markdown(
        small(
            "依頼件数とステータスは投入依頼日で、獲得地点は投入完了日で数えます。"
            f"{numbers.DONE_NOTE}不備率は、不備の件数 ÷ 依頼件数です。"
            "代理店名や件数を押すと、その案件の一覧を開きます。"
        )
    )
    left, right = st.columns(2, gap="large")
    with left:
        trends.trend("agencies.figures.series", chosen.query)
    with right:
        trends.by_agency(items, "agencies.figures.by_agency")


def export_links(chosen: filters.Filters) -> None:
    query = f"?{urlencode(chosen.query)}" if chosen.query else ""
    for kind, extension in (("CSV", "csv"), ("Excel", "xlsx")):
        link(f"{kind}で出力", f"{DOWNLOAD}{PATH}.{extension}{query}", download=True)


def days(query: dict[str, Any]) -> Sequence[str]:
    """The period in the form that the filters of other lists take: from, to."""
    first, last = trends.month_days(query["month"]) if "month" in query else ("", "")
    first, last = max(first, query.get("since", "")), min(last or "9999", query.get("until", "") or "9999")
    return (first, last) if first and last != "9999" and first <= last else ()


def sentence(items: Sequence[Figure], total: Numbers, *, is_filtered: bool) -> str:
    """`is_filtered`: other requests may exist outside of the filters."""
    if not total["requests"] and not total["acquired_sites"]:
        return f"{'この条件の' if is_filtered else ''}投入依頼と獲得地点は{'' if is_filtered else 'まだ'}ありません。"
    text = f"投入依頼は**{total['requests']:,}件**、獲得地点は**{total['acquired_sites']:,}地点**です。"
    worst = max((row for row in items if row["deficient"]), key=lambda row: row["rate"] or 0, default=None)
    if worst is None:
        return f"{text}不備はありません。"
    return (
        f"{text}不備は{total['deficient']:,}件（{numbers.percent(total['rate'])}）で、"
        f"不備率が最も高いのは{plain(worst['name'])}の{numbers.percent(worst['rate'])}です。"
    )


head = st.container()
selected = conditions()
with head:
    answer = live.block(
        "agencies.figures",
        "代理店別数値",
        numbers.load_figures,
        headline=True,
        right=lambda: export_links(selected),
        **selected.query,
    )
    if answer is not None:
        st.markdown(sentence(answer.data["items"], answer.data["whole"], is_filtered=bool(selected.active)))
if answer is not None:
    show_figures(selected, answer)
