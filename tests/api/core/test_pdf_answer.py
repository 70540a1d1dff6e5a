"""PDFs as answers: making one blocks neither the database nor other requests."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import anyio
import httpx2
import pytest
from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient

from service.core import problems
from service.core.http import problem_responses
from service.core.reports.response import MAX_WAITING, Pdf


@pytest.fixture
def app() -> FastAPI:
    api = FastAPI()
    problem_responses.install(api)
    return api


def test_the_transaction_has_ended_before_the_pdf_is_made(app: FastAPI) -> None:
    steps: list[str] = []

    def transaction() -> Iterator[None]:
        yield
        steps.append("committed")

    def make() -> bytes:
        steps.append("made")
        return b"%PDF"

    @app.get("/", dependencies=[Depends(transaction, scope="function")])
    def route() -> Pdf:
        return Pdf(make, "報告 1.pdf")

    answer = TestClient(app).get("/")

    assert steps == ["committed", "made"]
    assert answer.content == b"%PDF"
    assert answer.headers["content-disposition"] == "inline; filename*=UTF-8''%E5%A0%B1%E5%91%8A%201.pdf"


def test_a_refusal_found_while_making_it_is_answered_like_any_other(app: FastAPI) -> None:
    def refuse() -> bytes:
        raise problems.Invalid("ラベルに入りません。")

    app.get("/api/pdf")(lambda: Pdf(refuse, "x.pdf"))

    answer = TestClient(app).get("/api/pdf")

    assert answer.status_code == 422
    assert answer.headers["content-type"] == problems.MEDIA_TYPE


def test_pdfs_are_made_one_at_a_time_and_a_full_queue_is_503(app: FastAPI) -> None:
    go_on = threading.Event()
    active, highest = [0], [0]

    def make() -> bytes:
        active[0] += 1
        highest[0] = max(highest[0], active[0])
        assert go_on.wait(30)
        active[0] -= 1
        return b"%PDF"

    app.get("/pdf")(lambda: Pdf(make, "x.pdf"))
    app.get("/other")(lambda: "served")

    async def rush() -> list[int]:
        answers: list[int] = []

        async def request_pdf(http: httpx2.AsyncClient) -> None:
            answers.append((await http.get("/pdf")).status_code)

        transport = httpx2.ASGITransport(app)
        async with (
            httpx2.AsyncClient(transport=transport, base_url="http://test") as http,
            anyio.create_task_group() as group,
        ):
            for _ in range(MAX_WAITING + 3):
                group.start_soon(request_pdf, http)
            with anyio.fail_after(30):
                while len(answers) < 2:
                    await anyio.lowlevel.checkpoint()
            # Other routes answer while a PDF is being made and three wait.
            assert (await http.get("/other")).json() == "served"
            go_on.set()
        return answers

    answers = anyio.run(rush)

    assert sorted(answers) == [200] * (MAX_WAITING + 1) + [503] * 2
    assert highest == [1]
