"""The few pages that are not Streamlit's: login, unknown address, service unreachable."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, JSONResponse, Response

TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined
)


def page(template: str, status: int, **values: Any) -> HTMLResponse:
    """A rendered template that browsers and proxies must not cache."""
    body = TEMPLATES.get_template(template).render(**values)
    return HTMLResponse(body, status, headers={"Cache-Control": "no-store"})


def notice(status: HTTPStatus, *, title: str, text: str, reference: str = "", retry: bool = False) -> HTMLResponse:
    """A message, and what to do now: try again, or go to the start page."""
    response = page("notice.html", status, title=title, text=text, reference=reference, retry=retry)
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        response.headers["Retry-After"] = "10"
    return response


def refusal(
    headers: Headers, status: int, *, title: str, text: str, reference: str = "", errors: Sequence[Any] = ()
) -> Response:
    """The same message for every client: a page for the address bar and for links, problem+json for scripts."""
    if is_navigation(headers):
        return notice(HTTPStatus(status), title=title, text=text, reference=reference)
    body = {"type": "about:blank", "title": title, "status": status, "detail": text, "errors": list(errors)}
    response_headers = {"Cache-Control": "no-store"} | ({"X-Request-Id": reference} if reference else {})
    return JSONResponse(body, status, response_headers, "application/problem+json")


def is_navigation(headers: Headers) -> bool:
    """Whether the browser will show the answer as a page."""
    mode = headers.get("sec-fetch-mode")
    return mode == "navigate" if mode else "text/html" in headers.get("accept", "")
