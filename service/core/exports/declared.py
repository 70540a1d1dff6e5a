"""How an area declares a list for exports: its columns, and the statement for given filters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from pydantic import BaseModel, ValidationError
from sqlalchemy import ColumnElement, Select

from service.core.access.auth import Actor
from service.core.catalogue import Entry, entries_by_key, permitted_entry
from service.core.http.problem_responses import invalid

# number and date keep their types; choice is a fixed text from `words`.
Type = Literal["text", "number", "date", "moment", "choice"]


@dataclass(frozen=True)
class Column:
    """`name` is the column's name in the statement, `label` the header. `words` maps the codes of a choice to texts;
    `form` is a pattern of PostgreSQL's to_char for dates and timestamps, in Tokyo time."""

    name: str
    label: str
    type: Type = "text"
    words: Mapping[str, str] | None = None
    form: str | None = None


@dataclass(frozen=True, kw_only=True)
class ExportList(Entry):
    """`filters` is the model of the list's filters. `statement` builds a sorted SELECT for a user and filters, in which
    every column is labelled by its name. Where roles are bound to a tenant it selects only that tenant's rows, in
    addition to row-level security."""

    columns: tuple[Column, ...]
    filters: type[BaseModel]
    statement: Callable[[Actor, Any], Select[*tuple[Any, ...]]]


def ordered_columns(
    export_list: ExportList, statement: Select[*tuple[Any, ...]]
) -> list[tuple[Column, ColumnElement[Any]]]:
    by_name = {column.key: column for column in statement.selected_columns}
    return [(column, by_name[column.name]) for column in export_list.columns]


@lru_cache(maxsize=1)
def export_lists() -> dict[str, ExportList]:
    return entries_by_key("exports", ExportList)


def export_list_for(by: Actor, key: str) -> ExportList:
    """Raises NotFound for a list that does not exist, Forbidden for one that the user may not read."""
    return permitted_entry(by, export_lists(), key, "出力する一覧", "出力する")


def read_filters(export_list: ExportList, values: Mapping[str, Any]) -> BaseModel:
    """Raises Invalid with the errors by field."""
    try:
        return export_list.filters.model_validate(values)
    except ValidationError as error:
        raise invalid(error.errors()) from None
