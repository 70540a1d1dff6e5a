"""Every kind of task with the function that does it: the floor's, then each area's from `jobs/long/<area>.py`."""

from __future__ import annotations

import importlib
import importlib.util

from jobs.long import floor
from service.core.areas import AREAS
from service.core.tasks.work import Run


def kinds() -> dict[str, Run]:
    found = dict(floor.KINDS)
    for area in AREAS:
        if importlib.util.find_spec(f"jobs.long.{area}"):
            found |= importlib.import_module(f"jobs.long.{area}").KINDS
    return found
