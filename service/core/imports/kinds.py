"""What can be imported: an area says which fields there are and how rows are found, made and changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from pydantic import BaseModel
from sqlalchemy.orm import Session

from service.core.auth import Actor
from service.core.catalogue import Entry, chosen, declared

Values = dict[str, Any]


@dataclass(frozen=True)
class Field:
    """A column. `read` makes a value for the model of a cell's text, or raises ValueError with words; `show` is the
    way back, for the preview and for templates. `blank` is what an empty cell says of it; None: nothing."""

    name: str
    label: str
    example: str
    aliases: tuple[str, ...] = ()
    read: Callable[[str], Any] = str
    show: Callable[[Any], str] = str
    blank: Any = None


@dataclass(frozen=True)
class New:
    """A row that is not there yet."""

    values: Values


@dataclass(frozen=True)
class Change:
    """A row that is there (`id`) and differs: the whole of its values before and after."""

    id: int
    before: Values
    after: Values


@dataclass(frozen=True, kw_only=True)
class Kind(Entry):
    """`model` says what values may be; its field names are those of
    `fields`, the first of which is the natural key: it decides whether a row is new.

    `existing` maps natural keys to (id, values) for those that are there, `missing` says in words what a row names
    that is not there (field, message), both for many rows at once and among what the person may
    see: where roles are bound to a tenant, that tenant's. `create` and `change` write and audit many rows.

    `further` are the fields that a file with these headers has beside the usual ones; their names may be any, and the
    model takes them as they are read. Without headers: those that every file may have, whose cells are read by what is
    there. `identity` is what tells one row from another where the natural key alone does
    not: `existing` is asked for these then, and as such rows are only ever added, one that is there is left as it is.
    """

    counter: str
    fields: tuple[Field, ...]
    model: type[BaseModel]
    existing: Callable[[Session, Actor, Sequence[str]], Mapping[str, tuple[int, Values]]]
    create: Callable[[Session, Actor, Sequence[New]], None]
    change: Callable[[Session, Actor, Sequence[Change]], None]
    missing: Callable[[Session, Actor, Sequence[Values]], Mapping[int, tuple[str, str]]] = field(default=lambda *_: {})
    further: Callable[[Session, Sequence[str]], tuple[Field, ...]] = field(default=lambda *_: ())
    identity: Callable[[Values], str] | None = None

    @property
    def natural_key(self) -> str:
        return self.fields[0].name

    def of(self, db: Session, headers: Sequence[str]) -> Kind:
        """As it is for a file with these headers."""
        return replace(self, fields=(*self.fields, *self.further(db, headers)))

    def identify(self, values: Values) -> str:
        return self.identity(values) if self.identity else str(values[self.natural_key])

    def field(self, name: str) -> Field:
        return next(field for field in self.fields if field.name == name)


@lru_cache(maxsize=1)
def kinds() -> dict[str, Kind]:
    return declared("imports", Kind)


def kind_for(by: Actor, key: str) -> Kind:
    """Raises NotFound for a kind that does not exist, Forbidden for one the person may not import."""
    return chosen(by, kinds(), key, "取り込みの種類", "取り込む")
