"""A check on every test: each audit log entry that the product writes has Japanese titles for its subject and for every
field, nested ones included. Entries that tests write themselves are not checked."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

from tests.luhn import card_numbers

if TYPE_CHECKING:
    from service.core.audit.schemas import AuditItem

PRODUCT_PACKAGES = ("service.", "jobs.")


def missing_titles(area: str, subject: str, *values: Mapping[str, Any] | None) -> list[str]:
    """The codes of an audit log entry that have no Japanese title."""
    from service.core.audit import search

    fields = search.field_titles(area)
    codes = {name for value in values if value is not None for name in _field_names(value)}
    untitled = [] if subject in search.subject_titles(area) else [f"{area}: subject {subject}"]
    return untitled + [f"{area}: field {name}" for name in sorted(codes - fields.keys())]


def shown_codes(area: str, subject: str, before: Any, after: Any) -> list[str]:
    """The codes that an audit log entry would show as they are."""
    from service.core.audit import masked, search

    old, new = json.loads(json.dumps([masked(before), masked(after)], default=str))
    shown = search.changes(old, new, search.field_titles(area), search._values(area, subject))
    return [
        f"{area}: {subject}.{change.field} is shown as {text}"
        for change in shown
        for text in (change.before, change.after)
        if text and not codes().isdisjoint(text.split("、"))
    ]


def _field_names(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _field_names(item)
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield name
            yield from _field_names(item)


RAW = re.compile(
    r"None|True|False|true|false|null|.*(\d{4}-\d\d-\d\d|\d\d:\d\d:\d\d|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-).*",
    re.DOTALL,
)


@cache
def codes() -> frozenset[str]:
    """Every code of the product that is no word of Japanese."""
    from service.core.areas import areas
    from service.core.values import labels

    found = {code for tables in labels.TABLES.values() for table in tables.values() for code in map(str, table)}
    found |= {code for area in areas().values() for code in (*area.fields, *area.subjects)}
    pending = list(StrEnum.__subclasses__())
    while pending:
        enumeration = pending.pop()
        pending += enumeration.__subclasses__()
        if enumeration.__module__.startswith("service."):
            found |= {str(member) for member in enumeration}
    return frozenset(code for code in found if re.fullmatch(r"[A-Za-z_.-]{2,}", code))


def raw_parts(item: AuditItem) -> list[str]:
    """What of an entry, as it is shown, is no word: ids, codes, times as machines write them."""
    from service.core.audit import names

    raw = []
    if item.subject_id.isdecimal() and item.target.split()[-1:] == [item.subject_id]:
        raw.append(f"target {item.target}")
    if RAW.fullmatch(item.target):
        raw.append(f"target {item.target}")
    for change in item.changes:
        field = change.field.rpartition(".")[2]
        for text in (text for text in (change.before, change.after) if text):
            # A chore's owner is a text.
            named = field in names.fields(item.area) and (item.subject, field) != ("chore", "owner")
            is_id = named and any(part.isdecimal() for part in text.split("、"))
            if is_id or RAW.fullmatch(text) or not codes().isdisjoint(text.split("、")):
                raw.append(f"{item.subject}.{change.field} {text[:80]}")
    return [f"{item.area} {item.action} {part}" for part in raw]


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
            untitled.extend(shown_codes(area, subject, values.get("before"), values.get("after")))
        for side in ("before", "after"):
            card_number_hits.extend(card_numbers(json.dumps(audit.masked(values.get(side)), default=str)))
        record(db, by, action, area, subject, subject_id, **values)

    def checked_record_many(db: Any, by: Any, action: Any, area: str, subject: str, changes: Any) -> None:
        entries = list(changes)
        if _is_called_by_product():
            for _, before, after in entries:
                untitled.extend(missing_titles(area, subject, before, after))
                untitled.extend(shown_codes(area, subject, before, after))
        record_many(db, by, action, area, subject, entries)

    monkeypatch.setattr(audit, "record", checked_record)
    monkeypatch.setattr(audit, "record_many", checked_record_many)
    yield
    assert card_number_hits == [], "a card number in the trail"
    hint = "audited without Japanese words: see service/core/audit/search.py and the area's rules"
    assert not untitled, f"{hint}: {untitled}"


def _is_called_by_product() -> bool:
    frame = inspect.currentframe()
    caller = frame.f_back.f_back if frame and frame.f_back else None
    return caller is not None and str(caller.f_globals.get("__name__", "")).startswith(PRODUCT_PACKAGES)
