"""Kinds of imports: an area declares the fields, and how rows are found, created and changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from pydantic import BaseModel
from sqlalchemy.orm import Session

from service.core.access.auth import Actor
from service.core.catalogue import Entry, entries_by_key, permitted_entry

Values = dict[str, Any]


@dataclass(frozen=True)
class Field:
    """A column. `read` converts a cell's text into a value for the model, or raises ValueError with a message for the
    user; `show` converts it back, for the preview and for templates. `blank` is the value of an empty cell; None: an
    empty cell is ignored."""

    name: str
    label: str
    example: str
    aliases: tuple[str, ...] = ()
    read: Callable[[str], Any] = str
    show: Callable[[Any], str] = str
    blank: Any = None


@dataclass(frozen=True)
class NewRow:
    """A row that does not exist yet."""

    values: Values


@dataclass(frozen=True)
class ChangedRow:
    """An existing row (`id`) that differs: all of its values before and after."""

    id: int
    before: Values
    after: Values


@dataclass(frozen=True, kw_only=True)
class ImportKind(Entry):
    """`model` validates a row's values; its field names are those of `fields`. The first field is the natural key: it
    decides whether a row is new.

    `existing` maps natural keys to (id, values) of existing rows. `missing` gives (field, message) for rows that refer
    to something that does not exist. Both work on many rows at once and only see what the user may see: where roles are
    bound to a tenant, that tenant's rows. `create` and `change` write and audit many rows.

    `further` gives additional fields for a file with these headers; their names are free, and the model accepts them as
    they are read. With no headers it gives those that every file may have, read with what is in the database.
    `identity` identifies a row where the natural key alone does not: then `existing` is called with identities, rows
    are only added, and existing ones are not changed.
    """

    counter: str
    fields: tuple[Field, ...]
    model: type[BaseModel]
    existing: Callable[[Session, Actor, Sequence[str]], Mapping[str, tuple[int, Values]]]
    create: Callable[[Session, Actor, Sequence[NewRow]], None]
    change: Callable[[Session, Actor, Sequence[ChangedRow]], None]
    missing: Callable[[Session, Actor, Sequence[Values]], Mapping[int, tuple[str, str]]] = field(default=lambda *_: {})
    further: Callable[[Session, Sequence[str]], tuple[Field, ...]] = field(default=lambda *_: ())
    identity: Callable[[Values], str] | None = None

    @property
    def natural_key(self) -> str:
        return self.fields[0].name

    def of(self, db: Session, headers: Sequence[str]) -> ImportKind:
        """This kind for a file with these headers."""
        return replace(self, fields=(*self.fields, *self.further(db, headers)))

    def identify(self, values: Values) -> str:
        return self.identity(values) if self.identity else str(values[self.natural_key])

    def field(self, name: str) -> Field:
        return next(field for field in self.fields if field.name == name)


@lru_cache(maxsize=1)
def kinds() -> dict[str, ImportKind]:
    return entries_by_key("imports", ImportKind)


def kind_for(by: Actor, key: str) -> ImportKind:
    """Raises NotFound for a kind that does not exist, Forbidden for one that the user may not import."""
    return permitted_entry(by, kinds(), key, "取り込みの種類", "取り込む")
