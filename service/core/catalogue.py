"""What areas declare in modules of their own, found by the module's name: `service/<area>/exports.EXPORTS`,
`service/<area>/imports.IMPORTS`. Whatever is pure stands in the area's `AREA` instead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from service.core import areas
from service.core.auth import Actor
from service.core.problems import Forbidden, NotFound


@dataclass(frozen=True, kw_only=True)
class Entry:
    """`key` names the area first: fleet.terminals. `title` is for people, `permission` what one needs for it there."""

    key: str
    title: str
    permission: str

    @property
    def area(self) -> str:
        return self.key.partition(".")[0]


Found = TypeVar("Found", bound=Entry)


def declared(name: str, of: type[Found]) -> dict[str, Found]:
    """Every area's entries of that name, by key. Raises RuntimeError for one that is not what it should be."""
    found = [entry for module in areas.modules(name) for entry in getattr(module, name.upper())]
    if wrong := [entry for entry in found if not isinstance(entry, of)]:
        raise RuntimeError(f"{wrong[0]!r} is no {of.__name__}")
    return {entry.key: entry for entry in found}


def chosen(by: Actor, listed: Mapping[str, Found], key: str, what: str, verb: str) -> Found:
    """Raises NotFound for a key that does not exist, Forbidden for one the person has no right to."""
    found = listed.get(key)
    if found is None:
        raise NotFound(f"{what}が見つかりません。画面を開き直して選んでください。")
    if found.area not in by.areas_where(found.permission):
        raise Forbidden(f"{found.title}を{verb}権限がありません。必要な場合は管理者に依頼してください。")
    return found
