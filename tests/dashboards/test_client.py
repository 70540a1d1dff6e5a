"""The only HTTP client: what the user reads when the service refuses, fails or does not answer."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Thread

import httpx2
import pytest
import uvicorn

from dashboards import client
from dashboards.client import Api, ApiProblem
from dashboards.settings import Settings
from tests.dashboards.conftest import Network

Answer = Callable[[httpx2.Request], httpx2.Response]


def answer_with(network: Network, status: int, **content: object) -> list[httpx2.Request]:
    """From now on something other than our service answers. The returned list fills with the requests."""
    requests: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        requests.append(request)
        return httpx2.Response(status, **content)  # type: ignore[arg-type]

    network.use(httpx2.Client(base_url="http://service", transport=httpx2.MockTransport(answer)))
    return requests


@contextmanager
def peer(behave: Callable[[socket.socket], None]) -> Iterator[httpx2.Client]:
    """A real listener that treats its first connection as `behave` does, and a client with a timeout of 0.2 s."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(1024)
                behave(connection)

        thread = Thread(target=serve)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with httpx2.Client(base_url=url, timeout=0.2, trust_env=False) as http:
            yield http
        thread.join()


def silence(connection: socket.socket) -> None:
    """Answers nothing until the other side gives up."""
    with suppress(OSError):
        while connection.recv(1024):
            pass


def hanging_up(_: socket.socket) -> None:
    """Closes the connection without an answer."""


def problem_of(call: Callable[[], object]) -> ApiProblem:
    with pytest.raises(ApiProblem) as caught:
        call()
    return caught.value


def test_a_refusal_carries_the_services_message_and_fields(network: Network) -> None:
    problem = problem_of(lambda: Api().post("/api/auth/login", {"login_id": "", "password": "x"}, idempotency_key=None))

    assert problem.status == 422
    assert problem.title == "入力内容を確認してください"
    assert problem.detail.endswith("login_id。")
    assert problem.errors == [{"field": "login_id", "message": "1文字以上で入力してください。"}]
    assert not problem.temporary


def test_a_refusal_has_the_reference_that_the_service_logged(network: Network) -> None:
    problem = problem_of(lambda: Api("not-a-token").get("/api/auth/me"))

    assert problem.status == 401
    assert [problem.reference] == network.references
    assert len(problem.reference) == 12


def test_the_token_travels_as_a_bearer_and_only_when_there_is_one(network: Network) -> None:
    requests = answer_with(network, 200, json={})

    Api("the-token").get("/x")
    Api().get("/x")

    assert requests[0].headers["authorization"] == "Bearer the-token"
    assert "authorization" not in requests[1].headers


def test_parameters_without_a_value_are_left_out(network: Network) -> None:
    requests = answer_with(network, 200, json={})

    Api().get("/x", limit=20, q=None, state="")

    assert requests[0].url.query == b"limit=20&state="


def test_an_answer_without_content_is_none(network: Network) -> None:
    answer_with(network, 204)

    assert Api().post("/x", idempotency_key=None) is None


@pytest.mark.parametrize(
    ("method", "detail"),
    [
        ("GET", "サービスに接続できません。しばらく待ってから、もう一度お試しください。"),
        ("POST", "サービスに接続できません。保存はされていません。しばらく待ってから、もう一度お試しください。"),
    ],
)
def test_a_service_that_cannot_be_reached_has_stored_nothing(network: Network, method: str, detail: str) -> None:
    network.cut()

    problem = problem_of(lambda: Api().get("/x") if method == "GET" else Api().post("/x", idempotency_key=None))

    assert (problem.status, problem.detail) == (0, detail)
    assert problem.temporary
    assert problem.reference


@pytest.mark.parametrize("behave", [silence, hanging_up])
def test_a_read_without_an_answer_may_be_tried_again(network: Network, behave: Callable[[socket.socket], None]) -> None:
    with peer(behave) as http:
        network.use(http)
        problem = problem_of(lambda: Api().get("/x"))

    assert problem.status == 0
    assert problem.detail == "サービスから応答がありませんでした。しばらく待ってから、もう一度お試しください。"


@pytest.mark.parametrize("behave", [silence, hanging_up])
def test_a_write_without_an_answer_may_have_been_stored_and_says_so(
    network: Network, behave: Callable[[socket.socket], None]
) -> None:
    with peer(behave) as http:
        network.use(http)
        problem = problem_of(lambda: Api().post("/x", {"a": 1}, idempotency_key=None))

    assert problem.status == 0
    assert "保存されたかどうかを確認できません。" in problem.detail
    assert "もう一度お試し" not in problem.detail


