"""Signing in and out. The token lives in an HttpOnly cookie that only these two routes set and clear."""

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
from dashboards.gate import address_of, connections, same_origin, signed_in
from dashboards.plain import notice, page
from dashboards.session import BROWSER, COOKIE, sessions
from dashboards.settings import settings

REASONS = {
    "expired": "ログアウトしたか、セッションの有効期限が切れました。もう一度ログインしてください。",
    "signed_out": "ログアウトしました。",
}
IMPOSSIBLE = "ログインIDまたはパスワードの形式が正しくありません。入力を確認して、もう一度お試しください。"
NOT_NOW = "サービスに接続できないため、ログインできません。しばらく待ってから、もう一度お試しください。"

# More than a login id and a password can be, each letter written as nine.
MOST_BYTES = 32 * 1024
LONGEST_SECONDS = 20
# Browsers keep no cookie longer than 400 days.
BROWSER_SECONDS = 400 * 24 * 3600


async def login(request: Request) -> Response:
    target = safe_next(request.query_params.get("next"))
    if request.method == "POST":
        return await _sign_in(request, target)
    with suppress(ApiProblem):  # The form says so itself once it is sent.
        if await signed_in(request.scope):
            return RedirectResponse(target, HTTPStatus.SEE_OTHER)
    return _form(HTTPStatus.OK, target, notice=REASONS.get(request.query_params.get("reason", ""), ""))


async def logout(request: Request) -> Response:
    # A link is all that Streamlit can draw, so this is a GET; a picture on a foreign page must not sign people out.
    if not same_origin(request.headers):
        return notice(
            HTTPStatus.FORBIDDEN,
            title="ログアウトしていません",
            text="ほかのサイトからの操作だったため、ログアウトしませんでした。ログアウトは画面のメニューから行ってください。",
        )
    if token := request.cookies.get(COOKIE):
        await to_thread.run_sync(_revoke, token, address_of(request.scope))
    response = RedirectResponse(login_url("/", reason="signed_out"), HTTPStatus.SEE_OTHER)
    response.delete_cookie(COOKIE, httponly=True, secure=settings().session_cookie_secure, samesite="lax")
    return response


def _opened(credentials: dict[str, str], address: str) -> Any:
    return Api(address=address).post("/api/auth/login", credentials, once=None)


async def _sign_in(request: Request, target: str) -> Response:
    if not same_origin(request.headers):
        error = "ほかのサイトから送られたため、ログインできませんでした。この画面からもう一度ログインしてください。"
        return _form(HTTPStatus.FORBIDDEN, target, error=error)
    form = await _filled_in(request)
    login_id, password = form.get("login_id", "").strip(), form.get("password", "")
    if not login_id or not password:
        error = "ログインIDとパスワードを入力してください。"
        return _form(HTTPStatus.UNPROCESSABLE_ENTITY, target, login_id=login_id, error=error)
    credentials = {"login_id": login_id, "password": password}
    try:
        answer = await to_thread.run_sync(_opened, credentials, address_of(request.scope))
    except ApiProblem as problem:
        error = NOT_NOW if problem.temporary else IMPOSSIBLE if problem.errors else problem.detail
        return _form(problem.status or HTTPStatus.SERVICE_UNAVAILABLE, target, login_id=login_id, error=error)
    response = RedirectResponse(target, HTTPStatus.SEE_OTHER)
    browser = request.cookies.get(BROWSER) or secrets.token_urlsafe(16)
    for name, value, seconds in ((COOKIE, answer["token"], None), (BROWSER, browser, BROWSER_SECONDS)):
        response.set_cookie(
            name, value, seconds, httponly=True, secure=settings().session_cookie_secure, samesite="lax", path="/"
        )
    # Once the browser has the new one.
    response.background = BackgroundTask(connections.renew, browser, answer["user"]["login_id"])
    return response


async def _filled_in(request: Request) -> dict[str, str]:
    """The form's fields; none of a form that is not ours. Nobody is known here yet, so no more is read than it can
    hold."""
    body = bytearray()
    with suppress(TimeoutError, ClientDisconnect, ValueError):
        async with asyncio.timeout(LONGEST_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MOST_BYTES:
                    return {}
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=10))
    return {}


def _form(status: int, target: str, **values: Any) -> Response:
    shown = {"login_id": "", "error": "", "notice": "", "next": target} | values
    return page("login.html", status, demo=demo_accounts(), **shown)


def demo_accounts() -> dict[str, Any]:
    """The accounts that the demo made, as it wrote them down: `password`, `accounts` (login id → what it may do)."""
    config = settings()
    if not config.demo_mode or not config.demo_accounts_file:
        return {}
    try:
        found: dict[str, Any] = json.loads(Path(config.demo_accounts_file).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found


def _revoke(token: str, address: str) -> None:
    # Without an answer the cookie is cleared all the same, and the token runs out by itself.
    with suppress(ApiProblem):
        Api(token, address=address).post("/api/auth/logout", once=None)
    sessions.forget(token)
