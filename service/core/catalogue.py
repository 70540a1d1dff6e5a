"""Entries that areas declare in modules of a fixed name: `service/<area>/exports.EXPORTS`,
`service/<area>/imports.IMPORTS`. Declarations without database code are in the area's `AREA` instead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from service.core import areas
from service.core.access.auth import Actor
from service.core.problems import Forbidden, NotFound


@dataclass(frozen=True, kw_only=True)
class Entry:
    """`key` begins with the area: fleet.terminals. `title` is shown to users, `permission` is needed in that area."""

    key: str
    title: str
    permission: str

    @property
    def area(self) -> str:
        return self.key.partition(".")[0]


EntryType = TypeVar("EntryType", bound=Entry)


def entries_by_key(name: str, of: type[EntryType]) -> dict[str, EntryType]:
    """Every area's entries of that module name, by key. Raises RuntimeError for one of another class."""
    entries = [entry for module in areas.modules(name) for entry in getattr(module, name.upper())]
    if invalid := [entry for entry in entries if not isinstance(entry, of)]:
        raise RuntimeError(f"{invalid[0]!r} is no {of.__name__}")
    return {entry.key: entry for entry in entries}


def permitted_entry(by: Actor, entries: Mapping[str, EntryType], key: str, noun: str, verb: str) -> EntryType:
    """The entry of the key. Raises NotFound when there is none, Forbidden when the user lacks its permission."""
    entry = entries.get(key)
    if entry is None:
        raise NotFound(f"{noun}が見つかりません。画面を開き直して選んでください。")
    if entry.area not in by.areas_where(entry.permission):
        raise Forbidden(f"{entry.title}を{verb}権限がありません。必要な場合は管理者に依頼してください。")
    return entry
