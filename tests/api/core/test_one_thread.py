"""How the functions of a route are run."""

from __future__ import annotations

import asyncio
from threading import get_ident
from typing import Annotated

import pytest
from fastapi import APIRouter, Depends, FastAPI, Form
from fastapi.testclient import TestClient
from pydantic import BaseModel

from service.core.database.session import Db
from service.core.routing import one_thread


class Thing(BaseModel):
    name: str


def serve(router: APIRouter) -> TestClient:
    app = FastAPI(openapi_url=None)
    one_thread.install(router.routes)
    app.router.routes.extend(router.routes)
    return TestClient(app)


def test_a_route_its_dependencies_and_the_check_of_its_answer_run_in_one_thread() -> None:
    router, threads = APIRouter(), dict[str, int]()

    def plain() -> None:
        threads["plain dependency"] = get_ident()

    async def asynchronous() -> None:
        threads["async dependency"] = get_ident()

    @router.post("/things", dependencies=[Depends(plain), Depends(asynchronous)])
    def create(thing: Thing) -> Thing:
        threads["route"] = get_ident()
        return thing

    @router.get("/loop")
    async def loop() -> int:
        return get_ident()

    client = serve(router)
    with client:
        assert client.post("/things", json={"name": "店"}).json() == {"name": "店"}
        assert client.post("/things", json={}).status_code == 422
        assert len({*threads.values()}) == 1
        assert client.get("/loop").json() not in threads.values()


CALLS: list[int] = []


def count() -> int:
    CALLS.append(1)
    return len(CALLS)


def count_again(counted: Annotated[int, Depends(count)]) -> int:
    return counted


def test_a_dependency_is_called_once_for_a_request() -> None:
    router = APIRouter()

    @router.get("/counts")
    def counts(first: Annotated[int, Depends(count)], second: Annotated[int, Depends(count_again)]) -> list[int]:
        return [first, second]

    client = serve(router)
    assert [client.get("/counts").json() for _ in range(2)] == [[1, 1], [2, 2]]


def test_a_file_in_a_form_that_has_none_is_a_wrong_input_however_large() -> None:
    router = APIRouter()

    @router.post("/forms")
    def fill(name: Annotated[str, Form()]) -> str:
        return name

    client = serve(router)
    assert client.post("/forms", data={"name": "店"}).json() == "店"
    for size in (10, 1_500_000):
        assert client.post("/forms", files={"name": ("店.txt", b"x" * size)}).status_code == 422


def test_a_route_with_a_session_cannot_be_asynchronous() -> None:
    router = APIRouter()

    @router.get("/wrong")
    async def wrong(db: Db) -> None: ...

    with pytest.raises(TypeError, match="/wrong"):
        one_thread.install(router.routes)


def test_what_waits_for_the_event_loop_is_a_mistake_that_shows() -> None:
    router = APIRouter()

    async def waiting() -> None:
        await asyncio.sleep(0)

    @router.get("/waits", dependencies=[Depends(waiting)])
    def waits() -> None: ...

    with pytest.raises(RuntimeError, match="event loop"):
        serve(router).get("/waits")
