"""代理店別数値: how is each agency doing (3.6), of which period?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from dashboards.addresses import DOWNLOAD
from dashboards.agencies import case_words, numbers, trends
from dashboards.ui import feedback, filters, live
from dashboards.ui.columns import Row
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
    """This month and those before it: 2026-11 → 2026年11月."""
    return {month: case_words.month(month) for month in case_words.months(today, MONTHS_BACK)}


def conditions() -> filters.Filters:
    return filters.bar(
        filters.Choice("agency_id", "代理店", numbers.agencies(), width=220),
        filters.Choice("month", "月別", months(trends.today()), width=150, otherwise="全期間"),
        filters.Dates("days", "日別", asked=("since", "until")),
        filters.Choice("cancelled", "キャンセル", {"excluded": "除く"}, width=120, otherwise="含める"),
        more=(filters.Choice("sort", "並べ替え", SORTS, otherwise="依頼件数の多い順"),),
    )


def shown(chosen: filters.Filters, reading: live.Reading) -> None:
    items, whole = reading.data["items"], reading.data["whole"]
    chosen.tell(reading.data["total"], "店")
    if not items:
        feedback.empty("代理店がまだ登録されていません", "「代理店管理」で代理店を登録すると、ここに並びます。")
        return
    st.html(numbers.table(items, whole, days(chosen.query)))
    st.markdown(
        small(
            "依頼件数とステータスは投入依頼日で、獲得地点は投入完了日で数えます。"
            f"{numbers.DONE_TOO}不備率は、不備の件数 ÷ 依頼件数です。代理店名や件数を押すと、その案件の一覧を開きます。"
        )
    )
    left, right = st.columns(2, gap="large")
    with left:
        trends.trend("agencies.figures.series", chosen.query)
    with right:
        trends.by_agency(items, "agencies.figures.by_agency")


def files(chosen: filters.Filters) -> None:
    query = f"?{urlencode(chosen.query)}" if chosen.query else ""
    for kind, ending in (("CSV", "csv"), ("Excel", "xlsx")):
        link(f"{kind}で出力", f"{DOWNLOAD}{PATH}.{ending}{query}", download=True)


def days(query: dict[str, Any]) -> Sequence[str]:
    """The period as the boxes of other lists take it: from a day to a day."""
    first, last = trends.month_days(query["month"]) if "month" in query else ("", "")
    first, last = max(first, query.get("since", "")), min(last or "9999", query.get("until", "") or "9999")
    return (first, last) if first and last != "9999" and first <= last else ()


def sentence(items: Sequence[Row], whole: Row, *, is_cut: bool) -> str:
    """`is_cut`: to conditions, so that there may be others."""
    if not whole["requests"] and not whole["acquired_sites"]:
        return f"{'この条件の' if is_cut else ''}投入依頼と獲得地点は{'' if is_cut else 'まだ'}ありません。"
    said = f"投入依頼は**{whole['requests']:,}件**、獲得地点は**{whole['acquired_sites']:,}地点**です。"
    worst = max((row for row in items if row["deficient"]), key=lambda row: row["rate"], default=None)
    if worst is None:
        return f"{said}不備はありません。"
    return (
        f"{said}不備は{whole['deficient']:,}件（{numbers.percent(whole['rate'])}）で、"
        f"不備率が最も高いのは{plain(worst['name'])}の{numbers.percent(worst['rate'])}です。"
    )


head = st.container()
asked = conditions()
with head:
    answer = live.block(
        "agencies.figures",
        "代理店別数値",
        numbers.everything,
        headline=True,
        right=lambda: files(asked),
        **asked.query,
    )
    if answer is not None:
        st.markdown(sentence(answer.data["items"], answer.data["whole"], is_cut=bool(asked.active)))
if answer is not None:
    shown(asked, answer)
