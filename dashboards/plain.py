"""The few pages that are not Streamlit's: sign-in, unknown address, service unreachable."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined
)


def page(template: str, status: int, **values: Any) -> HTMLResponse:
    """A rendered template that no browser or proxy keeps."""
    body = TEMPLATES.get_template(template).render(**values)
    return HTMLResponse(body, status, headers={"Cache-Control": "no-store"})


def notice(status: HTTPStatus, *, title: str, text: str, reference: str = "", retry: bool = False) -> HTMLResponse:
    """One sentence, and what to do now: try again, or go to the start page."""
    response = page("notice.html", status, title=title, text=text, reference=reference, retry=retry)
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        response.headers["Retry-After"] = "10"
    return response
