"""How an area declares what can be found (`service/<area>/search.py`, `SEARCH`): a list, whose rows are found by their
terms, and how a row becomes a hit. Who sees which rows is the list's own rule."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import urlencode

from sqlalchemy import Select
from sqlalchemy.orm import Session

from service.core.access.auth import Actor
from service.core.catalogue import Entry, entries_by_key
from service.core.database.paging import Listing
from service.core.values.texts import half_width

# The largest bigint has 19 digits.
_NUMBER = r"0*([1-9][0-9]{0,17})"
Row = Mapping[str, Any]


class State(NamedTuple):
    code: str
    label: str


ARCHIVED = State("archived", "アーカイブ済み")
# Of an address: the choice by which most lists show what is archived.
SHOW_ARCHIVED = {"archived": ARCHIVED.label}


class Hit(NamedTuple):
    title: str
    detail: str
    address: str
    state: State | None = None


class Related(NamedTuple):
    """Rows that belong to hits of another kind: its key, and the statement for their ids, the newest first."""

    key: str
    ids: Callable[[Sequence[int]], Select[int]]


def _no_filters(_: Actor) -> Mapping[str, Any]:
    return {}


def _no_parameters(_: Session, __: Actor) -> Mapping[str, Any]:
    return {}


@dataclass(frozen=True, kw_only=True)
class Source(Entry):
    """Its key begins with the area: fleet.terminal; `title` is the group's.

    `terms`: the kinds in `search_terms` (service/migrations/searchable.py); without any it is found by other ways.
    `filters` and `parameters` are the list's own for this user. `page`: the list that has `q` in its address;
    `page_filters`: the choice there that hides nothing but what is archived, as the dashboards name it.
    `number`: the row's id is its number, printed behind this prefix (ENQ-), or alone. `only_without`: who has this
    permission finds the same in another source.
    """

    listing: Listing[Any]
    hit: Callable[[Actor, Row], Hit]
    terms: tuple[str, ...] = ()
    filters: Callable[[Actor], Mapping[str, Any]] = _no_filters
    parameters: Callable[[Session, Actor], Mapping[str, Any]] = _no_parameters
    page: str | None = None
    page_filters: Mapping[str, str] = field(default_factory=dict)
    number: str | None = None
    related: Related | None = None
    only_without: str | None = None

    def is_permitted(self, by: Actor) -> bool:
        granted = by.grants.get(self.area, frozenset())
        return self.permission in granted and self.only_without not in granted

    def id_of(self, typed: str) -> int | None:
        """The id when its number was typed."""
        if self.number is None:
            return None
        prefix = re.escape(_compact(self.number))
        match = re.fullmatch(f"(?:{prefix})?{_NUMBER}", _compact(typed))
        return int(match[1]) if match else None


def address(page: str, *parameters: Mapping[str, Any]) -> str:
    """The address of a page, with the parameters that are set."""
    query = urlencode({name: value for given in parameters for name, value in given.items()})
    return f"{page}?{query}" if query else page


def detail(*parts: str | None) -> str:
    return "・".join(part for part in parts if part)


def _compact(text: str) -> str:
    return re.sub(r"[\s_#-]", "", half_width(text)).lower()


@lru_cache(maxsize=1)
def sources() -> Mapping[str, Source]:
    return entries_by_key("search", Source)
