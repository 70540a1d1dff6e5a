"""The background tasks of the core."""

from __future__ import annotations

from collections.abc import Mapping

from service.core.exports import run as exports
from service.core.imports import run as imports
from service.core.tasks.work import Run

KINDS: Mapping[str, Run] = {"core.import": imports.run, "core.export": exports.run}
