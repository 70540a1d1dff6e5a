"""Security headers on every answer, and how long browsers may cache our static files."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboards.addresses import RELAYED
from dashboards.settings import settings

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self'",
        # Streamlit writes its styles at run time (emotion), so inline styles cannot be refused.
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
# Also used for answers made outside this middleware.
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}


def _add_secure_flag(headers: MutableHeaders) -> None:
    """Adds Secure to Streamlit's own cookie, which does not know of the proxy's TLS. Its scripts read the cookie, so it
    cannot be HttpOnly."""
    if not settings().session_cookie_secure:
        return
    cookies = headers.getlist("set-cookie")
    if any("secure" not in _flags(cookie) for cookie in cookies):
        del headers["set-cookie"]
        for cookie in cookies:
            headers.append("set-cookie", cookie if "secure" in _flags(cookie) else f"{cookie}; Secure")


def _flags(cookie: str) -> set[str]:
    return {part.strip().lower() for part in cookie.split(";")[1:]}


class SecurityHeadersMiddleware:
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
                # An uploaded file has its own policy, stricter than that of our pages.
                stricter = headers.get("Content-Security-Policy") if path.startswith(RELAYED) else None
                headers.update(HEADERS)
                if stricter:
                    headers["Content-Security-Policy"] = stricter
                _add_secure_flag(headers)
                if path.startswith("/app/static/"):
                    # Fonts are a megabyte each and change with a release; the rest is small and revalidated each time.
                    cacheable = path.startswith("/app/static/fonts/") and message["status"] == 200
                    headers["Cache-Control"] = "public, max-age=604800" if cacheable else "no-cache"
            await send(message)

        await self.app(scope, receive, with_headers)
