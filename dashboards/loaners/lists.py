"""What the lists of 代替機管理 share: their filters, their columns, and the links of a row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, overload
from urllib.parse import urlencode

import streamlit as st

from dashboards import session
from dashboards.addresses import DOWNLOAD
from dashboards.client import PAGE_TIMEOUT_SECONDS
from dashboards.contract.loaners import KIND, Listed, ListPage
from dashboards.loaners import words
from dashboards.session import has_permission
from dashboards.ui import columns, dialogs, filters, live, tables, times
from dashboards.ui.cache import load_cached
from dashboards.ui.columns import Column
from dashboards.ui.exports import Export
from dashboards.ui.links import link
from dashboards.ui.text import plain

PATH = "/api/loaners/lists"
INTEGRATED, SUMMARY = "INTEGRATED", "SUMMARY"
SORTS = {
    "number": "拠点管理番号順",
    "-number": "拠点管理番号の逆順",
    "-updated_at": "更新の新しい順",
    "updated_at": "更新の古い順",
    "site": "拠点順",
    "model": "機種名順",
    "status": "ステータス順",
}
SORT_KEYS = {
    "拠点管理番号": "number",
    "機種名": "model",
    "更新日時": "updated_at",
    "タイムスタンプ": "updated_at",
    "利用状況": "status",
    "0-4.ステータス": "status",
    "ステータス": "status",
}
WIDTHS = {"拠点管理番号": 345, "機器種別": 68, "機種名": 146, "製造番号": 92, "更新日時": 142, "タイムスタンプ": 142}
STATUSES = {status.label: status for status in words.STATUS.values()} | {
    "未登録": words.NOT_REGISTERED,
    "無効": words.ARCHIVED,
    "": words.NOT_REGISTERED,
}
STATUS_TITLES = ("利用状況", "0-4.ステータス", "ステータス")
DEFAULT_WIDTH = 130


def options() -> dict[str, Any]:
    """The options of the lists' filters; empty while the service is away."""
    return load_cached(
        "loaners.options", lambda: session.api(patience=PAGE_TIMEOUT_SECONDS).get("/api/loaners/options")
    )


def views() -> dict[str, str]:
    """Key → name, the integrated one first."""
    return {view["key"]: view["name"] for view in options().get("views", ())}


def groups() -> dict[str, str]:
    """The デバイスタイプ, as the views in use name them."""
    return {name: name for view in options().get("views", ()) for name in view["groups"]}


def sites() -> dict[int, str]:
    return {site["id"]: site["name"] + ("（無効）" if site["archived"] else "") for site in options().get("sites", ())}


def jurisdictions() -> dict[str, str]:
    return {name: name for name in options().get("jurisdictions", ())}


def site_field(width: int = 130) -> filters.Choice:
    return filters.Choice("site_id", "拠点", sites(), width)


def jurisdiction_field(width: int = 110) -> filters.Choice:
    return filters.Choice("jurisdiction", "管轄", jurisdictions(), width)


def kind_field(width: int = 110) -> filters.Choice:
    return filters.Choice("kind", "機器種別", KIND, width)


def day_field() -> filters.Day:
    return filters.Day("as_of", "時点", times.now().date(), 140)


class ResponseColumns(Sequence[Column]):
    """The columns that the list's own answer names, known only after the answer."""

    def __init__(self, key: str) -> None:
        self.key = key

    def _columns(self) -> list[Column]:
        shown = live.last_answer(self.key)
        return [*(_column(title, index) for index, title in enumerate(shown["columns"])), SITE_COLUMN] if shown else []

    def __len__(self) -> int:
        return len(self._columns())

    def __iter__(self) -> Iterator[Column]:
        return iter(self._columns())

    @overload
    def __getitem__(self, index: int) -> Column: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Column]: ...
    def __getitem__(self, index: int | slice) -> Column | Sequence[Column]:
        return self._columns()[index]


def _column(title: str, index: int) -> Column:
    def cell(row: Listed) -> str:
        text: str = row["cells"][index]
        return text

    if title in STATUS_TITLES:
        return columns.badge(title, cell, STATUSES, width=132, sort=SORT_KEYS[title])
    return columns.text(title, cell, width=WIDTHS.get(title, DEFAULT_WIDTH), sort=SORT_KEYS.get(title, ""))


def site_label(row: Listed) -> str:
    """The present site. A device that was transferred is marked; its number shows where it comes from."""
    return f"{row['site_name']}（移管）" if row["home"] else str(row["site_name"])


def site_label_with_origin(row: Listed) -> str:
    return f"{row['site_name']}（移管：{row['home']}から）" if row["home"] else str(row["site_name"])


SITE_COLUMN = columns.text("現在の拠点", site_label, width=94, sort="site")


def show(key: str, view: str, chosen: filters.Filters, *, empty: tables.Empty) -> live.Snapshot | None:
    """The view's list, with its own columns."""
    path = f"{PATH}/{view}"
    return tables.table(
        key,
        "",
        path,
        ResponseColumns(key),
        counter="台",
        sorts=SORTS,
        filters=chosen,
        actions={"詳細": partial(drawer, live.last_answer(key))},
        export=Export(f"{DOWNLOAD}{path}.csv", f"{DOWNLOAD}{path}.xlsx"),
        empty=empty,
    )


def detail_url(number: str) -> str:
    return f"/loaners-device?{urlencode({'number': number})}"


def device_links(number: str, *, primary: bool = True) -> None:
    """Links to a device's page and its form."""
    with st.container(horizontal=True):
        link("機器詳細を開く", detail_url(number), primary=primary)
        if has_permission("loaners:device:work"):
            link("ステータスを登録する", f"/status-form?{urlencode({'number': number})}")


def drawer(shown: ListPage | None, row: Listed) -> None:
    """A whole row: every column of its list, as the list was `shown` when the row was clicked."""
    titles: list[str] = shown["columns"] if shown else []

    @dialogs.dialog(row["number"], position="right", width="medium", icon=":material/devices:")
    def draw() -> None:
        st.markdown(_badges(row))
        device_links(row["number"])
        for title, cell in zip(titles, row["cells"], strict=True):
            left, right = st.columns([2, 3])
            left.markdown(f":gray[{plain(title)}]")
            right.markdown(plain(cell) if cell else ":gray[–]")

    draw()


def _badges(row: Listed) -> str:
    status = words.status(row["status"]).badge()
    deposit = words.DEPOSIT[row["deposit"]].badge() if row["deposit"] else ""
    archived = words.ARCHIVED.badge() if row["is_archived"] else ""
    return f"{status} {deposit} {archived} {plain(site_label_with_origin(row))}"
