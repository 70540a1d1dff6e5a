"""Walking the whole API as somebody: every operation of the OpenAPI document, and whatever rows it leads to.

Nothing here knows an area. Routes, permissions and parameters come from the document, rows from the lists the walker
may read: a list at `/api/x/things` leads to `/api/x/things/{id}` and on to what lies below each of them.
"""

from __future__ import annotations

import io
import os
import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any

import httpx2
import openpyxl
import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode

from tests import paper
from tests.api.callers import Operation as Generated
from tests.api.callers import drawn
from tests.whole import whole

WORKBOOK = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
PARAMETER = re.compile(r"\{[^}]+\}")
# A shorter text stands anywhere by chance.
TELLING = 6
# Moments, days, months and times of day: what happens at once in two rows has the same. And postal codes, of half a
# town each.
NOBODYS = re.compile(r"\d{4}-\d\d(-\d\d(T[\d:.]+Z)?)?|\d\d:\d\d:\d\d|\d{7}")
# Enough to see whether a border holds; a walk through every row would take minutes.
ROWS_FOLLOWED = 3
PAGE = 100


@dataclass(frozen=True)
class Operation:
    method: str
    path: str
    permission: str | None
    description: Mapping[str, Any] = field(compare=False)

    @property
    def parameters(self) -> int:
        return len(PARAMETER.findall(self.path))

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Of the addresses that this is asked at."""
        return re.compile("[^/]+".join(map(re.escape, PARAMETER.split(self.path))))

    @cached_property
    def is_list(self) -> bool:
        answer = self.description["responses"].get("200", {}).get("content", {}).get("application/json", {})
        name = answer.get("schema", {}).get("$ref", "").rpartition("/")[2]
        return self.method == "GET" and "items" in document()["components"]["schemas"].get(name, {}).get(
            "properties", {}
        )

    @cached_property
    def asked(self) -> frozenset[str]:
        """The names of its parameters."""
        return frozenset(parameter["name"] for parameter in self.description.get("parameters", ()))


# Areas whose routes are left out: tests/house/test_sixth_area.py walks one area again, and not all of the product.
LEFT_OUT = tuple(f"/api/{name}/" for name in os.environ.get("WALK_WITHOUT", "").split())


@cache
def document() -> Mapping[str, Any]:
    """Without the routes of areas that are left out. To make it takes longer than most tests: none asks for it to be
    collected."""
    made = whole().fastapi.openapi()
    return made | {"paths": {path: item for path, item in made["paths"].items() if not path.startswith(LEFT_OUT)}}


@cache
def operations() -> list[Operation]:
    return [
        Operation(method.upper(), path, operation.get("x-permission"), operation)
        for path, item in document()["paths"].items()
        for method, operation in item.items()
    ]


def locked() -> list[Operation]:
    """Those that ask for a permission."""
    return [operation for operation in operations() if operation.permission]


@cache
def lists() -> list[Operation]:
    """Without parameters first: /labels.pdf is no row of the list beside it."""
    return sorted((operation for operation in operations() if operation.is_list), key=lambda one: one.parameters)


@cache
def generated() -> Mapping[tuple[str, str], Generated]:
    return {(operation.method.upper(), operation.path): operation for operation in drawn(dict(document()))}


@cache
def bodies(operation: Operation) -> list[object]:
    """Bodies that follow the document, so that a refusal is about the row and not about the form."""
    drawn_from = generated()[operation.method, operation.path]
    if not drawn_from.body:
        return [None]
    made: list[object] = []

    @settings(
        max_examples=2, deadline=None, database=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate]
    )
    @given(case=drawn_from.as_strategy(generation_mode=GenerationMode.POSITIVE))
    def collect(case: schemathesis.Case[Any]) -> None:
        made.append(case.body)

    collect()
    return made


@dataclass
class Walker:
    """One signed-in person in front of the API."""

    login_id: str
    token: str
    client: TestClient
    tenants: Mapping[str, int]  # area -> the agency or nursery this person is bound to there
    seen: dict[str, list[dict[str, Any]]]  # path -> the rows that were listed there

    def call(self, method: str, path: str, **options: Any) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {self.token}"} | options.pop("headers", {})
        answer: httpx2.Response = self.client.request(method, path, headers=headers, **options)
        return answer

    def reads(self, path: str) -> str:
        """What this person reads at a path: the values of JSON, for its keys are the document's. A PDF's text is
        compressed in the file; and it may stand in for lists that one may not see, so it gives something away only to
        those who are bound to a tenant of its area: nobody else has it made."""
        if path.endswith(".pdf") and path.split("/")[2] not in self.tenants:
            return ""
        answer = self.call("GET", path)
        kind = answer.headers.get("content-type", "")
        if kind in ("application/json", "application/problem+json"):
            return "\n".join(_texts(answer.json()))
        if kind.startswith("text/csv"):
            return answer.text.partition("\r\n")[2]  # the titles of columns are nobody's words
        if kind == WORKBOOK:
            return _cells(answer.content)
        return "\n".join(paper.pages(answer.content)) if kind == "application/pdf" else answer.text

    @cached_property
    def held(self) -> frozenset[str]:
        """The permissions of this person."""
        return frozenset(self.call("GET", "/api/auth/me").json()["permissions"])

    @property
    def home(self) -> str:
        """The area that the demo named this person after."""
        return self.login_id.split("-")[0]

    def may(self, operation: Operation) -> bool:
        return operation.permission is None or operation.permission in self.held

    def rows(self, path: str) -> list[dict[str, Any]]:
        """The items of the list at a path, all of them, for its files hold them all; none when there is no such list
        for this person."""
        if path not in self.seen:
            self.seen[path] = [*self._items(path)]
        return self.seen[path]

    def _items(self, path: str) -> Iterator[dict[str, Any]]:
        known = next((one for one in lists() if one.pattern.fullmatch(path)), None)
        if known is None or not self.may(known):
            return
        # To be shown all of it: some begin with one's own rows.
        where = {"limit": str(PAGE), **({"mine": "false"} if "mine" in known.asked else {})}
        while True:
            answer = self.call("GET", path, params=where)
            if answer.status_code != 200:
                return
            body = answer.json()
            yield from body["items"]
            if not body.get("next_cursor"):
                return
            where["cursor"] = body["next_cursor"]

    def places(self, template: str) -> Iterator[str]:
        """The template with each parameter replaced by ids this person can list."""
        found = PARAMETER.search(template)
        if found is None:
            yield template
            return
        before, after = template[: found.start()], template[found.end() :]
        for row in self.rows(before.rstrip("/"))[:ROWS_FOLLOWED]:
            if "id" in row:
                yield from self.places(f"{before}{row['id']}{after}")

    def all_places(self, template: str) -> set[str]:
        """As `places`, of all that this person can list, and not only the first ROWS_FOLLOWED."""
        found = PARAMETER.search(template)
        assert found is not None
        before, after = template[: found.start()], template[found.end() :]
        rows = {f"{before}{row['id']}{after}" for row in self.rows(before.rstrip("/")) if "id" in row}
        return {place for row in rows for place in (self.all_places(row) if PARAMETER.search(row) else {row})}

    def lists(self) -> Iterator[tuple[str, list[dict[str, Any]]]]:
        """Every list this person can read, below every row they can list: (path, rows)."""
        for operation in lists():
            yield from ((place, self.rows(place)) for place in self.places(operation.path))

    def words(self) -> set[str]:
        """Every text in every record this person can list: what a stranger must not find anywhere. A row without an
        id is no record: it lists what the product can do."""
        records = [row for _, rows in self.lists() for row in rows if "id" in row]
        return {text for row in records for text in _texts(row) if len(text) >= TELLING}


Asking = Callable[[list[Walker]], list[Walker]]


def _some(walkers: list[Walker]) -> list[Walker]:
    """Of each area one whose people see one tenant only, and one who sees all of it: another each day."""
    shuffled = random.sample(walkers, len(walkers))
    return [*{(walker.home, bool(walker.tenants)): walker for walker in shuffled}.values()]


def _each(walkers: list[Walker]) -> list[Walker]:
    """Who may the same in the same tenants sees the same."""
    return [*{(walker.held, frozenset(walker.tenants.items())): walker for walker in walkers}.values()]


LOOKING = pytest.mark.parametrize(
    "looking", [_some, pytest.param(_each, marks=pytest.mark.deep)], ids=["some", "everybody"]
)


def strangers(walkers: list[Walker]) -> Iterator[tuple[Walker, Walker]]:
    """(who looks, whose rows): pairs of whom the first does not see everything that the second sees."""
    yield from ((one, other) for one in walkers for other in walkers if one is not other)


def _cells(workbook: bytes) -> str:
    """Every cell below the titles; in the file they are compressed."""
    sheets = openpyxl.load_workbook(io.BytesIO(workbook), read_only=True).worksheets
    return "\n".join(str(value) for sheet in sheets for row in sheet.iter_rows(2, values_only=True) for value in row)


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        if not NOBODYS.fullmatch(value):
            yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
