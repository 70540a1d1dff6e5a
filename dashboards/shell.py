"""The HTML page that every Streamlit page starts from: Streamlit's own, in Japanese and for our addresses only.

Streamlit answers every unknown address with its page, and then opens the start page with an English message. Here an
address that is not in the menu is a 404 in Japanese.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from pathlib import Path

import streamlit
from starlette.responses import HTMLResponse, RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from dashboards.addresses import FILES, HEALTH, LOGIN, LOGOUT, RELAYED
from dashboards.documents import page_for
from dashboards.menu import PATHS
from dashboards.plain import TEMPLATES, notice

FONT = Path(__file__).parent / "static" / "fonts" / "NotoSansJP-Regular.woff2"
# Everything that is not a page: our own routes, and Streamlit's routes and files.
ROUTES = {LOGIN, LOGOUT, HEALTH, FILES}
PASSED_PREFIXES = (*RELAYED, "/_stcore/", "/static/", "/app/static/", "/media/", "/component/")


def render() -> str:
    """Streamlit's index page with our head. Raises RuntimeError at the start when a new Streamlit has changed the
    page."""
    html = (Path(streamlit.__file__).parent / "static" / "index.html").read_text(encoding="utf-8")
    head = TEMPLATES.get_template("head.html").render(preload_font=FONT.exists())
    for pattern, replacement in (
        (r"<!--.*?-->", ""),
        (r'<html lang="en">', '<html lang="ja">'),
        (r'<link rel="shortcut icon"[^>]*>', ""),
        (r'<link\s+rel="preload"[^>]*as="font"[^>]*>', ""),
        (r'<link rel="service-desc"[^>]*>', ""),
        (r"<title>.*?</title>", head),
        # Only prerendering services read this flag, and our policy refuses inline scripts.
        (r"<script>\s*window\.prerenderReady.*?</script>", ""),
        (r'(href|src)="\./', r'\1="/'),
        (
            r"<noscript>.*?</noscript>",
            "<noscript><p>この画面を使うには、ブラウザーのJavaScriptを有効にしてください。</p></noscript>",
        ),
    ):
        html, count = re.subn(pattern, replacement, html, flags=re.DOTALL)
        if not count:
            raise RuntimeError(f"Streamlit's index.html has changed: {pattern} is not in it")
    return html


class IndexPageMiddleware:
    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.html = render()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope.get("path", "")
        is_passed = path in ROUTES or path.startswith(PASSED_PREFIXES) or "/_stcore/" in path
        if scope["type"] != "http" or is_passed:
            await self.app(scope, receive, send)
        elif path in PATHS:
            await HTMLResponse(self.html, headers={"Cache-Control": "no-cache"})(scope, receive, send)
        elif page := page_for(path, scope["query_string"].decode("latin-1"), PATHS):
            await RedirectResponse(page)(scope, receive, send)
        else:
            unknown = notice(
                HTTPStatus.NOT_FOUND,
                title="ページが見つかりません",
                text="このアドレスのページはありません。アドレスが正しいかを確認するか、最初の画面から開いてください。",
            )
            await unknown(scope, receive, send)
