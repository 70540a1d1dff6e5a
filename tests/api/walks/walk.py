"""Walks the whole API as one user: every operation of the OpenAPI document, and the rows that it leads to.

No area is named here. Routes, permissions and parameters come from the document, rows from the lists that the walker
may read: a list at `/api/x/things` leads to `/api/x/things/{id}` and on to what lies below each of them.
"""

from __future__ import annotations

import io
import os
import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from typing import Any

import httpx2
import openpyxl
import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode

from tests import pdfs
from tests.api.callers import Operation as Generated
from tests.api.callers import openapi_operations
from tests.whole import service_app

WORKBOOK = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
PARAMETER = re.compile(r"\{[^}]+\}")
# Shorter texts occur everywhere by chance.
MIN_TEXT_LENGTH = 6
# Timestamps, days, months and times of day: two rows often have the same. And postal codes, each of half a town.
SHARED_VALUES = re.compile(r"\d{4}-\d\d(-\d\d(T[\d:.]+Z)?)?|\d\d:\d\d:\d\d|\d{7}")
# Enough to see whether isolation holds; a walk through every row would take minutes.
ROWS_FOLLOWED = 3
ROWS_FOLLOWED_DAILY = 1
PAGE = 100


@dataclass(frozen=True)
class Operation:
    method: str
    path: str
    permission: str | None
    description: Mapping[str, Any] = field(compare=False)

    @property
    def path_parameter_count(self) -> int:
        return len(PARAMETER.findall(self.path))

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Matches the paths of this operation."""
        return re.compile("[^/]+".join(map(re.escape, PARAMETER.split(self.path))))

    @cached_property
    def is_list(self) -> bool:
        answer = self.description["responses"].get("200", {}).get("content", {}).get("application/json", {})
        name = answer.get("schema", {}).get("$ref", "").rpartition("/")[2]
        return self.method == "GET" and "items" in document()["components"]["schemas"].get(name, {}).get(
            "properties", {}
        )

    @cached_property
    def parameter_names(self) -> frozenset[str]:
        return frozenset(parameter["name"] for parameter in self.description.get("parameters", ()))


# Areas whose routes are left out: tests/house/test_sixth_area.py walks one area again, and not all of the product.
LEFT_OUT = tuple(f"/api/{name}/" for name in os.environ.get("WALK_WITHOUT", "").split())


@cache
def document() -> Mapping[str, Any]:
    """The OpenAPI document without the routes of areas that are left out. Building it takes longer than most tests,
    so no module does that while tests are collected."""
    openapi = service_app().fastapi.openapi()
    return openapi | {"paths": {path: item for path, item in openapi["paths"].items() if not path.startswith(LEFT_OUT)}}


@cache
def operations() -> list[Operation]:
    return [
        Operation(method.upper(), path, operation.get("x-permission"), operation)
        for path, item in document()["paths"].items()
        for method, operation in item.items()
    ]


def protected_operations() -> list[Operation]:
    """Those that require a permission."""
    return [operation for operation in operations() if operation.permission]


@cache
def lists() -> list[Operation]:
    """Those without path parameters first: /labels.pdf is no row of the list next to it."""
    return sorted(
        (operation for operation in operations() if operation.is_list),
        key=lambda operation: operation.path_parameter_count,
    )


@cache
def generated() -> Mapping[tuple[str, str], Generated]:
    return {(operation.method.upper(), operation.path): operation for operation in openapi_operations(dict(document()))}


@cache
def bodies(operation: Operation) -> list[object]:
    """Bodies that are valid by the document, so that a refusal is about the row and not about the form."""
    generated_operation = generated()[operation.method, operation.path]
    if not generated_operation.body:
        return [None]
    result: list[object] = []

    @settings(
        max_examples=2, deadline=None, database=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate]
    )
    @given(case=generated_operation.as_strategy(generation_mode=GenerationMode.POSITIVE))
    def collect(case: schemathesis.Case[Any]) -> None:
        result.append(case.body)

    collect()
    return result


@dataclass
class Walker:
    """One signed-in user of the API."""

    login_id: str
    token: str
    client: TestClient
    tenants: Mapping[str, int]  # area -> the agency or nursery that this user is bound to there
    rows_by_path: dict[str, list[dict[str, Any]]]  # path -> the rows that were listed there
    rows_followed: int = ROWS_FOLLOWED

    def call(self, method: str, path: str, **options: Any) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {self.token}"} | options.pop("headers", {})
        answer: httpx2.Response = self.client.request(method, path, headers=headers, **options)
        return answer

    def read_text(self, path: str) -> str:
        """What this user reads at a path: the values of JSON, because its keys are the document's. The text of a PDF
        is compressed in the file. A PDF may also contain rows of lists that its reader may not see, so it can give
        something away only to a user who is bound to a tenant of its area: for all others it is not requested."""
        if path.endswith(".pdf") and path.split("/")[2] not in self.tenants:
            return ""
        answer = self.call("GET", path)
        kind = answer.headers.get("content-type", "")
        if kind in ("application/json", "application/problem+json"):
            return "\n".join(_texts(answer.json()))
        if kind.startswith("text/csv"):
            return answer.text.partition("\r\n")[2]  # column titles belong to no tenant
        if kind == WORKBOOK:
            return _cells(answer.content)
        return "\n".join(pdfs.page_texts(answer.content)) if kind == "application/pdf" else answer.text

    @cached_property
    def permissions(self) -> frozenset[str]:
        return frozenset(self.call("GET", "/api/auth/me").json()["permissions"])

    @property
    def home_area(self) -> str:
        """The area that the demo named this account after."""
        return self.login_id.split("-")[0]

    def may(self, operation: Operation) -> bool:
        return operation.permission is None or operation.permission in self.permissions

    def rows(self, path: str) -> list[dict[str, Any]]:
        """All items of the list at a path, because its exports have them all; empty when this user has no such list."""
        if path not in self.rows_by_path:
            self.rows_by_path[path] = [*self._items(path)]
        return self.rows_by_path[path]

    def _items(self, path: str) -> Iterator[dict[str, Any]]:
        operation = next((listing for listing in lists() if listing.pattern.fullmatch(path)), None)
        if operation is None or not self.may(operation):
            return
        # All rows: some lists show only the user's own ones by default.
        params = {"limit": str(PAGE), **({"mine": "false"} if "mine" in operation.parameter_names else {})}
        while True:
            answer = self.call("GET", path, params=params)
            if answer.status_code != 200:
                return
            body = answer.json()
            yield from body["items"]
            if not body.get("next_cursor"):
                return
            params["cursor"] = body["next_cursor"]

    def paths(self, template: str) -> Iterator[str]:
        """The template with each parameter replaced by ids that this user can list."""
        match = PARAMETER.search(template)
        if match is None:
            yield template
            return
        before, after = template[: match.start()], template[match.end() :]
        for row in self.rows(before.rstrip("/"))[: self.rows_followed]:
            if "id" in row:
                yield from self.paths(f"{before}{row['id']}{after}")

    def all_paths(self, template: str) -> set[str]:
        """As `paths`, of all rows that this user can list, and not only the first ROWS_FOLLOWED."""
        match = PARAMETER.search(template)
        assert match is not None
        before, after = template[: match.start()], template[match.end() :]
        rows = {f"{before}{row['id']}{after}" for row in self.rows(before.rstrip("/")) if "id" in row}
        return {path for row in rows for path in (self.all_paths(row) if PARAMETER.search(row) else {row})}

    def lists(self) -> Iterator[tuple[str, list[dict[str, Any]]]]:
        """Every list that this user can read, below every row that this user can list: (path, rows)."""
        for operation in lists():
            yield from ((path, self.rows(path)) for path in self.paths(operation.path))

    def texts(self) -> set[str]:
        """Every text in every record that this user can list: users of other tenants must find it nowhere. A row
        without an id is no record: it lists what the product can do."""
        records = [row for _, rows in self.lists() for row in rows if "id" in row]
        return {text for row in records for text in _texts(row) if len(text) >= MIN_TEXT_LENGTH}


WalkerChoice = Callable[[list[Walker]], list[Walker]]


def _sample(walkers: list[Walker]) -> list[Walker]:
    """For each area a random user who sees one tenant only, and a random one who sees all of them. They read less."""
    shuffled = random.sample(walkers, len(walkers))
    chosen = {(walker.home_area, bool(walker.tenants)): walker for walker in shuffled}.values()
    return [replace(walker, rows_followed=ROWS_FOLLOWED_DAILY) for walker in chosen]


def _distinct(walkers: list[Walker]) -> list[Walker]:
    """Users with the same permissions in the same tenants see the same: one of them is enough."""
    return [*{(walker.permissions, frozenset(walker.tenants.items())): walker for walker in walkers}.values()]


CHOOSE_WALKERS = pytest.mark.parametrize(
    "choose", [_sample, pytest.param(_distinct, marks=pytest.mark.deep)], ids=["some", "everybody"]
)


def walker_pairs(walkers: list[Walker]) -> Iterator[tuple[Walker, Walker]]:
    """Every pair of a reader and the owner of the rows: the reader must not see everything that the owner sees."""
    yield from ((reader, owner) for reader in walkers for owner in walkers if reader is not owner)


def _cells(workbook: bytes) -> str:
    """Every cell below the header row; in the file they are compressed."""
    sheets = openpyxl.load_workbook(io.BytesIO(workbook), read_only=True).worksheets
    return "\n".join(str(value) for sheet in sheets for row in sheet.iter_rows(2, values_only=True) for value in row)


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        if not SHARED_VALUES.fullmatch(value):
            yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
