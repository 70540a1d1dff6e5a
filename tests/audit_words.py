"""A check on every test: each audit log entry that the product writes has Japanese titles for its subject and for every
field, nested ones included. Entries that tests write themselves are not checked."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.luhn import card_numbers

PRODUCT_PACKAGES = ("service.", "jobs.")


def missing_titles(area: str, subject: str, *values: Mapping[str, Any] | None) -> list[str]:
    """The codes of an audit log entry that have no Japanese title."""
    from service.core.audit import search

    fields = search.field_titles(area)
    codes = {name for value in values if value is not None for name in _field_names(value)}
    untitled = [] if subject in search.subject_titles(area) else [f"{area}: subject {subject}"]
    return untitled + [f"{area}: field {name}" for name in sorted(codes - fields.keys())]


def _field_names(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _field_names(item)
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield name
            yield from _field_names(item)


@pytest.fixture(autouse=True)
def every_audited_word(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    from service.core import audit

    untitled: list[str] = []
    card_number_hits: list[str] = []
    record, record_many = audit.record, audit.record_many

    def checked_record(
        db: Any, by: Any, action: Any, area: str, subject: str, subject_id: object, **values: Any
    ) -> None:
        if _is_called_by_product():
            untitled.extend(missing_titles(area, subject, values.get("before"), values.get("after")))
        for side in ("before", "after"):
            card_number_hits.extend(card_numbers(json.dumps(audit.masked(values.get(side)), default=str)))
        record(db, by, action, area, subject, subject_id, **values)

    def checked_record_many(db: Any, by: Any, action: Any, area: str, subject: str, changes: Any) -> None:
        entries = list(changes)
        if _is_called_by_product():
            for _, before, after in entries:
                untitled.extend(missing_titles(area, subject, before, after))
        record_many(db, by, action, area, subject, entries)

    monkeypatch.setattr(audit, "record", checked_record)
    monkeypatch.setattr(audit, "record_many", checked_record_many)
    yield
    assert card_number_hits == [], "a card number in the trail"
    assert untitled == [], "audited without Japanese words: see service/core/audit/search.py and the area's rules"


def _is_called_by_product() -> bool:
    frame = inspect.currentframe()
    caller = frame.f_back.f_back if frame and frame.f_back else None
    return caller is not None and str(caller.f_globals.get("__name__", "")).startswith(PRODUCT_PACKAGES)
