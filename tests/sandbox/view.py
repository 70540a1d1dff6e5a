"""The sandbox's pages: templates filled in, with the frame they have in common."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup, escape
from starlette.responses import HTMLResponse

from tests.sandbox.faults import Faults

TOKYO = ZoneInfo("Asia/Tokyo")


class View:
    def __init__(self, faults: Faults, **everywhere: Any) -> None:
        self._faults, self._everywhere = faults, everywhere
        folder = Path(__file__).parent / "templates"
        self._templates = Environment(loader=FileSystemLoader(folder), autoescape=True)
        self._templates.filters |= {"clock": _clock, "linked": linked}

    def page(self, name: str, status: int = 200, **values: Any) -> HTMLResponse:
        on = len(self._faults.switched_on())
        text = self._templates.get_template(name).render(faults_on=on, **self._everywhere, **values)
        return HTMLResponse(text, status, {"Content-Security-Policy": "default-src 'self' 'unsafe-inline'"})


def _clock(at: float | str) -> str:
    moment = datetime.fromisoformat(at) if isinstance(at, str) else datetime.fromtimestamp(at, TOKYO)
    return f"{moment.astimezone(TOKYO):%Y/%m/%d %H:%M:%S}"


def linked(text: str) -> Markup:
    """Addresses in a message as a telephone shows them: to be touched."""
    parts = []
    for word in text.replace("\n", " \n ").split(" "):
        if word.startswith(("http://", "https://")):
            parts.append(Markup('<a href="{0}" rel="noreferrer">{0}</a>').format(word))
        else:
            parts.append(escape(word))
    return Markup(Markup(" ").join(parts).replace(" \n ", "\n"))
