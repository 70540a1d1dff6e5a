"""Whatever the product writes into its audit trail while a test runs has Japanese words: what it is about, and every
field, nested ones included. Tests that write entries themselves may invent what they like."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.luhn import card_numbers

WRITERS = ("service.", "jobs.")


def without_words(area: str, subject: str, *values: Mapping[str, Any] | None) -> list[str]:
    """The codes of an entry that people would have to read as they are."""
    from service.core.audit import search

    fields = search.field_titles(area)
    names = {name for value in values if value is not None for name in _names(value)}
    found = [] if subject in search.subject_titles(area) else [f"{area}: subject {subject}"]
    return found + [f"{area}: field {name}" for name in sorted(names - fields.keys())]


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _names(item)
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield name
            yield from _names(item)


@pytest.fixture(autouse=True)
def every_audited_word(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    from service.core import audit

    wordless: list[str] = []
    cards: list[str] = []
    record, record_many = audit.record, audit.record_many

    def one(db: Any, by: Any, action: Any, area: str, subject: str, subject_id: object, **given: Any) -> None:
        if _by_the_product():
            wordless.extend(without_words(area, subject, given.get("before"), given.get("after")))
        for side in ("before", "after"):
            cards.extend(card_numbers(json.dumps(audit.masked(given.get(side)), default=str)))
        record(db, by, action, area, subject, subject_id, **given)

    def many(db: Any, by: Any, action: Any, area: str, subject: str, changes: Any) -> None:
        listed = list(changes)
        if _by_the_product():
            for _, before, after in listed:
                wordless.extend(without_words(area, subject, before, after))
        record_many(db, by, action, area, subject, listed)

    monkeypatch.setattr(audit, "record", one)
    monkeypatch.setattr(audit, "record_many", many)
    yield
    assert cards == [], "a card number in the trail"
    assert wordless == [], "audited without Japanese words: see service/core/audit/search.py and the area's rules"


def _by_the_product() -> bool:
    frame = inspect.currentframe()
    caller = frame.f_back.f_back if frame and frame.f_back else None
    return caller is not None and str(caller.f_globals.get("__name__", "")).startswith(WRITERS)
