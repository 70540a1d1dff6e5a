"""The authentication gate: no page, file or websocket behind it is served without a valid session."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus

from anyio import to_thread
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from dashboards.addresses import FILES, HEALTH, LOGIN, LOGOUT, RELAYED, login_url
from dashboards.client import ApiProblem
from dashboards.plain import notice, refusal
from dashboards.session import BROWSER_ADDRESS_HEADER, BROWSER_COOKIE, SESSION_COOKIE, User, sessions

log = logging.getLogger(__name__)

OPEN_PATHS = {LOGIN, LOGOUT, HEALTH, "/_stcore/health"}
OPEN_FOLDERS = ("/static/", "/app/static/")
CLOSED_PATHS = {"/_stcore/metrics"}
# Fetched by scripts, which a redirect to the login page would only confuse.
FETCHED_FOLDERS = ("/_stcore/", "/media/", "/component/")
# Some proxies identify users by these headers. Here a browser could forge them, so they are removed.
IDENTITY_HEADERS = {
    b"remote-user",
    b"x-remote-user",
    b"x-forwarded-user",
    b"x-forwarded-email",
    b"x-app-user",
    b"x-app-role",
}
STRIPPED_HEADERS = IDENTITY_HEADERS | {BROWSER_ADDRESS_HEADER.encode()}

SESSION_ENDED = (
    "ログアウトしたか、セッションの有効期限が切れました。ページを読み込み直して、もう一度ログインしてください。"
)


class Connections:
    """The open websockets by browser.

    A page keeps the cookies with which its websocket was opened. After the websocket is closed, the page opens another
    by itself, with the present cookies, and goes on as it was.
    """

    def __init__(self) -> None:
        self._open: dict[str, set[Connection]] = {}

    @contextmanager
    def registered(self, browser: str, connection: Connection) -> Iterator[None]:
        self._open.setdefault(browser, set()).add(connection)
        try:
            yield
        finally:
            self._open[browser].discard(connection)
            if not self._open[browser]:
                del self._open[browser]

    async def renew(self, browser: str, login_id: str) -> None:
        """Closes the user's websockets in this browser, never those of another user."""
        for connection in [*self._open.get(browser, ())]:
            if connection.login_id == login_id:
                await connection.close()


class Connection:
    """A page's websocket, which can be closed from outside."""

    def __init__(self, send: Send, login_id: str) -> None:
        self._send = send
        self._is_closed = False
        self.login_id = login_id

    async def send(self, message: Message) -> None:
        if not self._is_closed:
            await self._send(message)

    async def close(self) -> None:
        self._is_closed = True
        with suppress(RuntimeError, OSError):  # The other side has just closed it.
            await self._send({"type": "websocket.close", "code": SERVICE_RESTART})


SERVICE_RESTART = 1012
connections = Connections()


class AuthenticationMiddleware:
    """Pure ASGI, because Starlette's BaseHTTPMiddleware never sees websockets."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        headers = [(name, value) for name, value in scope["headers"] if name.lower() not in STRIPPED_HEADERS]
        if client := scope.get("client"):
            # The client address that uvicorn found: the browser's, also behind a trusted proxy. Pages cannot see the
            # scope, but they see headers.
            headers.append((BROWSER_ADDRESS_HEADER.encode(), client[0].encode()))
        if scope["path"].startswith(RELAYED):
            # Streamlit would compress the stream, and then the length and the range of a partial answer (206) are
            # wrong. Compression is for the proxy in front.
            headers = [(name, value) for name, value in headers if name.lower() != b"accept-encoding"]
        scope = {**scope, "headers": headers}
        if scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:
            await self._http(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        answer: Response | None = None
        if path in CLOSED_PATHS:
            answer = PlainTextResponse("見つかりません。", HTTPStatus.NOT_FOUND)
        elif path not in OPEN_PATHS and not path.startswith(OPEN_FOLDERS):
            try:
                user = await signed_in(scope)
            except ApiProblem as problem:
                answer = _session_unknown(scope, problem)
            else:
                answer = _cross_site_refusal(scope) if user else _login_required(scope)
        await (answer or self.app)(scope, receive, send)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not same_origin(Headers(scope=scope)):
            log.warning("websocket refused: foreign origin %r", Headers(scope=scope).get("origin"))
            await WebSocketClose()(scope, receive, send)
            return
        try:
            user = await signed_in(scope)
        except ApiProblem:
            await WebSocketClose(code=1013)(scope, receive, send)
            return
        if user is None:
            await WebSocketClose()(scope, receive, send)
            return
        connection = Connection(send, user.login_id)
        with connections.registered(HTTPConnection(scope).cookies.get(BROWSER_COOKIE, ""), connection):
            await self.app(scope, receive, connection.send)


async def signed_in(scope: Scope) -> User | None:
    """The user of the request's cookie. Raises ApiProblem when the service cannot be asked."""
    token, address = HTTPConnection(scope).cookies.get(SESSION_COOKIE), client_address(scope)
    if not token:
        return None
    if cached := sessions.remembered(token, address):
        return cached[0]
    return await to_thread.run_sync(sessions.find, token, address)


