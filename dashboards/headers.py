"""Security headers on every answer, and how long browsers may keep our own static files."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboards.addresses import RELAYED
from dashboards.settings import settings

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self'",
        # Streamlit styles itself at run time (emotion), so inline styles are the one thing that cannot be refused.
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
# Also for answers that are made outside this middleware.
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}


def _seal(headers: MutableHeaders) -> None:
    """Streamlit's own cookie (its scripts read it, so it cannot be HttpOnly) knows nothing of the TLS of a proxy."""
    if not settings().session_cookie_secure:
        return
    cookies = headers.getlist("set-cookie")
    if any("secure" not in _flags(cookie) for cookie in cookies):
        del headers["set-cookie"]
        for cookie in cookies:
            headers.append("set-cookie", cookie if "secure" in _flags(cookie) else f"{cookie}; Secure")


def _flags(cookie: str) -> set[str]:
    return {part.strip().lower() for part in cookie.split(";")[1:]}


class SecurityHeaders:
    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path: str = scope["path"]

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                # A file of somebody's comes with a policy of its own, which allows less than that of our pages.
                stricter = headers.get("Content-Security-Policy") if path.startswith(RELAYED) else None
                headers.update(HEADERS)
                if stricter:
                    headers["Content-Security-Policy"] = stricter
                _seal(headers)
                if path.startswith("/app/static/"):
                    # Fonts are a megabyte each and change with a release; the rest is small and asked for anew.
                    lasting = path.startswith("/app/static/fonts/") and message["status"] == 200
                    headers["Cache-Control"] = "public, max-age=604800" if lasting else "no-cache"
            await send(message)

        await self.app(scope, receive, with_headers)
