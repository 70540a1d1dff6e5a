"""docker-compose.yml as tests read it."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import yaml

from stack.home import ROOT

FILE = ROOT / "docker-compose.yml"
# A variable that has to be given, or has a default.
VARIABLE = re.compile(r"\$\{(\w+)(?::?([-?])([^}]*))?\}")


@cache
def compose() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load(FILE.read_text())
    return read


def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = compose()["services"]
    return found


def ours() -> dict[str, dict[str, Any]]:
    """Those of our own image that are a process of Genba."""
    return {name: one for name, one in services().items() if "build" in one and name != "pgbouncer"}


def filled(text: str, **given: str) -> str:
    """The text as Compose fills it: what is given, else the default."""
    return VARIABLE.sub(lambda found: given.get(found[1]) or found[3] or "", text).replace("$$", "$")
