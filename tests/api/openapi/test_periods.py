"""A period that ends before it starts is refused, wherever a route takes one: an empty list would say that there is
nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fastapi._compat import ModelField
from fastapi.params import Query

from service.core.http.problem_responses import field_errors
from service.core.values.periods import WRONG_ORDER
from tests.api.openapi.fields import fields_by_route

# By their names; and every pair with the ends `_from` and `_to`.
PAIRS = {"since": "until", "first_day": "last_day", "from": "to"}


def last_of(first: str) -> str | None:
    return PAIRS.get(first) or (first.removesuffix("_from") + "_to" if first.endswith("_from") else None)


def is_day(schema: Mapping[str, Any]) -> bool:
    return any(choice.get("format") in ("date", "date-time") for choice in (schema, *schema.get("anyOf", ())))


def filters() -> Iterator[tuple[str, ModelField, dict[str, Any]]]:
    """The query parameters of every route that are a model: (path, field, properties)."""
    for path, field in fields_by_route():
        if isinstance(field.field_info, Query):
            yield path, field, field._type_adapter.json_schema().get("properties", {})


def test_a_period_that_ends_before_it_starts_is_refused_at_its_end() -> None:
    found = []
    for path, field, properties in filters():
        days = [name for name, schema in properties.items() if is_day(schema)]
        for first in days:
            last = last_of(first)
            if last is None or last not in days:
                continue
            _, errors = field.validate({first: "2026-11-22", last: "2026-11-21"}, loc=("query",))
            assert (last, WRONG_ORDER) in field_errors(errors), path
            assert field.validate({first: "2026-11-21", last: "2026-11-21"}, loc=("query",))[1] == [], path
            found.append(path)

    assert len(found) >= 30, found


def test_no_route_takes_two_days_that_are_no_period() -> None:
    """Two days of a route are a pair that the test above knows."""
    for path, _, properties in filters():
        days = {name for name, schema in properties.items() if is_day(schema)}
        pairs = {name for first in days if (last := last_of(first)) in days for name in (first, last)}
        assert len(days - pairs) <= 1, (path, days)
