"""Login and logout. The token lives in an HttpOnly cookie that only these two routes set and clear."""

from __future__ import annotations

import asyncio
import json
import secrets
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from anyio import to_thread
from starlette.background import BackgroundTask
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response

from dashboards.addresses import login_url, safe_next
from dashboards.client import Api, ApiProblem
from dashboards.contract.core import SignedInAnswer
from dashboards.gate import client_address, connections, same_origin, signed_in
from dashboards.plain import notice, page
from dashboards.session import BROWSER_COOKIE, SESSION_COOKIE, sessions
from dashboards.settings import settings

REASONS = {
    "expired": "ログアウトしたか、セッションの有効期限が切れました。もう一度ログインしてください。",
    "signed_out": "ログアウトしました。",
}
INVALID_FORMAT = "ログインIDは64文字以内で入力してください（例: hanako.yamada）。直して、もう一度お試しください。"
SERVICE_DOWN = "サービスに接続できないため、ログインできません。しばらく待ってから、もう一度お試しください。"

# More than a login id and a password take, with each letter percent-encoded as nine.
MAX_BODY_BYTES = 32 * 1024
READ_TIMEOUT_SECONDS = 20
# Browsers keep no cookie longer than 400 days.
BROWSER_SECONDS = 400 * 24 * 3600


async def login(request: Request) -> Response:
    target = safe_next(request.query_params.get("next"))
    if request.method == "POST":
        return await _sign_in(request, target)
    with suppress(ApiProblem):  # The form reports it when it is sent.
        if await signed_in(request.scope):
            return RedirectResponse(target, HTTPStatus.SEE_OTHER)
    return _form(HTTPStatus.OK, target, notice=REASONS.get(request.query_params.get("reason", ""), ""))


async def logout(request: Request) -> Response:
    # Streamlit can only draw a link, so this is a GET; a picture on a foreign page must not log users out.
    if not same_origin(request.headers):
        return notice(
            HTTPStatus.FORBIDDEN,
            title="ログアウトしていません",
            text="ほかのサイトからの操作だったため、ログアウトしませんでした。ログアウトは画面のメニューから行ってください。",
        )
    if token := request.cookies.get(SESSION_COOKIE):
        await to_thread.run_sync(_revoke, token, client_address(request.scope))
    response = RedirectResponse(login_url("/", reason="signed_out"), HTTPStatus.SEE_OTHER)
    response.delete_cookie(SESSION_COOKIE, httponly=True, secure=settings().session_cookie_secure, samesite="lax")
    return response


def _log_in(credentials: dict[str, str], address: str) -> SignedInAnswer:
    answer: SignedInAnswer = Api(address=address).post("/api/auth/login", credentials, idempotency_key=None)
    return answer


async def _sign_in(request: Request, target: str) -> Response:
    if not same_origin(request.headers):
        error = "ほかのサイトから送られたため、ログインできませんでした。この画面からもう一度ログインしてください。"
        return _form(HTTPStatus.FORBIDDEN, target, error=error)
    form = await _read_form(request)
    login_id, password = form.get("login_id", "").strip(), form.get("password", "")
    if not login_id or not password:
        error = "ログインIDとパスワードを入力してください。"
        return _form(HTTPStatus.UNPROCESSABLE_ENTITY, target, login_id=login_id, error=error)
    credentials = {"login_id": login_id, "password": password}
    try:
        answer = await to_thread.run_sync(_log_in, credentials, client_address(request.scope))
    except ApiProblem as problem:
        error = SERVICE_DOWN if problem.temporary else INVALID_FORMAT if problem.errors else problem.detail
        return _form(problem.status or HTTPStatus.SERVICE_UNAVAILABLE, target, login_id=login_id, error=error)
    response = RedirectResponse(target, HTTPStatus.SEE_OTHER)
    browser = request.cookies.get(BROWSER_COOKIE) or secrets.token_urlsafe(16)
    for name, value, seconds in ((SESSION_COOKIE, answer["token"], None), (BROWSER_COOKIE, browser, BROWSER_SECONDS)):
        response.set_cookie(
            name, value, seconds, httponly=True, secure=settings().session_cookie_secure, samesite="lax", path="/"
        )
    # After the browser has the new cookie.
    response.background = BackgroundTask(connections.renew, browser, answer["user"]["login_id"])
    return response


async def _read_form(request: Request) -> dict[str, str]:
    """The form's fields; {} when it is not our form. The sender is not authenticated yet, so no more is read than the
    form can hold."""
    body = bytearray()
    with suppress(TimeoutError, ClientDisconnect, ValueError):
        async with asyncio.timeout(READ_TIMEOUT_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    return {}
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=10))
    return {}


def _form(status: int, target: str, **values: Any) -> Response:
    shown = {"login_id": "", "error": "", "notice": "", "next": target} | values
    return page("login.html", status, demo=demo_accounts(), **shown)


def demo_accounts() -> dict[str, Any]:
    """The accounts of the demo, from the file it writes: `password`, `accounts` (login id → what the account may
    do)."""
    config = settings()
    if not config.demo_mode or not config.demo_accounts_file:
        return {}
    try:
        accounts: dict[str, Any] = json.loads(Path(config.demo_accounts_file).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return accounts


def _revoke(token: str, address: str) -> None:
    # Without an answer the cookie is still cleared, and the token expires by itself.
    with suppress(ApiProblem):
        Api(token, address=address).post("/api/auth/logout", idempotency_key=None)
    sessions.forget(token)