@pytest.mark.parametrize(
    ("status", "content"),
    [
        *((status, {"text": "<h1>nginx</h1>"}) for status in (200, 302, 401, 404, 502)),
        *((status, {"json": ["nginx"]}) for status in (401, 404, 502)),
        (403, {"json": {"message": "nginx"}}),
    ],
)
def test_an_answer_that_is_not_our_services_is_never_taken_for_one(
    network: Network, status: int, content: dict[str, object]
) -> None:
    answer_with(network, status, **content)

    problem = problem_of(lambda: Api().get("/x"))

    assert problem.status == 502
    assert problem.temporary
    assert f"（状態 {status}）" in problem.detail
    assert "nginx" not in problem.detail


def test_trouble_in_the_service_is_temporary_and_a_refusal_is_not() -> None:
    assert [ApiProblem(status, "", "").temporary for status in (0, 500, 503, 400, 401, 403, 404, 409, 422)] == (
        [True] * 3 + [False] * 6
    )


def test_the_client_asks_where_the_settings_say_and_waits_as_long_as_they_say(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = Settings(service_url="http://service.example:9000", service_timeout_seconds=7)
    monkeypatch.setattr(client, "settings", lambda: chosen)

    with client.make_client.__wrapped__() as http:
        assert str(http.base_url) == "http://service.example:9000"
        assert (http.timeout.read, http.timeout.write, http.timeout.connect) == (7, 7, 3)


def test_no_connection_is_used_again_when_the_service_may_just_be_closing_it() -> None:
    """With seconds to spare, because a slow machine may pause."""
    with client.make_client.__wrapped__() as http:
        expiry: float = http._transport._pool._keepalive_expiry  # type: ignore[attr-defined]  # visible nowhere else

    assert expiry <= uvicorn.Config("").timeout_keep_alive / 2


def test_all_sessions_share_one_client() -> None:
    client.make_client.cache_clear()
    try:
        assert client.make_client() is client.make_client()
    finally:
        client.make_client().close()
        client.make_client.cache_clear()


def test_the_service_gets_the_seconds_since_the_users_last_write(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user who is new to this process counts as having just written."""
    now = 1000.0
    monkeypatch.setattr(client, "last_writes", client.LastWrites())
    monkeypatch.setattr(time, "monotonic", lambda: now)
    requests = answer_with(network, 200, json={})

    def sent_header() -> str | None:
        return requests[-1].headers.get(client.SINCE_WRITE_HEADER)

    hanako, taro = Api("hanako"), Api("taro")
    hanako.get("/a")
    assert sent_header() == "0.000"
    now += 60
    hanako.get("/a")
    assert sent_header() == "60.000"
    taro.get("/a")
    assert sent_header() == "0.000"
    hanako.post("/a", {}, idempotency_key=None)
    assert sent_header() is None
    now += 2.5
    hanako.get("/a")
    assert sent_header() == "2.500"
    taro.get("/a")
    assert sent_header() == "2.500"
    Api().get("/a")
    assert sent_header() is None


def test_a_write_without_an_answer_counts(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "last_writes", client.LastWrites())
    client.last_writes._times.put("hanako", 0.0)
    with peer(silence) as http:
        network.use(http)
        with pytest.raises(ApiProblem):
            Api("hanako").put("/a", {})

    assert client.last_writes.seconds_since("hanako") < 60


def test_a_press_while_the_first_one_works_gets_its_answer(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "STILL_RUNNING_PAUSE_SECONDS", 0)
    still_running = {"type": client.STILL_RUNNING, "detail": "同じ送信をまだ処理しています。"}
    answers = iter([httpx2.Response(409, json=still_running), httpx2.Response(201, json={"id": 1})])
    keys: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        keys.append(request.headers["Idempotency-Key"])
        return next(answers)

    network.use(httpx2.Client(base_url="http://service", transport=httpx2.MockTransport(answer)))

    assert Api().post("/api/things", idempotency_key="one") == {"id": 1}
    assert keys == ["one", "one"]


def test_a_first_press_that_never_ends_is_not_waited_for_without_end(network: Network) -> None:
    answer_with(network, 409, json={"type": client.STILL_RUNNING, "detail": "同じ送信をまだ処理しています。"})

    problem = problem_of(lambda: Api(patience=0.01).post("/api/things", idempotency_key="one"))

    assert (problem.status, problem.temporary) == (409, True)
