"""Files between browser and service, streamed: nothing is stored here, and each side goes as fast as the other can.

`PUT /files?name=…&purpose=…` sends a file, `GET /files/{id}` shows one, `GET /download/api/…` saves what a GET of the
service answers. All use the token of the user's cookie, which no script can read.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpx2
from anyio import CancelScope
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from dashboards.addresses import login_url
from dashboards.client import SAFE_METHODS, last_writes, new_reference, signed_address_header
from dashboards.early_answers import Transport
from dashboards.gate import SESSION_ENDED, same_origin
from dashboards.plain import is_navigation, refusal
from dashboards.session import SESSION_COOKIE, sessions
from dashboards.settings import settings

FILES_API = "/api/core/files"
# A foreign page cannot send this header without a CORS preflight, which we always refuse.
REQUIRED_HEADER = ("x-requested-with", "genba")
FORWARDED_REQUEST_HEADERS = ("range", "if-range", "if-none-match", "idempotency-key")
# Never a cookie, and nothing that names the server behind us.
FORWARDED_RESPONSE_HEADERS = (
    *("content-type", "content-length", "content-disposition", "content-range", "content-security-policy"),
    *("accept-ranges", "etag", "cache-control", "retry-after", "x-request-id"),
)
# Plain segments only, which no proxy or service can read as another path.
API_PATH = re.compile(r"api(?:/[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*)+")
FILE_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# The service answers an upload after it has checked every pixel and stored it.
TIMEOUT = httpx2.Timeout(120, connect=3)
MAX_ERROR_BYTES = 64 * 1024

_client: httpx2.AsyncClient | None = None


class _TooLarge(Exception):
    pass


@asynccontextmanager
async def open_client() -> AsyncIterator[None]:
    """The connections to the service while the dashboards run."""
    global _client
    # All users share this client: a cookie from one answer must never be sent with another user's request.
    no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
    async with httpx2.AsyncClient(
        base_url=settings().service_url, timeout=TIMEOUT, transport=Transport(200), cookies=no_cookies, trust_env=False
    ) as http:
        _client = http
        yield
    _client = None


def client() -> httpx2.AsyncClient:
    if _client is None:
        raise RuntimeError("the dashboards have not been started")
    return _client


async def upload(request: Request) -> Response:
    if not same_origin(request.headers) or request.headers.get(REQUIRED_HEADER[0]) != REQUIRED_HEADER[1]:
        return _refusal(
            request,
            HTTPStatus.FORBIDDEN,
            "ファイルを送れません",
            "ほかのサイトから送られたため、ファイルを受け取りませんでした。Genbaの画面から送ってください。",
        )
    limit = settings().upload_max_megabytes * 1024 * 1024
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced[:20]) > limit:
        return _too_large(request)
    headers = {"Content-Type": "application/octet-stream"} | ({"Content-Length": announced} if announced else {})
    params = {name: value for name, value in request.query_params.items() if name in ("name", "purpose")}
    try:
        answer = await _forward(
            request, "PUT", FILES_API, params=params, extra_headers=headers, content=_limited(request, limit)
        )
    except _TooLarge:
        return _too_large(request)
    except ClientDisconnect:
        return Response(status_code=HTTPStatus.BAD_REQUEST)  # No client reads it.
    return answer


async def _limited(request: Request, limit: int) -> AsyncIterator[bytes]:
    received = 0
    async for chunk in request.stream():
        received += len(chunk)
        if received > limit:
            raise _TooLarge
        if chunk:
            yield chunk


async def show(request: Request) -> Response:
    file_id = request.path_params["file_id"]
    if not FILE_ID.fullmatch(file_id):
        text = "ファイルが見つかりません。アドレスが正しいかを確認してください。"
        return _refusal(request, HTTPStatus.NOT_FOUND, "ファイルが見つかりません", text)
    params = {"thumbnail": "1"} if request.query_params.get("thumbnail") == "1" else {}
    return await _forward(request, "GET", f"{FILES_API}/{file_id}", params=params)


async def download(request: Request) -> Response:
    path = request.path_params["path"]
    if not same_origin(request.headers):
        return _refusal(
            request,
            HTTPStatus.FORBIDDEN,
            "ダウンロードできません",
            "ほかのサイトのリンクから開かれたため、ダウンロードしませんでした。Genbaの画面から行ってください。",
        )
    if not API_PATH.fullmatch(path):
        return _refusal(
            request,
            HTTPStatus.NOT_FOUND,
            "ページが見つかりません",
            "このアドレスからはダウンロードできません。Genbaの画面から行ってください。",
        )
    answer = await _forward(request, "GET", f"/{path}", params=request.query_params.multi_items())
    if isinstance(answer, RelayedResponse):
        # The answer is saved under the service's file name, never opened as a page of ours.
        _, *parameters = answer.headers.get("content-disposition", "").split(";")
        answer.headers["content-disposition"] = ";".join(["attachment", *parameters])
        answer.headers["content-security-policy"] = "default-src 'none'; sandbox"
    return answer


class RelayedResponse(StreamingResponse):
    """The service's answer, streamed. When the browser disconnects, the service stops."""

    def __init__(self, upstream: httpx2.Response) -> None:
        self.upstream = upstream
        passed = {name: upstream.headers[name] for name in FORWARDED_RESPONSE_HEADERS if name in upstream.headers}
        super().__init__(upstream.aiter_raw(), upstream.status_code, passed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            with CancelScope(shield=True):
                await self.upstream.aclose()


async def _forward(
    request: Request,
    method: str,
    path: str,
    *,
    params: Any,
    extra_headers: Mapping[str, str] | None = None,
    content: Any = None,
) -> Response:
    """The service's answer to this user, streamed, or an error with a message."""
    reference, token = new_reference(), request.cookies.get(SESSION_COOKIE, "")
    headers = {
        "Authorization": f"Bearer {token}",
        "X-Request-Id": reference,
        "Accept-Encoding": "identity",
        **{name: request.headers[name] for name in FORWARDED_REQUEST_HEADERS if name in request.headers},
        **(signed_address_header(request.client.host, token) if request.client else {}),
        **(extra_headers or {}),
    }
    upstream_request = client().build_request(method, path, params=params, headers=headers, content=content)
    try:
        upstream = await client().send(upstream_request, stream=True)
    except httpx2.HTTPError:
        return _refusal(
            request,
            HTTPStatus.SERVICE_UNAVAILABLE,
            "サービスに接続できません",
            "データを管理しているサービスから応答がありません。しばらく待ってから、もう一度お試しください。",
            reference,
        )
    finally:
        if method not in SAFE_METHODS:
            last_writes.note(token)
    if upstream.is_success or upstream.status_code == HTTPStatus.NOT_MODIFIED:
        return RelayedResponse(upstream)
    return await _error_response(request, upstream, reference)


async def _error_response(request: Request, upstream: httpx2.Response, reference: str) -> Response:
    body = b""
    try:
        async for chunk in upstream.aiter_raw():
            body += chunk
            if len(body) > MAX_ERROR_BYTES:
                break
        problem = json.loads(body)
        title, text, status = str(problem["title"]), str(problem["detail"]), upstream.status_code
        fields = problem.get("errors") or []
    except (httpx2.HTTPError, ValueError, KeyError, TypeError):
        # The answer of a proxy in between, or of a wrong SERVICE_URL.
        status, title, fields = HTTPStatus.BAD_GATEWAY, "サービスの応答が正しくありません", []
        text = (
            f"サービスが正しく応答しませんでした（状態 {upstream.status_code}）。"
            "しばらく待ってから、もう一度お試しください。"
        )
    finally:
        await upstream.aclose()
    if status == HTTPStatus.UNAUTHORIZED:
        sessions.forget(request.cookies.get(SESSION_COOKIE, ""))
        if is_navigation(request.headers):
            return RedirectResponse(login_url(request.url.path, request.url.query, reason="expired"), 303)
        text = SESSION_ENDED
    reference = upstream.headers.get("x-request-id", reference)
    answer = refusal(request.headers, status, title=title, text=text, reference=reference, errors=fields)
    for name in ("retry-after", "content-range"):
        if name in upstream.headers:
            answer.headers[name] = upstream.headers[name]
    return answer


def _too_large(request: Request) -> Response:
    max_megabytes = settings().upload_max_megabytes
    text = f"ファイルが大きすぎます。{max_megabytes}MB以下にして、もう一度送ってください。"
    return _refusal(request, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "ファイルが大きすぎます", text)


def _refusal(request: Request, status: int, title: str, text: str, reference: str = "") -> Response:
    return refusal(request.headers, status, title=title, text=text, reference=reference)
