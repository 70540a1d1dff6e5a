"""Plans each row of an import: 新規, 更新, 変更なし, or its errors. Changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError
from sqlalchemy.orm import Session

from service.core.access.auth import Actor
from service.core.exports.cells import original
from service.core.http.problem_responses import field_errors
from service.core.imports.kinds import ChangedRow, ImportKind, NewRow, Values
from service.core.imports.mapping import Columns
from service.core.imports.sheets import Row
from service.core.values.labels import Labelled

CHUNK = 1_000
_SPACE = " \t\r\n　\u00a0"


class ImportOutcome(Labelled):
    """What an import does with a row of the file."""

    NEW = "new", "新規"
    UPDATE = "update", "更新"
    SAME = "same", "変更なし"
    ERROR = "error", "エラー"


@dataclass(frozen=True)
class RowError:
    """`field` is the field's label; empty for an error of the whole row."""

    row: int
    field: str
    message: str

    def message_text(self) -> str:
        return f"{self.row}行目 {self.field}: {self.message}" if self.field else f"{self.row}行目: {self.message}"


@dataclass
class PlannedRow:
    """One row. `values` are the cells' texts, `parsed` the values read from them; `action` is None when there is
    nothing to do. `refused` are the names of the fields in `errors`."""

    row: Row
    values: dict[str, str]
    outcome: ImportOutcome = ImportOutcome.SAME
    changed: list[str] = field(default_factory=list)
    errors: list[RowError] = field(default_factory=list)
    action: NewRow | ChangedRow | None = None
    parsed: Values = field(default_factory=dict)
    is_duplicate: bool = False
    refused: set[str] = field(default_factory=set)


def plan(
    db: Session,
    by: Actor,
    kind: ImportKind,
    rows: Sequence[Row],
    mapping: Columns,
    report_rows: Callable[[int], None] = lambda _: None,
) -> Iterator[PlannedRow]:
    """Plans the rows in the order of the file. `report_rows` is called with the number of rows planned so far.

    A blank cell is ignored unless its field has a `blank`: a new row gets the field's default, an existing one keeps
    its value.
    """
    first_by_identity: dict[str, PlannedRow] = {}
    for start in range(0, len(rows), CHUNK):
        chunk = [_parse(kind, row, mapping) for row in rows[start : start + CHUNK]]
        _find_duplicates(kind, chunk, first_by_identity)
        _decide(db, by, kind, chunk)
        report_rows(start + len(chunk))
        yield from chunk


def _parse(kind: ImportKind, row: Row, mapping: Columns) -> PlannedRow:
    """The row with its cells read into values of the fields."""
    planned_row = PlannedRow(row, {})
    for name, index in mapping.items():
        text = original(row.cells[index].strip(_SPACE)) if index is not None else ""
        if index is not None:
            planned_row.values[name] = text
        if not text:
            if index is not None and kind.field(name).blank is not None:
                planned_row.parsed[name] = kind.field(name).blank
            continue
        try:
            planned_row.parsed[name] = kind.field(name).read(text)
        except ValueError as error:
            _refuse(kind, planned_row, name, str(error))
    return planned_row


def _find_duplicates(kind: ImportKind, chunk: list[PlannedRow], first_by_identity: dict[str, PlannedRow]) -> None:
    """Marks equal duplicates, which add nothing, and refuses rows with the same identity that differ."""
    key = kind.field(kind.natural_key)
    for planned_row in chunk:
        value = planned_row.parsed.get(key.name)
        if value is None:
            if not planned_row.errors:
                _refuse(kind, planned_row, key.name, "必須の項目です。")
            continue
        first = first_by_identity.setdefault(kind.identify(planned_row.parsed), planned_row)
        if first is planned_row:
            continue
        planned_row.is_duplicate = kind.identity is not None or first.parsed == planned_row.parsed
        if not planned_row.is_duplicate:
            message = f"{first.row.number}行目と同じ「{planned_row.values[key.name]}」ですが、内容が違います。"
            _refuse(kind, planned_row, key.name, f"{message}どちらかを削除してください。")


def _decide(db: Session, by: Actor, kind: ImportKind, chunk: list[PlannedRow]) -> None:
    """Compares with existing rows, with two queries for the whole chunk."""
    identities = {
        id(planned_row): kind.identify(planned_row.parsed)
        for planned_row in chunk
        if kind.natural_key in planned_row.parsed
    }
    existing = kind.existing(
        db, by, [identities[id(planned_row)] for planned_row in chunk if id(planned_row) in identities]
    )
    checked: list[tuple[PlannedRow, Values]] = []
    for planned_row in chunk:
        # Also rows that are refused already, so that the user gets all errors at once, but only one for each field.
        refused_before = set(planned_row.refused)
        _, before = existing.get(identities.get(id(planned_row), ""), (0, {}))
        try:
            after = kind.model.model_validate(before | planned_row.parsed).model_dump()
        except ValidationError as error:
            for name, message in field_errors(error.errors()):
                if name.partition(".")[0] not in refused_before:
                    _refuse(kind, planned_row, name.partition(".")[0], message)
        else:
            checked.append((planned_row, after))
    for index, (name, message) in kind.missing(db, by, [after for _, after in checked]).items():
        if name not in checked[index][0].refused:
            _refuse(kind, checked[index][0], name, message)
    for planned_row, after in checked:
        if not planned_row.errors:
            _compare(kind, planned_row, after, existing.get(identities[id(planned_row)]))


def _compare(kind: ImportKind, planned_row: PlannedRow, after: Values, existing: tuple[int, Values] | None) -> None:
    if planned_row.is_duplicate:
        return
    if existing is None:
        planned_row.outcome, planned_row.action = ImportOutcome.NEW, NewRow(after)
        return
    row_id, before = existing
    if kind.identity:
        return
    planned_row.changed = [field.name for field in kind.fields if before.get(field.name) != after.get(field.name)]
    if planned_row.changed:
        planned_row.outcome, planned_row.action = ImportOutcome.UPDATE, ChangedRow(row_id, before, after)


def _refuse(kind: ImportKind, planned_row: PlannedRow, name: str, message: str) -> None:
    label = next((field.label for field in kind.fields if field.name == name), "")
    planned_row.refused.add(name)
    planned_row.outcome = ImportOutcome.ERROR
    planned_row.errors.append(RowError(planned_row.row.number, label, message))


def shown(kind: ImportKind, values: Mapping[str, Any]) -> dict[str, str]:
    """Values as texts for the file."""
    return {
        field.name: "" if values.get(field.name) is None else field.show(values[field.name]) for field in kind.fields
    }
