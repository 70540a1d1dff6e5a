"""What each row would do: 新規, 更新, 変更なし, or what is wrong with it. Changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import ValidationError
from sqlalchemy.orm import Session

from service.core.auth import Actor
from service.core.exports.cells import original
from service.core.imports.kinds import Change, Kind, New, Values
from service.core.imports.mapping import Columns
from service.core.imports.sheets import Row
from service.core.problems import field_errors

Outcome = Literal["new", "update", "same", "error"]
WORDS: Mapping[Outcome, str] = {"new": "新規", "update": "更新", "same": "変更なし", "error": "エラー"}
CHUNK = 1_000
_SPACE = " \t\r\n　\u00a0"


@dataclass(frozen=True)
class RowError:
    """`field` is the field's label, empty when the whole row is meant."""

    row: int
    field: str
    message: str

    def in_words(self) -> str:
        return f"{self.row}行目 {self.field}: {self.message}" if self.field else f"{self.row}行目: {self.message}"


@dataclass
class Planned:
    """One row. `values` are what was given, as a person reads it; `action` is None when there is nothing to do.
    `refused` are the names of the fields of `errors`."""

    row: Row
    values: dict[str, str]
    outcome: Outcome = "same"
    changed: list[str] = field(default_factory=list)
    errors: list[RowError] = field(default_factory=list)
    action: New | Change | None = None
    given: Values = field(default_factory=dict)
    is_repeat: bool = False
    refused: set[str] = field(default_factory=set)


def plan(
    db: Session,
    by: Actor,
    kind: Kind,
    rows: Sequence[Row],
    mapping: Columns,
    seen: Callable[[int], None] = lambda _: None,
) -> Iterator[Planned]:
    """Row by row in the order of the file. `seen` hears how many rows have been looked at.

    A blank cell says nothing unless its field has a word for it: a new row takes the field's default, one that is there
    keeps its value.
    """
    first_with: dict[str, Planned] = {}
    for start in range(0, len(rows), CHUNK):
        planned = [_read(kind, row, mapping) for row in rows[start : start + CHUNK]]
        _find_repeats(kind, planned, first_with)
        _decide(db, by, kind, planned)
        seen(start + len(planned))
        yield from planned


def _read(kind: Kind, row: Row, mapping: Columns) -> Planned:
    """The row's cells as values of the fields."""
    made = Planned(row, {})
    for name, place in mapping.items():
        text = original(row.cells[place].strip(_SPACE)) if place is not None else ""
        if place is not None:
            made.values[name] = text
        if not text:
            if place is not None and kind.field(name).blank is not None:
                made.given[name] = kind.field(name).blank
            continue
        try:
            made.given[name] = kind.field(name).read(text)
        except ValueError as error:
            _refuse(kind, made, name, str(error))
    return made


def _find_repeats(kind: Kind, planned: list[Planned], first_with: dict[str, Planned]) -> None:
    """The same row once more adds nothing; of two that differ nobody knows which one holds."""
    key = kind.field(kind.natural_key)
    for made in planned:
        value = made.given.get(key.name)
        if value is None:
            if not made.errors:
                _refuse(kind, made, key.name, "必須の項目です。")
            continue
        before = first_with.setdefault(kind.identify(made.given), made)
        if before is made:
            continue
        made.is_repeat = kind.identity is not None or before.given == made.given
        if not made.is_repeat:
            same = f"{before.row.number}行目と同じ「{made.values[key.name]}」ですが、内容が違います。"
            _refuse(kind, made, key.name, f"{same}どちらかを削除してください。")


def _decide(db: Session, by: Actor, kind: Kind, planned: list[Planned]) -> None:
    """Compares with what is there; two questions to the database for the whole chunk."""
    known = {id(made): kind.identify(made.given) for made in planned if kind.natural_key in made.given}
    there = kind.existing(db, by, [known[id(made)] for made in planned if id(made) in known])
    checked: list[tuple[Planned, Values]] = []
    for made in planned:
        # Also one that is refused already: whoever mends the file hears of everything in it at once, of a field once.
        earlier = set(made.refused)
        _, before = there.get(known.get(id(made), ""), (0, {}))
        try:
            after = kind.model.model_validate(before | made.given).model_dump()
        except ValidationError as error:
            for name, message in field_errors(error.errors()):
                if name.partition(".")[0] not in earlier:
                    _refuse(kind, made, name.partition(".")[0], message)
        else:
            checked.append((made, after))
    for place, (name, message) in kind.missing(db, by, [after for _, after in checked]).items():
        if name not in checked[place][0].refused:
            _refuse(kind, checked[place][0], name, message)
    for made, after in checked:
        if not made.errors:
            _compare(kind, made, after, there.get(known[id(made)]))


def _compare(kind: Kind, made: Planned, after: Values, there: tuple[int, Values] | None) -> None:
    if made.is_repeat:
        return
    if there is None:
        made.outcome, made.action = "new", New(after)
        return
    row_id, before = there
    if kind.identity:
        return
    made.changed = [field.name for field in kind.fields if before.get(field.name) != after.get(field.name)]
    if made.changed:
        made.outcome, made.action = "update", Change(row_id, before, after)


def _refuse(kind: Kind, made: Planned, name: str, message: str) -> None:
    label = next((field.label for field in kind.fields if field.name == name), "")
    made.refused.add(name)
    made.outcome = "error"
    made.errors.append(RowError(made.row.number, label, message))


def shown(kind: Kind, values: Mapping[str, Any]) -> dict[str, str]:
    """Values as the file would have them."""
    return {
        field.name: "" if values.get(field.name) is None else field.show(values[field.name]) for field in kind.fields
    }
