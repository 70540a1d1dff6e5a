"""What a draft may hold: plain JSON, and nothing of a card."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any

from service.agencies.fields.rules import holds_card_number

MOST_BYTES = 64 * 1024
DEEPEST = 6
# Of a form that is about nothing yet.
NO_SUBJECT = "-"
CARD_REFUSED = (
    "カード番号とセキュリティコードは下書きに保存できません。カード情報は送信の直前に、決められた欄に入力してください。"
)
_CARD_KEYS = re.compile(r"card.*(number|code|cv[cv])|security_?code|(^|\.)cv[cv]2?$", re.IGNORECASE)
# PostgreSQL's text has no NUL, and UTF-8 no lone surrogates.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_MOST_DIGITS = 2**63


class Form(StrEnum):
    """What is filled in; for the last three the subject is what it is about."""

    NEW_REQUEST = "new_request"
    ADD_SITE = "add_site"
    CORRECTION = "correction"
    CORPORATION = "corporation"
    SITE = "site"


def refusals(values: Mapping[str, Any]) -> dict[str, str]:
    """By field of the form, why it may not be kept; none of them repeats what stands there."""
    found: dict[str, str] = {}
    for name, value in values.items():
        for path, leaf in _leaves(name, value):
            if reason := _refusal(path, leaf):
                found.setdefault(name, reason)
    return found


def is_too_large(values: Mapping[str, Any]) -> bool:
    try:
        return len(json.dumps(values, ensure_ascii=False).encode("utf-8", "surrogatepass")) > MOST_BYTES
    except RecursionError:
        return True


def _leaves(path: str, value: Any, depth: int = 0) -> Iterator[tuple[str, Any]]:
    if depth > DEEPEST:
        yield path, math.nan
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield path, name  # a text too
            yield from _leaves(f"{path}.{name}", inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(path, inner, depth + 1)
    else:
        yield path, value


def _refusal(path: str, leaf: Any) -> str | None:
    if _CARD_KEYS.search(path) and leaf not in (None, ""):
        return CARD_REFUSED
    if isinstance(leaf, float) and not math.isfinite(leaf):
        return "この値は下書きに保存できません。入力し直してください。"
    if isinstance(leaf, (int, float)) and not isinstance(leaf, bool) and abs(leaf) >= _MOST_DIGITS:
        return "数値が大きすぎます。入力し直してください。"
    text = str(leaf)
    if _UNSTORABLE.search(text) or _UNSTORABLE.search(path):
        return "使えない文字が含まれています。入力し直してください。"
    return CARD_REFUSED if holds_card_number(text) or holds_card_number(path) else None
