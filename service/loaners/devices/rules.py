"""Values of custom columns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Protocol

MAX_VALUE_LENGTH = 200


class CustomColumn(Protocol):
    id: int
    title: str
    value_type: str
    choices: list[str]
    required: bool


def check_values(columns: Iterable[CustomColumn], values: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Valid values by column id, without empty ones, and error messages by column id. Values of archived columns are
    kept as they are."""
    by_id = {str(column.id): column for column in columns}
    valid = {key: value for key, value in values.items() if key not in by_id}
    errors: dict[str, str] = {}
    for key, column in by_id.items():
        value = values.get(key, "").strip()
        error = _refusal(column, value)
        if error:
            errors[key] = error
        elif value:
            valid[key] = value
    return valid, errors


def _refusal(column: CustomColumn, value: str) -> str | None:
    if not value:
        return f"「{column.title}」を入力してください。" if column.required else None
    if len(value) > MAX_VALUE_LENGTH:
        return f"「{column.title}」は{MAX_VALUE_LENGTH}文字以内で入力してください。"
    if column.value_type == "choice" and value not in column.choices:
        return f"「{column.title}」は {'、'.join(column.choices)} から選んでください。"
    if column.value_type == "number" and not re.fullmatch(r"-?[0-9]{1,15}(\.[0-9]{1,6})?", value):
        return f"「{column.title}」は数字で入力してください。"
    if column.value_type == "date" and not _is_date(value):
        return f"「{column.title}」は日付（例: 2026-11-21）で入力してください。"
    return None


def _is_date(value: str) -> bool:
    try:
        return date.fromisoformat(value) is not None
    except ValueError:
        return False


# Prefix of a custom column's title in a row of a file.
CUSTOM_PREFIX = "extra."


def custom_values(row: Mapping[str, object], columns: Iterable[CustomColumn]) -> dict[str, str]:
    """A row's values for these columns, by column id."""
    return {
        str(column.id): str(row[CUSTOM_PREFIX + column.title])
        for column in columns
        if row.get(CUSTOM_PREFIX + column.title)
    }
