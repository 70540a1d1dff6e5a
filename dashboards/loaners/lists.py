"""What the lists of 代替機管理 share: what they can be narrowed to, their columns, and where a row leads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, overload
from urllib.parse import urlencode

import streamlit as st

from dashboards import session
from dashboards.addresses import DOWNLOAD
from dashboards.client import PATIENCE_SECONDS
from dashboards.loaners import words
from dashboards.session import may
from dashboards.ui import columns, dialogs, filters, live, tables, times
from dashboards.ui.columns import Column, Row
from dashboards.ui.exports import Export
from dashboards.ui.kept import kept
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
SORTED = {
    "拠点管理番号": "number",
    "機種名": "model",
    "更新日時": "updated_at",
    "タイムスタンプ": "updated_at",
    "利用状況": "status",
    "0-4.ステータス": "status",
    "ステータス": "status",
}
WIDTHS = {"拠点管理番号": 345, "機器種別": 68, "機種名": 146, "製造番号": 92, "更新日時": 142, "タイムスタンプ": 142}
STATUSES = {status.word: status for status in words.STATUS.values()} | {
    "未登録": words.NOT_YET,
    "無効": words.ARCHIVED,
    "": words.NOT_YET,
}
STATUS_TITLES = ("利用状況", "0-4.ステータス", "ステータス")
OTHERS = 130


def options() -> dict[str, Any]:
    """What lists can be narrowed to; empty while the service is away."""
    return kept("loaners.options", lambda: session.api(patience=PATIENCE_SECONDS).get("/api/loaners/options"))


def views() -> dict[str, str]:
    """Key → name, the integrated one first."""
    return {view["key"]: view["name"] for view in options().get("views", ())}


def groups() -> dict[str, str]:
    """デバイスタイプ, as the views in use name them."""
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
    return filters.Choice("kind", "機器種別", words.KIND, width)


def day_field() -> filters.Day:
    return filters.Day("as_of", "時点", times.now().date(), 140)


class Told(Sequence[Column]):
    """The columns that the list's own answer names: known only when it has come."""

    def __init__(self, key: str) -> None:
        self.key = key

    def _columns(self) -> list[Column]:
        shown = live.shown(self.key)
        return [*(_column(title, place) for place, title in enumerate(shown["columns"])), WHERE] if shown else []

    def __len__(self) -> int:
        return len(self._columns())

    def __iter__(self) -> Iterator[Column]:
        return iter(self._columns())

    @overload
    def __getitem__(self, place: int) -> Column: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Column]: ...
    def __getitem__(self, place: int | slice) -> Column | Sequence[Column]:
        return self._columns()[place]


def _column(title: str, place: int) -> Column:
    def cell(row: Row) -> str:
        found: str = row["cells"][place]
        return found

    if title in STATUS_TITLES:
        return columns.badge(title, cell, STATUSES, width=132, sort=SORTED[title])
    return columns.text(title, cell, width=WIDTHS.get(title, OTHERS), sort=SORTED.get(title, ""))


def where(row: Row) -> str:
    """The present site; one that was moved is marked: where it comes from stands in its number."""
    return f"{row['site_name']}（移管）" if row["home"] else str(row["site_name"])


def where_from(row: Row) -> str:
    return f"{row['site_name']}（移管：{row['home']}から）" if row["home"] else str(row["site_name"])


WHERE = columns.text("現在の拠点", where, width=94, sort="site")


def show(key: str, view: str, chosen: filters.Filters, *, empty: tables.Empty) -> live.Reading | None:
    """The view's list, with its own columns."""
    path = f"{PATH}/{view}"
    return tables.table(
        key,
        "",
        path,
        Told(key),
        counter="台",
        sorts=SORTS,
        filters=chosen,
        actions={"詳細": partial(drawer, live.shown(key))},
        export=Export(f"{DOWNLOAD}{path}.csv", f"{DOWNLOAD}{path}.xlsx"),
        empty=empty,
    )


def detail_url(number: str) -> str:
    return f"/loaners-device?{urlencode({'number': number})}"


def leads(number: str, *, primary: bool = True) -> None:
    """To a device's page, and to its form."""
    with st.container(horizontal=True):
        link("機器詳細を開く", detail_url(number), primary=primary)
        if may("loaners:device:work"):
            link("ステータスを登録する", f"/status-form?{urlencode({'number': number})}")


def drawer(shown: Row | None, row: Row) -> None:
    """A row in full: whatever its list, as it was `shown` when the row was clicked, shows of it."""
    titles: list[str] = shown["columns"] if shown else []

    @dialogs.dialog(plain(row["number"]), position="right", width="medium", icon=":material/devices:")
    def show_it() -> None:
        st.markdown(_badges(row))
        leads(row["number"])
        for title, cell in zip(titles, row["cells"], strict=True):
            left, right = st.columns([2, 3])
            left.markdown(f":gray[{plain(title)}]")
            right.markdown(plain(cell) if cell else ":gray[–]")

    show_it()


def _badges(row: Row) -> str:
    status = words.STATUS.get(row["status"], words.NOT_YET).badge()
    deposit = words.DEPOSIT[row["deposit"]].badge() if row["deposit"] else ""
    archived = words.ARCHIVED.badge() if row["is_archived"] else ""
    return f"{status} {deposit} {archived} {plain(where_from(row))}"
