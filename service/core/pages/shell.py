"""Renders public pages: in Japanese, designed for phones first, with a CSP that allows only our own files."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse

from service.core.areas import AREAS, Brand, areas, brand_for_path
from service.core.pages import assets
from service.core.settings import settings
from service.core.values.texts import visible

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
    # URLs of public pages contain tokens, so they are not sent as a referrer.
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "X-Robots-Tag": "noindex",
    "Cache-Control": "no-store",
}
# Paths for programs, answered with problem+json; all other paths are HTML pages.
API_PREFIXES = ("/api", "/metrics", "/mcp", "/.well-known")

_core_templates = FileSystemLoader(Path(__file__).parent / "templates")
# An area's templates are in its own folder, and their names begin with the area: `reservations/pay.html`.
_area_templates = [
    PackageLoader(f"service.{area}", "templates")
    for area in AREAS
    if (Path(__file__).parents[2] / area / "templates").is_dir()
]
TEMPLATES = Environment(
    loader=ChoiceLoader([_core_templates, *_area_templates]),
    autoescape=True,
    undefined=StrictUndefined,
    # Not of what is HTML already (Markup, a subclass).
    finalize=lambda value: visible(value) if type(value) is str else value,
)
TEMPLATES.globals["static"] = assets.url


def is_page(path: str) -> bool:
    return not any(path == start or path.startswith(f"{start}/") for start in API_PREFIXES)


def address() -> str:
    """The base URL of these pages for browsers. In production one proxy is in front of everything; the demo has
    none."""
    config = settings()
    return (config.service_url if config.mode == "demo" else config.public_base_url).rstrip("/")


def page(template: str, status: int = HTTPStatus.OK, **values: Any) -> HTMLResponse:
    """A rendered template with the headers of all public pages; an area's template gets the area's brand, if any."""
    area = areas().get(template.partition("/")[0])
    return _render(template, status, area.sign if area else None, values)


def _render(template: str, status: int, brand: Brand | None, values: Mapping[str, Any]) -> HTMLResponse:
    html = TEMPLATES.get_template(template).render(values, sign=brand)
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
    """A notice: what happened on `path`, why, and what to do now. `way_on`: the URL and text of a link."""
    values = {"title": title, "text": text, "reference": reference, "retry": retry, "way_on": way_on}
    return _render("notice.html", status, brand_for_path(path), values)
