"""Lists over HTTP, and how routes are found."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from service.core.database.paging import write_cursor
from service.core.routing import path_table

LISTS = [
    "/api/fleet/alerts",
    "/api/fleet/customers",
    "/api/fleet/terminals",
    "/api/core/audit",
    "/api/core/messages",
    "/api/core/tasks",
    "/api/core/tasks/everybody",
    "/api/core/users",
]


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("cursor", ["x", "bm9uc2Vuc2U", "WyItaWQiLDFd"])
def test_every_list_refuses_an_invalid_cursor_in_the_same_words(
    sign_in: Callable[..., TestClient], path: str, cursor: str
) -> None:
    answer = sign_in("adam", fleet="admin").get(path, params={"cursor": cursor})

    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("ページの位置")


@pytest.mark.parametrize(("path", "sort"), [("/api/fleet/terminals", "status"), ("/api/fleet/customers", "terminals")])
@pytest.mark.parametrize("number", [2**31, -(2**63), 2**63 - 1])
def test_a_cursor_behind_any_number_is_a_page(
    sign_in: Callable[..., TestClient], path: str, sort: str, number: int
) -> None:
    """The column is a small integer; the number in a made-up cursor may be larger."""
    client = sign_in("adam", fleet="admin")

    answer = client.get(path, params={"sort": sort, "cursor": write_cursor(sort, number + (number < 0), 1)})

    assert answer.status_code == 200, answer.text
    assert answer.json()["items"] == []


def test_a_route_is_found_by_its_path_and_all_others_as_ever() -> None:
    source = FastAPI()

    @source.get("/things/{name}")
    def named(name: str) -> str:
        return name

    @source.get("/things/all")
    def listed() -> str:
        return "a list"

    routes = [*source.router.routes]
    app = FastAPI(openapi_url=None)
    path_table.install(app, routes)
    http = TestClient(app)

    assert http.get("/things/all").json() == "a list"
    assert http.get("/things/one").json() == "one"
    assert http.post("/things/all").status_code == 405
    assert http.get("/elsewhere").status_code == 404
