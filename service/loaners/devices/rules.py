"""What the further columns of a device may hold."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Protocol

LONGEST_VALUE = 200


class Asked(Protocol):
    id: int
    title: str
    value_type: str
    choices: list[str]
    required: bool


def checked(columns: Iterable[Asked], given: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """The values by column id, without empty ones, and what is wrong with others by column id: in words. What is of no
    column in use any more stays as it is."""
    wanted = {str(column.id): column for column in columns}
    kept = {key: value for key, value in given.items() if key not in wanted}
    wrong: dict[str, str] = {}
    for key, column in wanted.items():
        value = given.get(key, "").strip()
        refusal = _refusal(column, value)
        if refusal:
            wrong[key] = refusal
        elif value:
            kept[key] = value
    return kept, wrong


def _refusal(column: Asked, value: str) -> str | None:
    if not value:
        return f"「{column.title}」を入力してください。" if column.required else None
    if len(value) > LONGEST_VALUE:
        return f"「{column.title}」は{LONGEST_VALUE}文字以内で入力してください。"
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


# Before a further column's title, where a row of a file has it.
FURTHER = "extra."


def further(row: Mapping[str, object], columns: Iterable[Asked]) -> dict[str, str]:
    """A row's values for these columns, by their ids."""
    return {str(column.id): str(row[FURTHER + column.title]) for column in columns if row.get(FURTHER + column.title)}
