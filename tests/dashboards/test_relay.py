"""Uploads and downloads through the dashboards in their own process: what passes, what is refused, and how little
memory they take."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import httpx2
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from dashboards.session import SESSION_COOKIE
from tests.dashboards.dashboards import Dashboards, start
from tests.processes import free_port, stop_process, wait_until_ok
from tests.waiting import wait_for

MEGABYTE = 1024 * 1024
LARGE = 200 * MEGABYTE
OWN = {"X-Requested-With": "genba"}
USER = {
    "login_id": "olivia",
    "name": "Olivia",
    "permissions": ["fleet:terminal:read"],
    "must_change_password": False,
    "as_of": "2031-01-08T01:00:00Z",
}
PROBLEM = {
    "type": "about:blank",
    "title": "大きすぎます",
    "status": 413,
    "detail": "20MB以下にしてください。",
    "errors": [],
}


@dataclass
class UpstreamService:
    """A service that accepts and sends as much as it is asked for, and records what it saw."""

    port: int = field(default_factory=free_port)
    headers: dict[str, str] = field(default_factory=dict)
    address: str = ""
    received: int = 0
    sent: int = 0
    aborted: bool = False
    stopped: bool = False
    may_answer: threading.Event = field(default_factory=threading.Event)
    client_ports: list[int] = field(default_factory=list)

    async def put(self, request: Request) -> Response:
        self.headers, self.address = dict(request.headers), str(request.url)
        self.received, self.aborted = 0, False
        self.client_ports.append(request.client.port if request.client else 0)
        if request.query_params.get("name") == "refused":
            return JSONResponse(PROBLEM, 413, media_type="application/problem+json")
        if request.query_params.get("name") == "hung up":
            await asyncio.to_thread(self.may_answer.wait, 60)
            # uvicorn closes the connection right after such an answer; whatever still arrives is answered with a reset.
            return JSONResponse(PROBLEM, 413, {"Connection": "close"}, media_type="application/problem+json")
        try:
            async for chunk in request.stream():
                self.received += len(chunk)
        except ClientDisconnect:
            self.aborted = True
            raise
        return JSONResponse({"id": "1"}, 201, {"Set-Cookie": "stolen=1", "Server": "far"})

    async def get(self, request: Request) -> Response:
        self.headers, self.address = dict(request.headers), str(request.url)
        self.sent, self.stopped = 0, False
        name = request.path_params.get("path", "")
        if name == "nonsense":
            return HTMLResponse("<h1>Proxy</h1>", 500)
        if name == "ended":
            return JSONResponse(PROBLEM | {"status": 401}, 401, media_type="application/problem+json")
        if name == "page":
            return HTMLResponse("<script>alert(1)</script>", headers={"Set-Cookie": "stolen=1"})
        if name == "paper":
            disposition = "inline; filename*=UTF-8''%E5%87%BA%E6%AC%A0.pdf"
            return Response(b"%PDF-1.7", media_type="application/pdf", headers={"Content-Disposition": disposition})
        return StreamingResponse(self._large(), media_type="text/csv", headers={"Content-Length": str(LARGE)})

    async def _large(self) -> AsyncIterator[bytes]:
        chunk = b"x" * 65536
        try:
            while self.sent < LARGE:
                self.sent += len(chunk)
                await asyncio.sleep(
                    0
                )  # as reading from a storage does; without it the end of the reader is not noticed
                yield chunk
        finally:
            self.stopped = True

    @property
    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/api/health/live", lambda _: JSONResponse({})),
                Route("/api/auth/me", lambda _: JSONResponse(USER)),
                Route("/api/core/files", self.put, methods=["PUT"]),
                Route("/api/core/files/{file_id}", self.get),
                Route("/api/{path:path}", self.get),
            ]
        )


@pytest.fixture(scope="module")
def upstream() -> Iterator[UpstreamService]:
    upstream = UpstreamService()
    server = uvicorn.Server(uvicorn.Config(upstream.app, port=upstream.port, log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_until_ok(f"http://127.0.0.1:{upstream.port}/api/health/live")
    yield upstream
    server.should_exit = True
    thread.join(10)


@pytest.fixture(scope="module")
def dashboards(upstream: UpstreamService) -> Iterator[Dashboards]:
    started = start(f"http://127.0.0.1:{upstream.port}")
    yield started
    stop_process(started.process)


class Growth:
    """How much the process grew while the block ran, at its peak."""

    def __init__(self, dashboards: Dashboards) -> None:
        self.dashboards, self.peak = dashboards, 0

    def __enter__(self) -> Growth:
        self._before, self._done = self.dashboards.memory(), threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._done.wait(0.01):
            self.peak = max(self.peak, self.dashboards.memory() - self._before)

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()


def megabytes(count: int) -> Iterator[bytes]:
    for _ in range(count * 16):
        yield b"x" * 65536


def test_an_upload_reaches_the_service_with_the_users_token_and_no_other_credential(
    dashboards: Dashboards, upstream: UpstreamService
) -> None:
    with dashboards.browser(**OWN) as browser:
        answer = browser.put(
            "/files",
            params={"name": "現地 写真.jpg", "purpose": "fleet.terminal_photo", "admin": "1"},
            content=b"12345",
            headers={
                "Idempotency-Key": "3f",
                "Cookie": f"{SESSION_COOKIE}=token-of-olivia; other=1",
                "Authorization": "Bearer x",
            },
        )

    assert (answer.status_code, answer.json(), upstream.received) == (201, {"id": "1"}, 5)
    assert upstream.headers["authorization"] == "Bearer token-of-olivia"
    assert upstream.headers["idempotency-key"] == "3f"
    assert upstream.headers["content-length"] == "5"
    assert upstream.headers["x-genba-address"].startswith("127.0.0.1;")
    assert "cookie" not in upstream.headers
    assert upstream.address.endswith(
        "?name=%E7%8F%BE%E5%9C%B0%20%E5%86%99%E7%9C%9F.jpg&purpose=fleet.terminal_photo"
    ) or (upstream.address.endswith("?name=%E7%8F%BE%E5%9C%B0+%E5%86%99%E7%9C%9F.jpg&purpose=fleet.terminal_photo"))
    assert "set-cookie" not in answer.headers
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Requested-With": "XMLHttpRequest"},
        OWN | {"Origin": "https://evil.example"},
        OWN | {"Sec-Fetch-Site": "cross-site"},
        OWN | {"Sec-Fetch-Site": "same-site"},
        OWN | {"Origin": "null"},
    ],
)
def test_an_upload_that_a_foreign_page_could_send_is_refused(
    dashboards: Dashboards, upstream: UpstreamService, headers: dict[str, str]
) -> None:
    upstream.address = ""
    with dashboards.browser(**headers) as browser:
        answer = browser.put("/files?name=a&purpose=b", content=b"12345")

    assert answer.status_code == 403
    assert answer.headers["content-type"] == "application/problem+json"
    assert "ほかのサイトから送られた" in answer.json()["detail"]
    assert upstream.address == ""


def test_without_a_session_scripts_get_a_problem_and_users_the_login_page(dashboards: Dashboards) -> None:
    with httpx2.Client(base_url=dashboards.url) as anonymous:
        for answer in (anonymous.put("/files?name=a", content=b"x", headers=OWN), anonymous.get(f"/files/{'0' * 32}")):
            assert answer.status_code == 401
            assert "もう一度ログインしてください" in answer.json()["detail"]
        page = anonymous.get("/download/api/fleet/terminals.csv")
        assert page.headers["location"] == "/login?next=%2Fdownload%2Fapi%2Ffleet%2Fterminals.csv"


def test_a_large_upload_passes_through_in_constant_memory(dashboards: Dashboards, upstream: UpstreamService) -> None:
    with dashboards.browser(**OWN) as browser:
        browser.put("/files?name=warm&purpose=b", content=megabytes(4))
        with Growth(dashboards) as growth:
            answer = browser.put("/files?name=large&purpose=b", content=megabytes(200))

    assert (answer.status_code, upstream.received) == (201, LARGE)
    assert growth.peak <= 16 * MEGABYTE


def test_a_large_download_passes_through_in_constant_memory(dashboards: Dashboards) -> None:
    def read(browser: httpx2.Client) -> int:
        with browser.stream("GET", "/download/api/fleet/terminals.csv") as answer:
            return sum(len(chunk) for chunk in answer.iter_raw())

    with dashboards.browser() as browser:
        read(browser)
        with Growth(dashboards) as growth:
            assert read(browser) == LARGE

    assert growth.peak <= 16 * MEGABYTE


def test_a_browser_that_does_not_read_slows_the_service_and_fills_no_memory(
    dashboards: Dashboards, upstream: UpstreamService
) -> None:
    with dashboards.connect() as slow, Growth(dashboards) as growth:
        request = (
            "GET /download/api/fleet/terminals.csv HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Cookie: {SESSION_COOKIE}=token-of-olivia\r\n\r\n"
        )
        upstream.sent = 0
        slow.sendall(request.encode())
        assert slow.recv(100).startswith(b"HTTP/1.1 200")
        wait_for(lambda: upstream.sent > 0)
        # The service stops sending once the buffers on the way are full.
        previous = -1
        while upstream.sent != previous:
            previous = upstream.sent
            threading.Event().wait(0.3)

    # The system's own buffers on two connections, which may grow to tens of megabytes each.
    assert upstream.sent < LARGE / 2
    assert growth.peak <= 16 * MEGABYTE
    wait_for(lambda: upstream.stopped, "who closes the tab ends the service's work too")


def test_a_browser_that_disconnects_during_an_upload_ends_it_at_the_service_too(
    dashboards: Dashboards, upstream: UpstreamService
) -> None:
    with dashboards.connect() as raw:
        head = (
            f"PUT /files?name=a&purpose=b HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {SESSION_COOKIE}=token-of-olivia\r\n"
        )
        raw.sendall(f"{head}X-Requested-With: genba\r\nContent-Length: 1000000\r\n\r\n".encode() + b"x" * 1000)
        wait_for(lambda: upstream.received == 1000)

    wait_for(lambda: upstream.aborted)


def test_a_refusal_by_the_service_is_passed_on_unchanged(dashboards: Dashboards) -> None:
    with dashboards.browser(**OWN) as browser:
        answer = browser.put("/files?name=refused&purpose=b", content=megabytes(30))

    assert (answer.status_code, answer.headers["content-type"]) == (413, "application/problem+json")
    assert answer.json()["detail"] == "20MB以下にしてください。"


@pytest.mark.parametrize("full", [False, True], ids=["before the body comes", "while the sender has to wait"])
def test_the_answer_of_a_service_that_closes_before_it_has_read_the_file_reaches_the_user(
    dashboards: Dashboards, upstream: UpstreamService, full: bool
) -> None:
    sent = 0

    def body() -> Iterator[bytes]:
        nonlocal sent
        for chunk in megabytes(60):
            sent += len(chunk)
            yield chunk

    def answer_when_buffers_are_full() -> None:
        previous = -1
        while full and sent != previous:
            previous = sent
            threading.Event().wait(0.3)
        upstream.may_answer.set()

    upstream.may_answer.clear()
    with dashboards.browser(**OWN) as browser, ThreadPoolExecutor(1) as executor:
        executor.submit(answer_when_buffers_are_full)
        answer = browser.put("/files?name=hung%20up&purpose=b", content=body())

    assert (answer.status_code, answer.json()["detail"]) == (413, "20MB以下にしてください。")


def test_no_upload_reuses_a_connection_that_the_service_may_just_be_closing(
    dashboards: Dashboards, upstream: UpstreamService
) -> None:
    upstream.client_ports.clear()
    with dashboards.browser(**OWN) as browser:
        for _ in range(2):
            assert browser.put("/files?name=a&purpose=b", content=b"12345").status_code == 201

    assert len(upstream.client_ports) == len({*upstream.client_ports}) == 2


def test_more_than_any_file_may_have_is_refused_while_it_comes(upstream: UpstreamService) -> None:
    small = start(f"http://127.0.0.1:{upstream.port}", UPLOAD_MAX_MEGABYTES="1")
    try:
        with small.browser(**OWN) as browser:
            announced = browser.put("/files?name=a&purpose=b", content=b"x" * 2 * MEGABYTE)
            trickling = browser.put("/files?name=a&purpose=b", content=megabytes(2))
    finally:
        stop_process(small.process)

    for answer in (announced, trickling):
        assert answer.status_code == 413
        assert "1MB以下にして" in answer.json()["detail"]
    wait_for(lambda: upstream.aborted)


def test_whatever_is_downloaded_is_saved_and_never_opened_as_a_page_of_ours(dashboards: Dashboards) -> None:
    with dashboards.browser() as browser:
        answer = browser.get("/download/api/page?status=error")

    assert answer.headers["content-disposition"] == "attachment"
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert "set-cookie" not in answer.headers


def test_what_is_downloaded_keeps_the_name_that_the_service_gave_it(dashboards: Dashboards) -> None:
    with dashboards.browser() as browser:
        answer = browser.get("/download/api/paper")

    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''%E5%87%BA%E6%AC%A0.pdf"


@pytest.mark.parametrize(
    "path",
    [
        "metrics",
        "api",
        "api/",
        "apix/fleet",
        "api/../metrics",
        "api/%2e%2e/metrics",
        "api/..%2fmetrics",
        "api//evil.example/x",
        "api/fleet/%00",
        "api/fleet/a%3fb",
        "https://evil.example/api/x",
    ],
)
def test_only_plain_paths_of_the_api_can_be_downloaded(
    dashboards: Dashboards, upstream: UpstreamService, path: str
) -> None:
    upstream.address = ""
    with dashboards.connect() as raw:
        raw.sendall(
            f"GET /download/{path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
            f"Cookie: {SESSION_COOKIE}=token-of-olivia\r\n"
            "Accept: text/html\r\n\r\n".encode()
        )
        answer = b"".join(iter(lambda: raw.recv(65536), b""))

    assert answer.startswith((b"HTTP/1.1 404", b"HTTP/1.1 400"))  # Streamlit itself refuses some of them
    assert upstream.address == ""


def test_a_download_opened_by_a_foreign_page_is_refused_as_a_page(dashboards: Dashboards) -> None:
    foreign = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    with dashboards.browser(**foreign) as browser:
        answer = browser.get("/download/api/fleet/terminals.csv")

    assert answer.status_code == 403
    assert "ほかのサイトのリンクから開かれた" in answer.text
    assert answer.headers["content-type"].startswith("text/html")


def test_an_ended_session_leads_users_to_the_login_page_and_scripts_get_a_problem(dashboards: Dashboards) -> None:
    with dashboards.browser() as browser:
        page = browser.get("/download/api/ended", headers={"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "none"})
        script = browser.get("/download/api/ended")

    assert page.headers["location"] == "/login?next=%2Fdownload%2Fapi%2Fended&reason=expired"
    assert (script.status_code, "もう一度ログインしてください" in script.json()["detail"]) == (401, True)


def test_an_answer_that_is_not_our_services_is_not_passed_on(dashboards: Dashboards) -> None:
    with dashboards.browser() as browser:
        answer = browser.get("/download/api/nonsense")

    assert answer.status_code == 502
    assert "サービスが正しく応答しませんでした（状態 500）" in answer.json()["detail"]
    assert "Proxy" not in answer.text


def test_a_part_of_a_file_and_an_unchanged_one_can_be_asked_for(
    dashboards: Dashboards, upstream: UpstreamService
) -> None:
    with dashboards.browser(Range="bytes=0-9", **{"If-None-Match": '"abc"'}) as browser:
        with browser.stream("GET", "/files/11111111-1111-4111-8111-111111111111?thumbnail=1") as answer:
            assert answer.status_code == 200
        assert browser.get("/files/not-an-id").status_code == 404

    assert (upstream.headers["range"], upstream.headers["if-none-match"]) == ("bytes=0-9", '"abc"')
    assert upstream.address.endswith("/api/core/files/11111111-1111-4111-8111-111111111111?thumbnail=1")


def test_many_slow_uploads_do_not_hold_up_the_others(dashboards: Dashboards) -> None:
    async def upload_all() -> list[int]:
        go_on = asyncio.Event()

        async def trickle() -> AsyncIterator[bytes]:
            yield b"x" * 1000
            await go_on.wait()

        cookies = {SESSION_COOKIE: "token-of-olivia"}
        async with httpx2.AsyncClient(base_url=dashboards.url, headers=OWN, cookies=cookies, timeout=30) as http:
            slow = [asyncio.create_task(http.put("/files?name=a&purpose=b", content=trickle())) for _ in range(40)]
            quick = await http.put("/files?name=a&purpose=b", content=b"x")
            go_on.set()
            return [quick.status_code, *[answer.status_code for answer in await asyncio.gather(*slow)]]

    assert asyncio.run(upload_all()) == [201] * 41


def test_a_browser_that_stops_reading_does_not_make_the_service_send_the_rest(
    dashboards: Dashboards, upstream: UpstreamService
) -> None:
    for _ in range(5):
        with dashboards.browser() as browser, browser.stream("GET", "/download/api/fleet/terminals.csv") as answer:
            assert answer.status_code == 200
        wait_for(lambda: upstream.stopped)
        assert upstream.sent < 64 * MEGABYTE
