"""What a draft may contain: plain JSON, and no card data."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any

from service.agencies.fields.rules import contains_card_number

MAX_BYTES = 64 * 1024
MAX_DEPTH = 6
# The subject of a form that has none.
NO_SUBJECT = "-"
CARD_REFUSED = (
    "カード番号とセキュリティコードは下書きに保存できません。カード情報は送信の直前に、決められた欄に入力してください。"
)
_CARD_KEYS = re.compile(r"card.*(number|code|cv[cv])|security_?code|(^|\.)cv[cv]2?$", re.IGNORECASE)
# PostgreSQL's text has no NUL, and UTF-8 no lone surrogates.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_MAX_NUMBER = 2**63


class Form(StrEnum):
    """The form of a draft; the last three have the record's id as subject."""

    NEW_REQUEST = "new_request"
    ADD_SITE = "add_site"
    CORRECTION = "correction"
    CORPORATION = "corporation"
    SITE = "site"


def storage_errors(values: Mapping[str, Any]) -> dict[str, str]:
    """The errors of values that may not be stored, by field of the form; no message repeats a value."""
    errors: dict[str, str] = {}
    for name, value in values.items():
        for path, leaf in _leaves(name, value):
            if reason := _error(path, leaf):
                errors.setdefault(name, reason)
    return errors


def is_too_large(values: Mapping[str, Any]) -> bool:
    try:
        return len(json.dumps(values, ensure_ascii=False).encode("utf-8", "surrogatepass")) > MAX_BYTES
    except RecursionError:
        return True


def _leaves(path: str, value: Any, depth: int = 0) -> Iterator[tuple[str, Any]]:
    if depth > MAX_DEPTH:
        yield path, math.nan
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield path, name  # keys are checked too
            yield from _leaves(f"{path}.{name}", inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(path, inner, depth + 1)
    else:
        yield path, value


def _error(path: str, leaf: Any) -> str | None:
    if _CARD_KEYS.search(path) and leaf not in (None, ""):
        return CARD_REFUSED
    if isinstance(leaf, float) and not math.isfinite(leaf):
        return "この値は下書きに保存できません。入力し直してください。"
    if isinstance(leaf, (int, float)) and not isinstance(leaf, bool) and abs(leaf) >= _MAX_NUMBER:
        return "数値が大きすぎます。入力し直してください。"
    text = str(leaf)
    if _UNSTORABLE.search(text) or _UNSTORABLE.search(path):
        return "使えない文字が含まれています。入力し直してください。"
    return CARD_REFUSED if contains_card_number(text) or contains_card_number(path) else None
