"""What 代理店別数値 and the dashboard share: the agencies' figures as a table whose numbers lead to their rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from dashboards import session
from dashboards.agencies import words
from dashboards.client import PATIENCE_SECONDS
from dashboards.ui.columns import Row
from dashboards.ui.kept import kept

PATH = "/api/agencies/figures"
# More agencies than anybody reads in one table.
MOST = 1000
ALL = "全件"
# 4.2 calls what has nothing left 対応中, and 投入案件一覧 leaves it out unless asked.
WITH_DONE = "含める"
DONE_TOO = "対応中には、投入済とキャンセルだけで、残りのない依頼も含みます。"
_CELL = "padding: 0.4rem 0.75rem; text-align: right; border-bottom: 1px solid #e5e7eb; white-space: nowrap"
# The document's columns in its order; キャンセル, which it has no column for, stands with the other statuses.
HEADER = ("依頼件数", "不備", "対応中", "投入済", "キャンセル", "獲得地点", "不備率")


def everything(**query: Any) -> dict[str, Any]:
    """The figures of all agencies, and the sum of them."""
    answer: dict[str, Any] = session.api(patience=PATIENCE_SECONDS).get(PATH, limit=MOST, **query)
    return answer


def agencies() -> dict[int, str]:
    """Id → name of those who asked for something, for conditions; empty while the service is away."""
    names = "/api/agencies/cases/agencies"
    return kept("agencies.figures.names", lambda: {one["id"]: one["name"] for one in session.api().get(names)["items"]})


def table(items: Sequence[Row], whole: Row, days: Sequence[str] = ()) -> str:
    """A row an agency, the sum last. `days`: from, to, for the lists that the numbers lead to."""
    head = "".join(f'<th scope="col" style="{_CELL}">{title}</th>' for title in HEADER)
    body = "".join(_line(row, days) for row in items)
    first = f'<th scope="col" style="{_CELL}; text-align: left">代理店名</th>'
    return (
        '<div style="overflow-x: auto"><table style="width: 100%; border-collapse: collapse; font-size: 0.9rem">'
        f"<caption hidden>代理店別数値</caption><tr>{first}{head}</tr>{body}{_sum(whole)}</table></div>"
    )


def _line(row: Row, days: Sequence[str]) -> str:
    name = _link(row["name"], cases_url(row["name"], ALL, days))
    closed = "" if row["is_active"] else "（無効）"
    cells = [_number(row["requests"], cases_url(row["name"], ALL, days))]
    cells += [_number(row[code], cases_url(row["name"], status.word, days)) for code, status in words.STATUS.items()]
    cells += [_number(row["acquired_sites"], acquired_url(row["name"], days)), percent(row["rate"])]
    return _row(f"{name}{closed}", cells)


def _sum(whole: Row) -> str:
    names = ("requests", *words.STATUS, "acquired_sites")
    return _row("合計", [*(f"{whole[name]:,}" for name in names), percent(whole["rate"])], strong=True)


def _row(title: str, cells: Sequence[str], *, strong: bool = False) -> str:
    weight = f"; font-weight: {700 if strong else 400}"
    drawn = "".join(f'<td style="{_CELL}{weight}">{cell}</td>' for cell in cells)
    return f'<tr><th scope="row" style="{_CELL}; text-align: left{weight}">{title}</th>{drawn}</tr>'


def percent(rate: int | None) -> str:
    return "–" if rate is None else f"{rate}%"


def cases_url(agency: str, status: str, days: Sequence[str]) -> str:
    """投入案件一覧, in the words that its boxes have in the address."""
    whole = {"open": WITH_DONE} if status == words.STATUS["working"].word else {}
    return _address("/cases", {"agency_id": agency, "status": status, **whole}, days)


def acquired_url(agency: str, days: Sequence[str]) -> str:
    return _address("/acquired", {"agency_id": agency}, days)


def _address(path: str, asked: Mapping[str, str], days: Sequence[str]) -> str:
    return f"{path}?{urlencode([*asked.items(), *(('days', day) for day in days)])}"


def _number(count: int, href: str) -> str:
    return _link(f"{count:,}", href) if count else "0"


def _link(text: str, href: str) -> str:
    color = st.get_option("theme.primaryColor")
    return f'<a href="{escape(href)}" target="_self" style="color: {color}">{escape(text)}</a>'
