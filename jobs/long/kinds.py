"""The function of every kind of background task: those of the core, then those of each area from
`jobs/long/<area>.py`."""

from __future__ import annotations

import importlib
import importlib.util

from jobs.long import core
from service.core.areas import AREAS
from service.core.tasks.work import Run


def kinds() -> dict[str, Run]:
    functions = dict(core.KINDS)
    for area in AREAS:
        if importlib.util.find_spec(f"jobs.long.{area}"):
            functions |= importlib.import_module(f"jobs.long.{area}").KINDS
    return functions
