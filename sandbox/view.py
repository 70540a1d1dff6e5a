"""Renders the sandbox's pages from templates."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup, escape
from starlette.responses import HTMLResponse

from sandbox.faults import Faults

TOKYO = ZoneInfo("Asia/Tokyo")


class PageRenderer:
    def __init__(self, faults: Faults, **common_values: Any) -> None:
        self._faults, self._common_values = faults, common_values
        folder = Path(__file__).parent / "templates"
        self._templates = Environment(loader=FileSystemLoader(folder), autoescape=True)
        self._templates.filters |= {"clock": _format_time, "linked": link_urls}

    def render(self, name: str, status: int = 200, **values: Any) -> HTMLResponse:
        active_count = len(self._faults.active_switches())
        text = self._templates.get_template(name).render(faults_on=active_count, **self._common_values, **values)
        return HTMLResponse(text, status, {"Content-Security-Policy": "default-src 'self' 'unsafe-inline'"})


def _format_time(at: float | str) -> str:
    time = datetime.fromisoformat(at) if isinstance(at, str) else datetime.fromtimestamp(at, TOKYO)
    return f"{time.astimezone(TOKYO):%Y/%m/%d %H:%M:%S}"


def link_urls(text: str) -> Markup:
    """Turns the URLs in a text into links."""
    parts = []
    for word in text.replace("\n", " \n ").split(" "):
        if word.startswith(("http://", "https://")):
            parts.append(Markup('<a href="{0}" rel="noreferrer">{0}</a>').format(word))
        else:
            parts.append(escape(word))
    return Markup(Markup(" ").join(parts).replace(" \n ", "\n"))
