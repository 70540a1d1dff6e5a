"""サマリー: how many users' machines are held, and why they cannot be returned (3.1), by 管轄."""

from __future__ import annotations

from datetime import date
from html import escape
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from dashboards.addresses import DOWNLOAD
from dashboards.contract.loaners import Summary, SummaryCard, TrendPoint
from dashboards.loaners import lists, words
from dashboards.ui import bound, charts, figures, live
from dashboards.ui.figures import Figure
from dashboards.ui.links import link
from dashboards.ui.live import refreshing
from dashboards.ui.status import Status
from dashboards.ui.text import plain, small

PATH = "/api/loaners/summary"
KEY = "loaners.summary"
CARD_WIDTH = 420
# The colours of the specification, as this product has them.
COLORS = {"success": "green", "warning": "orange", "danger": "red", "info": "blue"}
UNSET = "unset"
DEPOSITS = {**{str(code): status for code, status in words.DEPOSIT.items()}, UNSET: words.UNSET}
_CELL = "padding: 0.25rem 0.5rem; text-align: right; border-bottom: 1px solid #e5e7eb"


def selected_query() -> dict[str, Any]:
    """The values of the boxes at the head, which are drawn with the answer. At first they come from the page's
    address."""
    query = {}
    for name in ("jurisdiction", "as_of"):
        value = st.session_state.get(name, st.query_params.get(name))
        if value:
            query[name] = value.isoformat() if isinstance(value, date) else str(value)
    return query


def filter_boxes() -> None:
    st.selectbox(
        "管轄",
        [*lists.jurisdictions()],
        index=None,
        key=bound.page_key("jurisdiction"),
        placeholder="全管轄",
        bind="query-params",
        label_visibility="collapsed",
        width=140,
    )
    st.date_input(
        "時点",
        None,
        key=bound.page_key("as_of"),
        format="YYYY/MM/DD",
        bind="query-params",
        label_visibility="collapsed",
        help="日付を選ぶと、その日の終わりの台数を表示します。",
        width=140,
    )
    query = f"?{urlencode(selected_query())}" if selected_query() else ""
    for kind, extension in (("CSV", "csv"), ("Excel", "xlsx")):
        link(f"{kind}で出力", f"{DOWNLOAD}{PATH}.{extension}{query}", download=True)


@refreshing
def summary() -> None:
    reading = live.block(KEY, "サマリー", PATH, headline=True, right=filter_boxes, **selected_query())
    if reading is None:
        return
    data: Summary = reading.data
    st.markdown(sentence(data))
    cards = [*data["cards"], data["unset"]]
    figures.row([Figure(item["title"], f"{item['total']:,}台") for item in cards], faded=reading.problem is not None)
    grid = st.grid(2, min_column_width=CARD_WIDTH, border=True)
    for item in cards:
        with grid.cell():
            card(item, data)


def sentence(data: Summary) -> str:
    area = plain(data["jurisdiction"] or "全管轄")
    time_text = f"{date.fromisoformat(data['shown']):%Y/%m/%d}の終わりに" if data["shown"] else "現在、"
    total = sum(card["total"] for card in data["cards"]) + data["unset"]["total"]
    if not total:
        return f"{time_text}{area}でユーザー機を預かっている貸出はありません。"
    returnable, unset = data["cards"][0], data["unset"]["total"]
    text = (
        f"{time_text}{area}でユーザー機を預かっている貸出は{total:,}台です。うち**{returnable['total']:,}台**は、"
        f"{plain(returnable['title'])}です。"
    )
    return text + (f"**{unset:,}台**は、預り機のステータスがまだ登録されていません。" if unset else "")


def card(item: SummaryCard, data: Summary) -> None:
    color: Any = COLORS.get(item["color"], "gray")
    status = DEPOSITS[item["deposit"]]
    st.markdown(f"{Status(item['title'], color, status.icon).badge()} **{item['total']:,}台**")
    st.markdown(small(plain(item["description"])))
    if not item["rows"]:
        st.markdown("この管轄に拠点がありません。")
        return
    st.html(table(item, data))


def table(item: SummaryCard, data: Summary) -> str:
    """Sites by デバイスタイプ, the 管轄's totals last. Each number links to its rows."""
    groups = data["groups"]
    head = "".join(f'<th scope="col" style="{_CELL}">{escape(title)}</th>' for title in (*groups, "合計"))
    body = []
    for row in item["rows"]:
        cells = [
            _number(count, item, data, row["site_id"], group)
            for group, count in zip(groups, row["counts"], strict=True)
        ]
        cells.append(_number(row["total"], item, data, row["site_id"], None))
        body.append(_line(row["site_name"], cells))
    cells = [_number(count, item, data, None, group) for group, count in zip(groups, item["totals"], strict=True)]
    body.append(_line("合計", [*cells, _number(item["total"], item, data, None, None)], strong=True))
    first = f'<th scope="col" style="{_CELL}; text-align: left">拠点</th>'
    return (
        '<table style="width: 100%; table-layout: fixed; border-collapse: collapse; font-size: 0.875rem">'
        f"<caption hidden>{escape(item['title'])}</caption><tr>{first}{head}</tr>{''.join(body)}</table>"
    )


def _line(title: str, cells: list[str], *, strong: bool = False) -> str:
    weight = "; font-weight: 700" if strong else "; font-weight: 400"
    row = "".join(f'<td style="{_CELL}{weight}">{cell}</td>' for cell in cells)
    return f'<tr><th scope="row" style="{_CELL}; text-align: left{weight}">{escape(title)}</th>{row}</tr>'


def _number(count: int, item: SummaryCard, data: Summary, site_id: int | None, group: str | None) -> str:
    if not count:
        return "0"
    color = st.get_option("theme.primaryColor")
    href = escape(rows_url(item, data, site_id, group))
    return f'<a href="{href}" target="_self" style="color: {color}">{count:,}</a>'


def rows_url(item: SummaryCard, data: Summary, site_id: int | None, group: str | None) -> str:
    """The address of 機器一覧 with the filters of one number, as its boxes have them in the address."""
    query: dict[str, str] = {"view": lists.views().get(lists.SUMMARY, ""), "deposit": DEPOSITS[item["deposit"]].label}
    if site_id is not None:
        query["site_id"] = lists.sites().get(site_id, "")
    elif data["jurisdiction"]:
        query["jurisdiction"] = data["jurisdiction"]
    if group is not None:
        query["group"] = group
    if data["shown"]:
        query["as_of"] = data["shown"]
    return f"/loaners?{urlencode(query)}"


@refreshing
def trend() -> None:
    reading = live.block(f"{KEY}_trend", "推移", f"{PATH}/trend", jurisdiction=selected_query().get("jurisdiction"))
    if reading is None:
        return
    points: list[TrendPoint] = reading.data["points"]
    days = [date.fromisoformat(point["day"]) for point in points]
    statuses = [Status(status.label, status.color, status.icon) for status in DEPOSITS.values()]
    series = {status.label: [point["counts"][key] for point in points] for key, status in DEPOSITS.items()}
    charts.stacked(trend_title(points), days, series, unit="台", key=f"{KEY}.trend", statuses=statuses)


def trend_title(points: list[TrendPoint]) -> str:
    first, last = sum(points[0]["counts"].values()), sum(points[-1]["counts"].values())
    weeks = len(points) - 1
    if first == last:
        return f"預かっているユーザー機は{last:,}台で、{weeks}週間前と同じです"
    change = "増えました" if last > first else "減りました"
    return f"預かっているユーザー機は{last:,}台で、{weeks}週間前より{abs(last - first):,}台{change}"


summary()
trend()
