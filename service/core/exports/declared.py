"""What an area says about a list that can be taken along: its columns, and the statement for given filters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from pydantic import BaseModel, ValidationError
from sqlalchemy import ColumnElement, Select

from service.core.auth import Actor
from service.core.catalogue import Entry, chosen, declared
from service.core.problems import invalid

# text is made harmless, number and date stay what they are; choice is text of ours, from `words`.
Type = Literal["text", "number", "date", "moment", "choice"]


@dataclass(frozen=True)
class Column:
    """`name` is the column's in the statement, `label` the header. `words` translates the codes of a choice; `form` is
    a pattern of PostgreSQL's to_char for dates and moments, in Tokyo time."""

    name: str
    label: str
    type: Type = "text"
    words: Mapping[str, str] | None = None
    form: str | None = None


@dataclass(frozen=True, kw_only=True)
class List(Entry):
    """`filters` is the model of what the list can be cut by, `statement`
    makes a sorted SELECT of them for a person, in which every column is labelled by its name: where roles are bound to
    a tenant, of that tenant's rows only, whatever row-level security does besides."""

    columns: tuple[Column, ...]
    filters: type[BaseModel]
    statement: Callable[[Actor, Any], Select[*tuple[Any, ...]]]


def ordered_columns(listed: List, found: Select[*tuple[Any, ...]]) -> list[tuple[Column, ColumnElement[Any]]]:
    by_name = {column.key: column for column in found.selected_columns}
    return [(column, by_name[column.name]) for column in listed.columns]


@lru_cache(maxsize=1)
def lists() -> dict[str, List]:
    return declared("exports", List)


def list_for(by: Actor, key: str) -> List:
    """Raises NotFound for a list that does not exist, Forbidden for one the person may not read."""
    return chosen(by, lists(), key, "出力する一覧", "出力する")


def read_filters(listed: List, given: Mapping[str, Any]) -> BaseModel:
    """Raises Invalid, by field."""
    try:
        return listed.filters.model_validate(given)
    except ValidationError as error:
        raise invalid(error.errors()) from None
