"""The gate: what a browser gets that has no session, has a wrong one, or was sent by a foreign page."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update
from sqlalchemy.orm import Session
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.types import Message
from starlette.websockets import WebSocket, WebSocketDisconnect
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.Markdown_pb2 import Markdown
from streamlit.proto.RootContainer_pb2 import RootContainer
from streamlit.runtime import Runtime

import dashboards.app as dashboards_app
from dashboards.gate import (
    IDENTITY_HEADERS,
    SERVICE_RESTART,
    STRIPPED_HEADERS,
    AuthenticationMiddleware,
    Connection,
    Connections,
)
from dashboards.menu import MENU
from dashboards.session import BROWSER_ADDRESS_HEADER, SESSION_COOKIE
from service.core.access.identity import UserSession
from service.core.database.clock import real_now
from tests.dashboards.conftest import Network, clear_session_cache
from tests.people import PASSWORD

STREAM = "/_stcore/stream"


def assert_refused(browser: TestClient, headers: dict[str, str] | None = None, code: int = 1000) -> None:
    with (
        pytest.raises(WebSocketDisconnect) as refused,
        browser.websocket_connect(STREAM, subprotocols=["streamlit"], headers=dict(headers or {})),
    ):
        pass
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("address", "login"),
    [
        ("/", "/login"),
        ("/dashboard", "/login?next=%2Fdashboard"),
        ("/dashboard?status=error&q=%E6%96%B0%E5%AE%BF", "/login?next=%2Fdashboard%3Fstatus%3Derror%26q%3D%25E6"),
        ("/nowhere", "/login?next=%2Fnowhere"),
        ("/login/", "/login"),
    ],
)
def test_without_a_cookie_a_page_leads_to_the_login_page_and_back(web: TestClient, address: str, login: str) -> None:
    answer = web.get(address)

    assert answer.status_code == 303
    assert answer.headers["location"].startswith(login)
    assert "reason" not in answer.headers["location"]


def test_with_a_cookie_that_is_not_valid_any_more_the_login_page_says_why(web: TestClient) -> None:
    web.cookies.set(SESSION_COOKIE, "not-a-token")

    answer = web.get("/dashboard")

    assert answer.headers["location"] == "/login?next=%2Fdashboard&reason=expired"
    assert "ログアウトしたか、セッションの有効期限が切れました。" in web.get(answer.headers["location"]).text


@pytest.mark.parametrize("address", ["/_stcore/host-config", "/media/picture.png", "/dashboard/_stcore/host-config"])
def test_what_a_browser_fetches_by_itself_is_refused_without_a_redirect(web: TestClient, address: str) -> None:
    answer = web.get(address)

    assert answer.status_code == 401
    assert answer.text.startswith("ログアウトしたか、セッションの有効期限が切れました。")


def test_an_upload_without_a_session_is_refused(web: TestClient) -> None:
    assert web.post("/_stcore/upload_file/a/b", content=b"x").status_code == 401
    assert web.post("/dashboard", content=b"x").status_code == 401


@pytest.mark.parametrize("address", ["/", "/dashboard"])
def test_with_a_session_the_page_is_served_in_japanese(signed_in: TestClient, address: str) -> None:
    answer = signed_in.get(address)

    assert answer.status_code == 200
    assert '<html lang="ja">' in answer.text
    assert "<title>Genba（現場）</title>" in answer.text


@pytest.mark.parametrize("address", ["/nowhere", "/dashboardx", "/login2", "/logout/", "/health/x", "/docs"])
def test_an_address_that_is_no_page_is_not_found_in_japanese(signed_in: TestClient, address: str) -> None:
    answer = signed_in.get(address)

    assert answer.status_code == 404
    assert "ページが見つかりません" in answer.text
    assert "streamlit" not in answer.text.lower()


def test_a_revoked_session_is_refused_once_the_cached_answer_expires(signed_in: TestClient, db: Session) -> None:
    assert signed_in.get("/dashboard").status_code == 200
    db.execute(update(UserSession).values(revoked_at=real_now()))
    db.commit()
    clear_session_cache()

    assert signed_in.get("/dashboard").status_code == 303


def test_the_service_is_asked_once_for_the_many_requests_of_a_page(signed_in: TestClient, network: Network) -> None:
    for address in ("/", "/dashboard", "/_stcore/host-config", "/nowhere"):
        signed_in.get(address)

    assert network.calls == ["GET /api/auth/me"]


def test_a_refused_token_is_not_asked_about_again_and_again(web: TestClient, network: Network) -> None:
    web.cookies.set(SESSION_COOKIE, "not-a-token")
    for _ in range(3):
        web.get("/_stcore/host-config")

    assert network.calls == ["GET /api/auth/me"]


@pytest.mark.parametrize("address", ["/login", "/_stcore/health", "/app/static/ja.js", "/app/static/plain.css"])
def test_what_the_login_page_needs_is_open(web: TestClient, network: Network, address: str) -> None:
    assert web.get(address).status_code == 200
    assert network.calls == []


def test_streamlits_metrics_are_closed_to_all(web: TestClient, signed_in: TestClient) -> None:
    for browser in (web, signed_in):
        assert browser.get("/_stcore/metrics").status_code == 404


def test_while_the_service_is_away_a_page_says_so_and_tries_again_by_itself(
    signed_in: TestClient, network: Network
) -> None:
    network.cut()

    answer = signed_in.get("/dashboard")

    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "10"
    assert answer.headers["cache-control"] == "no-store"
    assert "サービスに接続できません" in answer.text
    assert "保存済みのデータはそのままです。" in answer.text
    assert '<meta http-equiv="refresh" content="10">' in answer.text
    assert "受付番号 " in answer.text


def test_while_the_service_is_away_no_user_is_sent_to_the_login_page(signed_in: TestClient, network: Network) -> None:
    network.cut()

    assert signed_in.get("/dashboard").status_code == 503
    assert signed_in.get("/login?next=/dashboard").status_code == 200
    assert signed_in.get("/_stcore/host-config").status_code == 503


def test_a_service_that_answers_nonsense_signs_no_user_out(signed_in: TestClient, network: Network) -> None:
    import httpx2

    for status, body in ((200, "<h1>Maintenance</h1>"), (401, "<h1>Proxy</h1>"), (302, "")):
        answer = httpx2.Response(status, text=body)
        network.use(httpx2.Client(base_url="http://service", transport=httpx2.MockTransport(lambda _, a=answer: a)))
        clear_session_cache()

        assert signed_in.get("/dashboard").status_code == 503


def test_a_websocket_without_a_session_is_refused(web: TestClient) -> None:
    assert_refused(web)


def test_a_websocket_with_a_wrong_session_is_refused(web: TestClient) -> None:
    web.cookies.set(SESSION_COOKIE, "not-a-token")

    assert_refused(web)


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://testserver.evil.example", "http://testserver:8000", "null", "http://["]
)
def test_a_websocket_of_a_foreign_page_is_refused_though_the_session_is_right(
    signed_in: TestClient, network: Network, origin: str
) -> None:
    assert_refused(signed_in, {"origin": origin})
    assert network.calls == []


def test_a_websocket_of_a_foreign_page_is_recognised_by_its_fetch_metadata_too(signed_in: TestClient) -> None:
    assert_refused(signed_in, {"sec-fetch-site": "cross-site"})
    assert_refused(signed_in, {"sec-fetch-site": "same-site"})


def test_who_signs_in_again_gets_the_open_pages_back(signed_in: TestClient) -> None:
    with signed_in.websocket_connect(STREAM, subprotocols=["streamlit"]) as page:
        answer = signed_in.post("/login", data={"login_id": "olivia", "password": PASSWORD})
        assert answer.status_code == 303
        close_message = next(message for message in iter(page.receive, None) if message["type"] == "websocket.close")

    assert close_message["code"] == SERVICE_RESTART


def test_pages_of_other_users_and_browsers_stay_as_they_are() -> None:
    closed: list[str] = []

    def connection(name: str, login_id: str) -> Connection:
        async def send(message: Message) -> None:
            closed.append(f"{name} {message['type']}")

        return Connection(send, login_id)

    connections = Connections()
    with (
        connections.registered("shared", connection("hers", "olivia")),
        connections.registered("shared", connection("his", "oscar")),
        connections.registered("elsewhere", connection("at home", "olivia")),
    ):
        asyncio.run(connections.renew("shared", "olivia"))
        asyncio.run(connections.renew("unknown", "olivia"))

    assert closed == ["hers websocket.close"]


def test_a_websocket_is_asked_to_come_back_later_while_the_service_is_away(
    signed_in: TestClient, network: Network
) -> None:
    network.cut()

    assert_refused(signed_in, code=1013)


def visible_menu(browser: TestClient) -> tuple[list[tuple[str, str]], str]:
    """What Streamlit draws when a browser opens the start page: the menu, and the title of the page it ends on."""
    menu: list[tuple[str, str]] = []
    section, title = "", ""
    with browser.websocket_connect(
        STREAM, subprotocols=["streamlit"], headers={"origin": "http://testserver", "sec-fetch-site": "same-origin"}
    ) as socket:
        start = BackMsg()
        start.rerun_script.query_string = ""
        socket.send_bytes(start.SerializeToString())
        while True:
            message = ForwardMsg.FromString(socket.receive_bytes())
            kind = message.WhichOneof("type")
            element = message.delta.new_element
            if kind == "navigation":
                menu = []
            elif kind == "delta" and message.delta.add_block.WhichOneof("type") == "expandable":
                section = message.delta.add_block.expandable.label
            elif kind == "delta" and element.markdown.element_type == Markdown.CAPTION:
                section = element.markdown.body
            elif (
                kind == "delta"
                and element.WhichOneof("type") == "page_link"
                and message.metadata.delta_path[0] == RootContainer.SIDEBAR
            ):
                menu.append((section, element.page_link.label))
            elif kind == "delta" and element.WhichOneof("type") == "heading":
                title = title or element.heading.body
            elif kind == "script_finished" and message.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN:
                return menu[:-1], title  # The last link is the user's own name.


@pytest.mark.parametrize(
    ("role", "menu", "title"),
    [
        (
            "operator",
            [
                ("", "ホーム"),
                ("端末管理", "ダッシュボード"),
                ("端末管理", "アラート一覧"),
                ("端末管理", "顧客一覧"),
                ("端末管理", "端末一覧"),
                ("端末管理", "レポート"),
                ("共通", "処理状況"),
            ],
            "ホーム",
        ),
        (
            "admin",
            [
                ("", "ホーム"),
                *((entry.section, entry.title) for entry in MENU if entry.in_menu and entry.area in ("fleet", "core")),
            ],
            "ホーム",
        ),
        ("viewer", [("", "ホーム"), ("端末管理", "レポート")], "ホーム"),
    ],
)
def test_the_cookie_alone_decides_the_menu_and_the_page_behind_the_websocket(
    web: TestClient,
    token_of: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    role: str,
    menu: list[tuple[str, str]],
    title: str,
) -> None:
    # AppTest leaves the process without a runtime.
    monkeypatch.setattr(Runtime, "_instance", dashboards_app.app._runtime)
    web.cookies.set(SESSION_COOKIE, token_of("olivia", fleet=role))

    assert visible_menu(web) == (menu, title)


def echo() -> AuthenticationMiddleware:
    """The gate in front of an application that returns the headers that reached it."""

    def http(request: Request) -> JSONResponse:
        return JSONResponse(dict(request.headers))

    async def websocket(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_json(dict(socket.headers))
        await socket.close()

    return AuthenticationMiddleware(Starlette(routes=[Route("/dashboard", http), WebSocketRoute(STREAM, websocket)]))


def test_headers_that_name_a_user_never_reach_the_application(network: Network, token_of: Callable[..., str]) -> None:
    browser = TestClient(echo())
    browser.cookies.set(SESSION_COOKIE, token_of("olivia", fleet="operator"))
    forged = {name.decode().title(): "admin" for name in STRIPPED_HEADERS} | {"X-Harmless": "yes"}

    over_http = browser.get("/dashboard", headers=forged).json()
    with browser.websocket_connect(STREAM, headers=forged) as socket:
        over_websocket = socket.receive_json()

    for headers in (over_http, over_websocket):
        assert "x-harmless" in headers
        assert not headers.keys() & {name.decode() for name in IDENTITY_HEADERS}
        assert headers[BROWSER_ADDRESS_HEADER] == "testclient"


def test_a_forged_identity_alone_opens_nothing(web: TestClient) -> None:
    forged = {name.decode(): "admin" for name in IDENTITY_HEADERS}

    assert web.get("/dashboard", headers=forged).status_code == 303
    assert_refused(web, forged)
