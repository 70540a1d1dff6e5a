"""What runs where: `make up` needs nothing of the tests, production nothing of the demo. Import contracts in
pyproject.toml say the same of every import."""

from __future__ import annotations

import re
from pathlib import Path

from stack.home import ROOT, Home
from stack.programs import DEFAULTS, PYTHON, Program, programs

# The folders that `make up` runs something of.
ROOMS = {"service", "jobs", "dashboards", "agent", "stack", "sandbox"}


def started(folder: Path, mode: str) -> list[Program]:
    environ = DEFAULTS | {"GENBA_MODE": mode, "DATABASE_URL": "postgresql://postgres", "REDIS_URL": "redis://valkey"}
    if mode == "demo":
        environ |= {"SERVICE_URL": "http://127.0.0.1:8000", "FLEET_HEARTBEAT_INTERVAL_SECONDS": "30"}
    return programs(Home(folder), environ)


def own_packages(started_programs: list[Program]) -> set[str]:
    """The folders of this repository that a command names, as a module (`jobs.app`, `service.main:app`) or a path."""
    words = [word for program in started_programs for word in program.command if word != PYTHON]
    named = {re.split(r"[.:/]", word)[0] for word in words}
    return {name for name in named if (ROOT / name / "__init__.py").exists()}


def test_the_demo_runs_without_the_tests(tmp_path: Path) -> None:
    assert own_packages(started(tmp_path, "demo")) == ROOMS


def test_production_runs_without_the_sandbox(tmp_path: Path) -> None:
    assert own_packages(started(tmp_path, "production")) == ROOMS - {"sandbox", "agent"}
