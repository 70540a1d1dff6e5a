"""Maps fields to columns of a file: by the user's last choice, else by label, name and aliases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from service.core.imports.kinds import ImportKind
from service.core.problems import Invalid
from service.core.values.texts import normalised_header

# field → index of its column, from 0; None: this file has no such column.
Columns = dict[str, int | None]


def guess(kind: ImportKind, headers: Sequence[str], remembered: Mapping[str, str | None]) -> Columns:
    """`remembered` maps normalised headers to fields; None means that the user left that column out."""
    normalised_headers = [normalised_header(header) for header in headers]
    columns: Columns = dict.fromkeys((field.name for field in kind.fields), None)
    for index, header in enumerate(normalised_headers):
        name = remembered.get(header)
        if name in columns and columns[name] is None:
            columns[name] = index
    used = {index for index in columns.values() if index is not None}
    for field in kind.fields:
        names = {normalised_header(name) for name in (field.label, field.name, *field.aliases)}
        for index, header in enumerate(normalised_headers):
            if columns[field.name] is None and index not in used and header in names and header not in remembered:
                columns[field.name] = index
                used.add(index)
    return columns


def check(kind: ImportKind, headers: Sequence[str], mapping: Columns) -> Columns:
    """The mapping with every field in it.

    Raises:
        Invalid: an unknown field, a column that does not exist or is used twice, or no column for the natural key.
    """
    errors: list[tuple[str, str]] = []
    field_names = {field.name for field in kind.fields}
    errors += [(name, "使えない項目です。") for name in mapping if name not in field_names]
    columns: Columns = {field.name: mapping.get(field.name) for field in kind.fields}
    used = [index for index in columns.values() if index is not None]
    for field in kind.fields:
        index = columns[field.name]
        if index is not None and not 0 <= index < len(headers):
            errors.append((field.name, "ファイルにない列です。"))
        elif index is not None and used.count(index) > 1:
            errors.append((field.name, f"「{headers[index]}」の列が2つの項目に使われています。"))
    key = kind.field(kind.natural_key)
    if columns[key.name] is None:
        errors.append((key.name, f"「{key.label}」の列を選んでください。どの行が登録済みかを、この項目で判断します。"))
    if errors:
        raise Invalid("列の割り当てを直してください。", errors)
    return columns


def columns_to_remember(headers: Sequence[str], mapping: Columns) -> dict[str, str | None]:
    field_by_index = {index: name for name, index in mapping.items() if index is not None}
    return {normalised_header(header): field_by_index.get(index) for index, header in enumerate(headers) if header}
