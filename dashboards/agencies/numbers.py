"""What 代理店別数値 and the dashboard share: the table of the agencies' figures, whose numbers link to their rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from dashboards import session
from dashboards.agencies import words
from dashboards.client import PAGE_TIMEOUT_SECONDS
from dashboards.contract.agencies import Figure, FiguresPage, Numbers
from dashboards.ui.cache import load_cached
from dashboards.ui.columns import Row

PATH = "/api/agencies/figures"
# More agencies than one table needs.
MAX_AGENCIES = 1000
ALL = "全件"
# By 4.2 a request without remaining work is 対応中. 投入案件一覧 leaves it out by default.
WITH_DONE = "含める"
DONE_NOTE = "対応中には、投入済とキャンセルだけで、残りのない依頼も含みます。"
# The columns of the specification in its order. キャンセル, which it does not have, follows the other statuses.
HEADER = ("依頼件数", "不備", "対応中", "投入済", "キャンセル", "獲得地点", "不備率")


def load_figures(**query: Any) -> FiguresPage:
    """The figures of all agencies, and their total."""
    answer: FiguresPage = session.api(patience=PAGE_TIMEOUT_SECONDS).get(PATH, limit=MAX_AGENCIES, **query)
    return answer


def agencies() -> dict[int, str]:
    """Agencies with requests, for filters: id → name; empty while the service is away."""
    path = "/api/agencies/cases/agencies"
    return load_cached(
        "agencies.figures.names", lambda: {agency["id"]: agency["name"] for agency in session.api().get(path)["items"]}
    )


def table(items: Sequence[Figure], total: Numbers, days: Sequence[str] = ()) -> str:
    """A row for each agency, the total last. `days`: from, to, for the lists that the numbers link to."""
    head = "".join(f'<th scope="col">{title}</th>' for title in ("代理店名", *HEADER))
    body = "".join(_line(row, days) for row in items)
    return (
        '<table class="genba-numbers"><caption hidden>代理店別数値</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}{_sum(total)}</tbody></table>"
    )


def _line(row: Figure, days: Sequence[str]) -> str:
    name = _link(row["name"], cases_url(row["name"], ALL, days))
    inactive_mark = "" if row["is_active"] else "（無効）"
    counts: Row = row
    cells = [_number(row["requests"], cases_url(row["name"], ALL, days))]
    cells += [
        _number(counts[code], cases_url(row["name"], status.label, days)) for code, status in words.STATUS.items()
    ]
    cells += [_number(row["acquired_sites"], acquired_url(row["name"], days)), percent(row["rate"])]
    return _row(f"{name}{inactive_mark}", cells)


def _sum(total: Row) -> str:
    names = ("requests", *words.STATUS, "acquired_sites")
    return _row("合計", [*(f"{total[name]:,}" for name in names), percent(total["rate"])])


def _row(title: str, cells: Sequence[str]) -> str:
    """On a phone each number stands behind its title (`static/genba.css`)."""
    cells_html = "".join(f'<td data-title="{title}">{cell}</td>' for title, cell in zip(HEADER, cells, strict=True))
    return f'<tr><th scope="row">{title}</th>{cells_html}</tr>'


def percent(rate: int | None) -> str:
    return "–" if rate is None else f"{rate}%"


def cases_url(agency: str, status: str, days: Sequence[str]) -> str:
    """The address of 投入案件一覧, with the values of its filters."""
    open_filter = {"open": WITH_DONE} if status == words.STATUS["working"].label else {}
    return _address("/cases", {"agency_id": agency, "status": status, **open_filter}, days)


def acquired_url(agency: str, days: Sequence[str]) -> str:
    return _address("/acquired", {"agency_id": agency}, days)


def _address(path: str, query: Mapping[str, str], days: Sequence[str]) -> str:
    return f"{path}?{urlencode([*query.items(), *(('days', day) for day in days)])}"


def _number(count: int, href: str) -> str:
    return _link(f"{count:,}", href) if count else "0"


def _link(text: str, href: str) -> str:
    color = st.get_option("theme.primaryColor")
    return f'<a href="{escape(href)}" target="_self" style="color: {color}">{escape(text)}</a>'
