"""CSRF protection for the forms of public pages: the token in the form must match a cookie that other sites can neither
read nor set.

The token is signed by HMAC with SECRET_KEY, so nothing is stored: one process can serve the form, another one receive
it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets

from starlette.requests import Request
from starlette.responses import Response

from service.core.database.clock import real_now
from service.core.problems import Forbidden
from service.core.settings import settings

COOKIE = "genba_form"
# A form may stay open over a lunch break.
VALID_SECONDS = 4 * 3600
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")


def browser_secret(request: Request) -> str:
    """The secret that this browser's forms are bound to: from its cookie, or a new one (`remember` sets it)."""
    cookie = request.cookies.get(COOKIE, "")
    return cookie if _SECRET.fullmatch(cookie) else secrets.token_urlsafe(32)


def remember(response: Response, secret: str) -> None:
    secure = settings().public_base_url.startswith("https://")
    response.set_cookie(
        COOKIE, secret, max_age=VALID_SECONDS, httponly=True, secure=secure, samesite="strict", path="/"
    )


def token(secret: str, path: str) -> str:
    """The token for a hidden field of the form that is sent to `path`."""
    expires_at = str(int(real_now().timestamp()) + VALID_SECONDS)
    return f"{expires_at}.{_sign(secret, path, expires_at)}"


def check(request: Request, form_token: str) -> None:
    """Raises Forbidden unless the token was created for this browser and this path and is still valid."""
    expires_at, _, signature = form_token.partition(".")
    secret = request.cookies.get(COOKIE, "")
    signature_matches = hmac.compare_digest(signature.encode(), _sign(secret, request.url.path, expires_at).encode())
    if (
        not _SECRET.fullmatch(secret)
        or not signature_matches
        or not expires_at.isdecimal()
        or int(expires_at[:15]) < real_now().timestamp()
    ):
        raise Forbidden(
            "画面を開いてから時間がたったか、別の画面から送られたため、受け付けませんでした。"
            "前の画面に戻って読み込み直し、もう一度送信してください。"
        )


def _sign(secret: str, path: str, expires_at: str) -> str:
    key = settings().secret_key.get_secret_value().encode()
    digest = hmac.new(key, "\n".join(("form", secret, path, expires_at)).encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
