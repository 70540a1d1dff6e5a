"""docker-compose.yml, parsed for tests."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import yaml

from stack.home import ROOT

FILE = ROOT / "docker-compose.yml"
# A variable that is required or has a default.
VARIABLE = re.compile(r"\$\{(\w+)(?::?([-?])([^}]*))?\}")


@cache
def compose() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(FILE.read_text())
    return document


def services() -> dict[str, dict[str, Any]]:
    listed: dict[str, dict[str, Any]] = compose()["services"]
    return listed


def own_services() -> dict[str, dict[str, Any]]:
    """The services of our own image that run a process of Genba."""
    return {name: service for name, service in services().items() if "build" in service and name != "pgbouncer"}


def interpolate(text: str, **values: str) -> str:
    """The text with variables replaced as Compose does: the given value, else the default."""
    return VARIABLE.sub(lambda match: values.get(match[1]) or match[3] or "", text).replace("$$", "$")