def client_address(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else ""


def same_origin(headers: Headers) -> bool:
    """Whether our page, the address bar or a program other than a browser sent this request, not a foreign page."""
    origin = headers.get("origin")
    from_here = origin is None or origin.partition("://")[2] == headers.get("host")
    return from_here and headers.get("sec-fetch-site", "none") in ("same-origin", "none")


def _is_page(scope: Scope) -> bool:
    path: str = scope["path"]
    # Streamlit calls its own routes below the page's path too, as in /dashboard/_stcore/health.
    return scope["method"] in ("GET", "HEAD") and not path.startswith(FETCHED_FOLDERS) and "/_stcore/" not in path


def _is_file(scope: Scope) -> bool:
    path: str = scope["path"]
    return path == FILES or path.startswith(f"{FILES}/")


def _login_required(scope: Scope) -> Response:
    if _is_file(scope):
        headers = Headers(scope=scope)
        return refusal(headers, HTTPStatus.UNAUTHORIZED, title="ログインが必要です", text=SESSION_ENDED)
    if not _is_page(scope):
        return PlainTextResponse(SESSION_ENDED, HTTPStatus.UNAUTHORIZED)
    reason = "expired" if SESSION_COOKIE in HTTPConnection(scope).cookies else ""
    return RedirectResponse(login_url(scope["path"], scope["query_string"].decode("latin-1"), reason=reason), 303)


def _cross_site_refusal(scope: Scope) -> Response | None:
    """What a foreign page sends with the cookie changes nothing, even if Streamlit's own routes would accept it."""
    if scope["method"] in ("GET", "HEAD", "OPTIONS") or same_origin(Headers(scope=scope)) or _is_file(scope):
        return None  # The file routes refuse by themselves, with a message.
    return PlainTextResponse("ほかのサイトから送られたため、受け付けませんでした。", HTTPStatus.FORBIDDEN)


def _session_unknown(scope: Scope, problem: ApiProblem) -> Response:
    status = HTTPStatus.FORBIDDEN if problem.status == HTTPStatus.FORBIDDEN else HTTPStatus.SERVICE_UNAVAILABLE
    if _is_file(scope):
        headers = Headers(scope=scope)
        return refusal(headers, status, title=problem.title, text=problem.detail, reference=problem.reference)
    if not _is_page(scope):
        return PlainTextResponse(problem.detail, status)
    if status == HTTPStatus.FORBIDDEN:
        return notice(status, title="この場所からは利用できません", text=problem.detail)
    return notice(
        HTTPStatus.SERVICE_UNAVAILABLE,
        title="サービスに接続できません",
        text="データを管理しているサービスから応答がないため、画面を表示できません。"
        "保存済みのデータはそのままです。10秒ごとに自動で再接続します。",
        reference=problem.reference,
        retry=True,
    )
