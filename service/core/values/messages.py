"""What a field takes, told when a value is refused: one table by kind of field, with an example of each. What a pattern
takes is declared where the pattern is (`described`).

    Annotated[str, Field(pattern=described(r"^[A-Z]+$", "半角の大文字の英字で入力してください（例: TKO）。"))]
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

# pydantic's error types; {…} are the error's own limits.
_DATE = "日付を 2026-11-21 の形で指定してください。"
_DATETIME = "日時を、時差を付けた 2026-11-21T09:05:00+09:00 の形で指定してください。"
_TIME = "時刻を 22:00 の形で指定してください。"
_INTEGER = "整数で指定してください（例: 12）。"
_NUMBER = "数値で指定してください（例: 12.5）。"
_TRUTH = "true か false で指定してください。"
_UUID = "UUIDで指定してください（例: 0f8fad5b-d9cb-469f-a165-70867728950e）。"
_TEXT = '文字列で指定してください（例: "新宿店"）。'
_OBJECT = 'JSONのオブジェクトで指定してください（例: {{"name": "新宿店"}}）。'
_LIST = "値の並び（JSONの配列）で指定してください（例: [1, 2]）。"
MESSAGES = {
    "missing": "必須の項目です。",
    "extra_forbidden": "使えない項目です。",
    "too_short": "{min_length}件以上を指定してください。",
    "too_long": "{max_length}件以内で指定してください。",
    "list_type": _LIST,
    "tuple_type": _LIST,
    "set_type": _LIST,
    "string_type": _TEXT,
    "string_unicode": _TEXT,
    "string_too_short": "{min_length}文字以上で入力してください。",
    "string_too_long": "{max_length}文字以内で入力してください。",
    "string_pattern_mismatch": "{takes}",
    "int_type": _INTEGER,
    "int_parsing": _INTEGER,
    "int_parsing_size": "数字が長すぎます。18桁までの整数で指定してください（例: 12）。",
    "int_from_float": _INTEGER,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "finite_number": _NUMBER,
    "decimal_type": _NUMBER,
    "decimal_parsing": _NUMBER,
    "decimal_max_digits": "全部で{max_digits}桁以内の数値で指定してください（例: 12.5）。",
    "decimal_max_places": "小数は{decimal_places}桁以内で指定してください（例: 12.5）。",
    "decimal_whole_digits": "整数の部分は{whole_digits}桁以内で指定してください（例: 12.5）。",
    "bool_type": _TRUTH,
    "bool_parsing": _TRUTH,
    "greater_than_equal": "{ge}以上の値を指定してください。",
    "greater_than": "{gt}より大きい値を指定してください。",
    "less_than_equal": "{le}以下の値を指定してください。",
    "less_than": "{lt}より小さい値を指定してください。",
    "enum": "選べる値は {choices} です。",
    "literal_error": "選べる値は {choices} です。",
    "uuid_type": _UUID,
    "uuid_parsing": _UUID,
    "datetime_type": _DATETIME,
    "datetime_parsing": _DATETIME,
    "datetime_object_invalid": _DATETIME,
    "datetime_from_date_parsing": _DATETIME,
    "timezone_aware": _DATETIME,
    "date_type": _DATE,
    "date_parsing": _DATE,
    "date_from_datetime_parsing": _DATE,
    "date_from_datetime_inexact": _DATE,
    "time_type": _TIME,
    "time_parsing": _TIME,
    "dict_type": _OBJECT,
    "model_type": _OBJECT,
    "model_attributes_type": _OBJECT,
    "json_invalid": "JSONとして読み取れません。",
    "value_error": "{reason}",
}
# For a kind of error that the table does not have.
_OTHER = "この項目では使えない値です。画面またはAPIの説明にある値を指定してください。"
# Larger bounds are those of a column, and mean nothing to a user.
_LARGEST_BOUND = 10**9
_CHOICES = re.compile(r"\^\(([\w|]+)\)\$")
# What a pattern takes, by pattern.
_TAKES: dict[str, str] = {}


class WrongField(ValueError):
    """For a model's validator of several fields: the message is shown at this one."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def described(pattern: str, takes: str) -> str:
    """The pattern of a text type. `takes` says, with an example, what such a text has to be."""
    if _TAKES.setdefault(pattern, takes) != takes:
        raise RuntimeError(f"two descriptions of the pattern {pattern}")
    return pattern


def message(error: Mapping[str, Any]) -> str:
    """The message for one of pydantic's errors."""
    kind, values = error["type"], dict(error.get("ctx") or {})
    if kind in ("too_short", "too_long") and isinstance(error.get("input"), str):  # a secret's characters
        kind = f"string_{kind}"
    bounds = {name: value for name, value in values.items() if name in ("ge", "gt", "le", "lt")}
    if bounds:
        return _outside(kind, *bounds.values())
    values["takes"] = _takes(str(values.get("pattern", "")))
    values["reason"] = str(values.get("error", ""))
    values["choices"] = _choices(str(values.get("expected", "")))
    return MESSAGES.get(kind, _OTHER).format_map(values)


def _takes(pattern: str) -> str:
    if choices := _CHOICES.fullmatch(pattern):
        return MESSAGES["enum"].format(choices=choices[1].replace("|", "、"))
    return _TAKES.get(pattern, _OTHER)


def _choices(expected: str) -> str:
    """pydantic writes 'a', 'b' or 'c'."""
    return re.sub(r", | or ", "、", expected).replace("'", "")


def _outside(kind: str, bound: Any) -> str:
    if isinstance(bound, str):  # pydantic writes a day so
        side = "以降" if kind.startswith("greater") else "以前"
        return f"{bound}{side}の日付を指定してください（例: 2026-11-21）。"
    if isinstance(bound, int | float) and abs(bound) >= _LARGEST_BOUND:
        return f"数字が長すぎます。{len(str(int(abs(bound)))) - 1}桁までの整数で指定してください（例: 12）。"
    return MESSAGES[kind].format_map(dict.fromkeys(("ge", "gt", "le", "lt"), bound))
