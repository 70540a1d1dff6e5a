"""Forms of public pages take only what was filled in on them: a token in the form fits a cookie that foreign pages
can neither read nor set.

Signed by HMAC with SECRET_KEY, so that nothing has to be kept: a page may be served by one process and sent to another.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets

from starlette.requests import Request
from starlette.responses import Response

from service.core.clock import real_now
from service.core.problems import Forbidden
from service.core.settings import settings

COOKIE = "genba_form"
FIELD = "form_token"
# A form may lie open over lunch.
VALID_SECONDS = 4 * 3600
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")


def browser_secret(request: Request) -> str:
    """What this browser's forms are bound to: the one it has, or a new one (`remember` sends it along)."""
    known = request.cookies.get(COOKIE, "")
    return known if _SECRET.fullmatch(known) else secrets.token_urlsafe(32)


def remember(response: Response, secret: str) -> None:
    secure = settings().public_base_url.startswith("https://")
    response.set_cookie(
        COOKIE, secret, max_age=VALID_SECONDS, httponly=True, secure=secure, samesite="strict", path="/"
    )


def token(secret: str, path: str) -> str:
    """For a hidden field of the form that is sent to `path`."""
    until = str(int(real_now().timestamp()) + VALID_SECONDS)
    return f"{until}.{_sign(secret, path, until)}"


def check(request: Request, given: str) -> None:
    """Raises Forbidden, in words, unless the token was made for this browser and this path and is still valid."""
    until, _, signature = given.partition(".")
    secret = request.cookies.get(COOKIE, "")
    fits = hmac.compare_digest(signature.encode(), _sign(secret, request.url.path, until).encode())
    if not _SECRET.fullmatch(secret) or not fits or not until.isdecimal() or int(until[:15]) < real_now().timestamp():
        raise Forbidden(
            "画面を開いてから時間がたったか、別の画面から送られたため、受け付けませんでした。"
            "前の画面に戻って読み込み直し、もう一度送信してください。"
        )


def _sign(secret: str, path: str, until: str) -> str:
    key = settings().secret_key.get_secret_value().encode()
    signed = hmac.new(key, "\n".join(("form", secret, path, until)).encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(signed).decode().rstrip("=")
