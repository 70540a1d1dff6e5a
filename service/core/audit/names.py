"""The names of the things in the audit log, which stores their ids: read with the log, because people know a thing by
its present name. Each area declares those of its subjects in `audit_names`:

    AUDIT_NAMES = {"terminal": Named(select(Terminal.id, Terminal.serial_number))}
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Integer, Select, String, Uuid, column, func, select, table
from sqlalchemy.orm import InstrumentedAttribute, Session

from service.core import areas
from service.core.access.identity import User
from service.core.audit.words import time_text
from service.core.values.times import TOKYO


@dataclass(frozen=True)
class Named:
    """`rows`: id and name. A name that ends with の stands before its subject: 新宿店 レジ2番の障害. `fields`: those
    with such an id in the area's entries, besides `<subject>_id` and `<subject>_ids`."""

    rows: Select[Any, str | None]
    fields: tuple[str, ...] = ()


def local_text(at: InstrumentedAttribute[Any]) -> ColumnElement[str]:
    """The time in Tokyo: 2026/11/21 9:05."""
    text: ColumnElement[str] = func.to_char(func.timezone(TOKYO.key, at), "YYYY/MM/DD FMHH24:MI")
    return text


# Tables of the folders above this one, by their names.
_FILES = table("files", column("id", Uuid), column("name", String))
_MESSAGES = table("outbox_messages", column("id", BigInteger), column("title", String))
_TASKS = table("tasks", column("id", BigInteger), column("title", String))
_CORE = {
    "user": Named(
        select(User.id, User.name), ("assignee_id", "claimed_by", "owner", "owner_id", "requested_by", "sales_id")
    ),
    "file": Named(select(_FILES.c.id, _FILES.c.name)),
    "message": Named(select(_MESSAGES.c.id, _MESSAGES.c.title)),
    "task": Named(select(_TASKS.c.id, _TASKS.c.title)),
}


# Fields that name the thing itself.
_NAME_FIELDS = ("name", "title", "number", "file_name", "label", "login_id", "code")


@lru_cache(maxsize=1)
def _declared() -> dict[str, dict[str, Named]]:
    """By area and subject."""
    declared: dict[str, dict[str, Named]] = {area: dict(_CORE) for area in (*areas.AREAS, areas.CORE)}
    for module in areas.modules("audit_names"):
        declared[module.__name__.split(".")[1]] |= module.AUDIT_NAMES
    return declared


@lru_cache(maxsize=16)
def fields(area: str) -> dict[str, str]:
    """The fields with ids in the area's entries → the subject of these ids."""
    return {
        field: subject
        for subject, named in _declared().get(area, {}).items()
        for field in (f"{subject}_id", f"{subject}_ids", *named.fields)
    }


class Names:
    """The names of everything that these entries (`area`, `subject`, `subject_id`, `before`, `after`) are about, read
    in one statement for each kind of thing."""

    def __init__(self, db: Session, entries: Iterable[Mapping[str, Any]]) -> None:
        wanted: dict[tuple[str, str], set[str]] = defaultdict(set)
        for entry in entries:
            area = entry["area"]
            wanted[area, entry["subject"]].add(entry["subject_id"])
            for field, value in _ids((entry["before"], entry["after"]), fields(area)):
                wanted[area, fields(area)[field]].add(value)
        self._names = {key: _read(db, *key, ids) for key, ids in wanted.items()}

    def target(self, entry: Mapping[str, Any], title: str) -> str:
        """端末 新宿店 レジ2番, 新宿店 レジ2番の障害. What is gone has the name that its entry holds."""
        subject_id = entry["subject_id"]
        if subject_id == "-":
            return title
        name = self._names.get((entry["area"], entry["subject"]), {}).get(subject_id) or _own_name(entry)
        if name is None:
            is_gone = entry["subject"] in _declared().get(entry["area"], {})
            name = f"{subject_id}（削除済み）" if is_gone else time_text(subject_id) or subject_id
        return f"{name}{title}" if name.endswith("の") else f"{title} {name}"

    def by_field(self, area: str) -> dict[str, Mapping[str, str]]:
        """Field → id → name."""
        named = ((field, self._names.get((area, subject), {})) for field, subject in fields(area).items())
        return {field: {key: name.removesuffix("の") for key, name in names.items()} for field, names in named if names}


def _ids(value: Any, named_fields: Mapping[str, str], field: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, part in value.items():
            yield from _ids(part, named_fields, name)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _ids(part, named_fields, field)
    elif field in named_fields and value not in (None, ""):
        yield field, str(value)


def _own_name(entry: Mapping[str, Any]) -> str | None:
    values = (entry["before"] or {}) | (entry["after"] or {})
    return next((str(values[field]) for field in _NAME_FIELDS if values.get(field)), None)


def _read(db: Session, area: str, subject: str, ids: set[str]) -> dict[str, str]:
    named = _declared().get(area, {}).get(subject)
    if named is None:
        return {}
    key = named.rows.selected_columns[0]
    keys = [converted for text in ids if (converted := _key(text, key.type)) is not None]
    rows = db.execute(named.rows.where(key.in_(keys))) if keys else ()
    return {str(row[0]): row[1] for row in rows if row[1]}


def _key(text: str, of: Any) -> Any:
    """The id as its column has it; None for what cannot be one."""
    if isinstance(of, Integer):
        return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None
    if isinstance(of, Uuid):
        try:
            return uuid.UUID(text)
        except ValueError:
            return None
    return text
