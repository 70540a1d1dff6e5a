"""Walking the whole API as somebody: every operation of the OpenAPI document, and whatever rows it leads to.

Nothing here knows an area. Routes, permissions and parameters come from the document, rows from the lists the walker
may read: a list at `/api/x/things` leads to `/api/x/things/{id}` and on to what lies below each of them.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx2
import openpyxl
from fastapi.testclient import TestClient

from tests import paper

WORKBOOK = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
PARAMETER = re.compile(r"\{[^}]+\}")
# A shorter text stands anywhere by chance.
TELLING = 6
MOMENT = re.compile(r"\d{4}-\d\d-\d\d(T[\d:.]+Z)?")
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


def operations(document: Mapping[str, Any]) -> list[Operation]:
    return [
        Operation(method.upper(), path, operation.get("x-permission"), operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
    ]


@dataclass
class Walker:
    """One signed-in person in front of the API."""

    login_id: str
    token: str
    client: TestClient
    document: Mapping[str, Any]
    tenants: Mapping[str, int]  # area -> the agency or nursery this person is bound to there
    _lists: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def call(self, method: str, path: str, **options: Any) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {self.token}"}
        answer: httpx2.Response = self.client.request(method, path, headers=headers, **options)
        return answer

    def reads(self, path: str) -> str:
        """What this person reads at a path: the values of JSON, for its keys are the document's. A PDF's text is
        compressed in the file; and it may stand in for lists that one may not see, so it gives something away only to
        those who are bound to a tenant of its area."""
        answer = self.call("GET", path)
        kind = answer.headers.get("content-type", "")
        if kind in ("application/json", "application/problem+json"):
            return "\n".join(_texts(answer.json()))
        if kind.startswith("text/csv"):
            return answer.text.partition("\r\n")[2]  # the titles of columns are nobody's words
        if kind == WORKBOOK:
            return _cells(answer.content)
        if kind != "application/pdf":
            return answer.text
        return "\n".join(paper.pages(answer.content)) if path.split("/")[2] in self.tenants else ""

    def may(self) -> frozenset[str]:
        return frozenset(self.call("GET", "/api/auth/me").json()["permissions"])

    def rows(self, path: str) -> list[dict[str, Any]]:
        """The items of the list at a path, all of them, for its files hold them all; none when there is no such list
        for this person."""
        if path not in self._lists:
            found: list[dict[str, Any]] = []
            body = self._page(path, {}) if self._is_list(path) else {}
            while body:
                found += body.get("items", [])
                cursor = body.get("next_cursor")
                body = self._page(path, {"cursor": cursor}) if cursor else {}
            self._lists[path] = found
        return self._lists[path]

    def _page(self, path: str, where: Mapping[str, str]) -> dict[str, Any]:
        answer = self.call("GET", path, params={"limit": PAGE, **where})
        if answer.status_code != 200 or answer.headers.get("content-type") != "application/json":
            return {}
        body = answer.json()
        return body if isinstance(body, dict) else {}

    def _is_list(self, path: str) -> bool:
        answers = ((known, item["get"]["responses"]["200"]) for known, item in self._reads().items())
        patterns = (PARAMETER.sub("[^/]+", known) for known, answer in answers if _is_json(answer))
        return any(re.fullmatch(pattern, path) for pattern in patterns)

    def _reads(self) -> dict[str, Any]:
        return {known: item for known, item in self.document["paths"].items() if "get" in item}

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

    def lists(self) -> Iterator[tuple[str, list[dict[str, Any]]]]:
        """Every list this person can read, below every row they can list: (path, rows)."""
        for operation in operations(self.document):
            if operation.method == "GET":
                yield from ((place, self.rows(place)) for place in self.places(operation.path))

    def words(self) -> set[str]:
        """Every text in every record this person can list: what a stranger must not find anywhere. A row without an
        id is no record: it lists what the product can do."""
        records = [row for _, rows in self.lists() for row in rows if "id" in row]
        return {text for row in records for text in _texts(row) if len(text) >= TELLING}


def _cells(workbook: bytes) -> str:
    """Every cell below the titles; in the file they are compressed."""
    sheets = openpyxl.load_workbook(io.BytesIO(workbook), read_only=True).worksheets
    return "\n".join(str(value) for sheet in sheets for row in sheet.iter_rows(2, values_only=True) for value in row)


def _is_json(answer: Mapping[str, Any]) -> bool:
    return "application/json" in answer.get("content", {})


def _texts(value: object) -> Iterator[str]:
    """A moment is nobody's, nor a day: what happens at once in two rows has the same."""
    if isinstance(value, str):
        if not MOMENT.fullmatch(value):
            yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
