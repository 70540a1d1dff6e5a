"""Renders public pages: Japanese, made for a phone first, under a policy that runs nothing but our own files."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse

from service.core.areas import AREAS, Sign, areas, sign_over
from service.core.pages import assets
from service.core.settings import settings

POLICY = (
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "font-src 'self'",
    "connect-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
)
HEADERS = {
    "Content-Security-Policy": "; ".join(POLICY),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # The addresses of public pages hold what opens them (a token): they go to nobody.
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "X-Robots-Tag": "noindex",
    "Cache-Control": "no-store",
}
# Machines speak to these, and are answered with problem+json; everything else is a page for people.
MACHINES = ("/api", "/metrics", "/mcp", "/.well-known")

_own = FileSystemLoader(Path(__file__).parent / "templates")
# An area's templates lie in its own folder and are named with it: `reservations/pay.html`.
_areas = [
    PackageLoader(f"service.{area}", "templates")
    for area in AREAS
    if (Path(__file__).parents[2] / area / "templates").is_dir()
]
TEMPLATES = Environment(loader=ChoiceLoader([_own, *_areas]), autoescape=True, undefined=StrictUndefined)
TEMPLATES.globals["static"] = assets.url


def is_page(path: str) -> bool:
    return not any(path == start or path.startswith(f"{start}/") for start in MACHINES)


def address() -> str:
    """Where people's browsers find these pages. In production one proxy stands before everything; the demo has none."""
    config = settings()
    return (config.service_url if config.mode == "demo" else config.public_base_url).rstrip("/")


def page(template: str, status: int = HTTPStatus.OK, **values: Any) -> HTMLResponse:
    """A rendered template with the headers of all public pages; an area's is under the area's sign, if it has one."""
    area = areas().get(template.partition("/")[0])
    return _headed(template, status, area.sign if area else None, values)


def _headed(template: str, status: int, sign: Sign | None, values: Mapping[str, Any]) -> HTMLResponse:
    html = TEMPLATES.get_template(template).render(values, sign=sign)
    return HTMLResponse(html, status, HEADERS)


def notice(
    status: int,
    *,
    path: str,
    title: str,
    text: str,
    reference: str = "",
    retry: bool = False,
    way_on: tuple[str, str] | None = None,
) -> HTMLResponse:
    """What happened on `path`, why, and what to do now. `way_on`: an address, and what the link to it says."""
    said = {"title": title, "text": text, "reference": reference, "retry": retry, "way_on": way_on}
    return _headed("notice.html", status, sign_over(path), said)
