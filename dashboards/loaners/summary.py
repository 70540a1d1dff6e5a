"""サマリー: how many users' machines are held, and why they cannot go back (3.1), by 管轄."""

from __future__ import annotations

from datetime import date
from html import escape
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from dashboards.addresses import DOWNLOAD
from dashboards.loaners import lists, words
from dashboards.ui import bound, charts, figures, live
from dashboards.ui.columns import Row
from dashboards.ui.figures import Figure
from dashboards.ui.links import link
from dashboards.ui.live import refreshing
from dashboards.ui.status import Status
from dashboards.ui.text import plain, small

PATH = "/api/loaners/summary"
KEY = "loaners.summary"
CARD_WIDTH = 420
# The colours that the document names, as this product has them.
TONES = {"success": "green", "warning": "orange", "danger": "red", "info": "blue"}
UNSET = "unset"
DEPOSITS = {**{str(code): status for code, status in words.DEPOSIT.items()}, UNSET: words.UNSET}
_CELL = "padding: 0.25rem 0.5rem; text-align: right; border-bottom: 1px solid #e5e7eb"


def asked() -> dict[str, Any]:
    """What is chosen in the boxes at the head, which are drawn with the answer; from the address at first."""
    query = {}
    for name in ("jurisdiction", "as_of"):
        value = st.session_state.get(name, st.query_params.get(name))
        if value:
            query[name] = value.isoformat() if isinstance(value, date) else str(value)
    return query


def boxes() -> None:
    st.selectbox(
        "管轄",
        [*lists.jurisdictions()],
        index=None,
        key=bound.key("jurisdiction"),
        placeholder="全管轄",
        bind="query-params",
        label_visibility="collapsed",
        width=140,
    )
    st.date_input(
        "時点",
        None,
        key=bound.key("as_of"),
        format="YYYY/MM/DD",
        bind="query-params",
        label_visibility="collapsed",
        help="日付を選ぶと、その日の終わりの台数を表示します。",
        width=140,
    )
    query = f"?{urlencode(asked())}" if asked() else ""
    for kind, ending in (("CSV", "csv"), ("Excel", "xlsx")):
        link(f"{kind}で出力", f"{DOWNLOAD}{PATH}.{ending}{query}", download=True)


@refreshing
def summary() -> None:
    reading = live.block(KEY, "サマリー", PATH, headline=True, right=boxes, **asked())
    if reading is None:
        return
    found = reading.data
    st.markdown(sentence(found))
    cards = [*found["cards"], found["unset"]]
    figures.row([Figure(one["title"], f"{one['total']:,}台") for one in cards], faded=reading.problem is not None)
    places = st.grid(2, min_column_width=CARD_WIDTH, border=True)
    for one in cards:
        with places.cell():
            card(one, found)


def sentence(found: Row) -> str:
    where = plain(found["jurisdiction"] or "全管轄")
    when = f"{date.fromisoformat(found['shown']):%Y/%m/%d}の終わりに" if found["shown"] else "現在、"
    total = sum(card["total"] for card in found["cards"]) + found["unset"]["total"]
    if not total:
        return f"{when}{where}でユーザー機を預かっている貸出はありません。"
    returnable, unset = found["cards"][0], found["unset"]["total"]
    said = (
        f"{when}{where}でユーザー機を預かっている貸出は{total:,}台です。うち**{returnable['total']:,}台**は、"
        f"{plain(returnable['title'])}です。"
    )
    return said + (f"**{unset:,}台**は、預り機のステータスがまだ登録されていません。" if unset else "")


def card(one: Row, found: Row) -> None:
    tone: Any = TONES.get(one["color"], "gray")
    known = DEPOSITS[one["deposit"]]
    st.markdown(f"{Status(one['title'], tone, known.icon).badge()} **{one['total']:,}台**")
    st.markdown(small(plain(one["description"])))
    if not one["rows"]:
        st.markdown("この管轄に拠点がありません。")
        return
    st.html(table(one, found))


def table(one: Row, found: Row) -> str:
    """Sites by デバイスタイプ, the 管轄's totals last; each number leads to its rows."""
    groups = found["groups"]
    head = "".join(f'<th scope="col" style="{_CELL}">{escape(title)}</th>' for title in (*groups, "合計"))
    body = []
    for row in one["rows"]:
        cells = [_number(count, one, found, row["site_id"], group)
                 for group, count in zip(groups, row["counts"], strict=True)]  # fmt: skip
        cells.append(_number(row["total"], one, found, row["site_id"], None))
        body.append(_line(row["site_name"], cells))
    cells = [_number(count, one, found, None, group) for group, count in zip(groups, one["totals"], strict=True)]
    body.append(_line("合計", [*cells, _number(one["total"], one, found, None, None)], strong=True))
    first = f'<th scope="col" style="{_CELL}; text-align: left">拠点</th>'
    return (
        '<table style="width: 100%; table-layout: fixed; border-collapse: collapse; font-size: 0.875rem">'
        f"<caption hidden>{escape(one['title'])}</caption><tr>{first}{head}</tr>{''.join(body)}</table>"
    )


def _line(title: str, cells: list[str], *, strong: bool = False) -> str:
    weight = "; font-weight: 700" if strong else "; font-weight: 400"
    row = "".join(f'<td style="{_CELL}{weight}">{cell}</td>' for cell in cells)
    return f'<tr><th scope="row" style="{_CELL}; text-align: left{weight}">{escape(title)}</th>{row}</tr>'


def _number(count: int, one: Row, found: Row, site_id: int | None, group: str | None) -> str:
    if not count:
        return "0"
    color = st.get_option("theme.primaryColor")
    href = escape(rows_url(one, found, site_id, group))
    return f'<a href="{href}" target="_self" style="color: {color}">{count:,}</a>'


def rows_url(one: Row, found: Row, site_id: int | None, group: str | None) -> str:
    """機器一覧 with the conditions of one number, in the words that its boxes have in the address."""
    asked: dict[str, str] = {"view": lists.views().get(lists.SUMMARY, ""), "deposit": DEPOSITS[one["deposit"]].word}
    if site_id is not None:
        asked["site_id"] = lists.sites().get(site_id, "")
    elif found["jurisdiction"]:
        asked["jurisdiction"] = found["jurisdiction"]
    if group is not None:
        asked["group"] = group
    if found["shown"]:
        asked["as_of"] = found["shown"]
    return f"/loaners?{urlencode(asked)}"


@refreshing
def trend() -> None:
    reading = live.block(f"{KEY}_trend", "推移", f"{PATH}/trend", jurisdiction=asked().get("jurisdiction"))
    if reading is None:
        return
    points = reading.data["points"]
    days = [date.fromisoformat(point["day"]) for point in points]
    kinds = [Status(status.word, status.color, status.icon) for status in DEPOSITS.values()]
    series = {status.word: [point["counts"][key] for point in points] for key, status in DEPOSITS.items()}
    charts.stacked(finding(points), days, series, unit="台", key=f"{KEY}.trend", kinds=kinds)


def finding(points: list[Row]) -> str:
    first, last = sum(points[0]["counts"].values()), sum(points[-1]["counts"].values())
    weeks = len(points) - 1
    if first == last:
        return f"預かっているユーザー機は{last:,}台で、{weeks}週間前と同じです"
    way = "増えました" if last > first else "減りました"
    return f"預かっているユーザー機は{last:,}台で、{weeks}週間前より{abs(last - first):,}台{way}"


summary()
trend()
