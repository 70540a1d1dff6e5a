"""A sixth area needs only its name in a list: service.core does not change, and the walks that check the other areas
check it too."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory

from service.core.areas import AREAS
from stack.home import ROOT

AREA = ROOT / "tests" / "scratch"
LISTS = (Path("service/core/areas.py"), Path("dashboards/menu.py"))
PACKAGES = ("agent", "dashboards", "jobs", "sandbox", "service", "stack", "tests")
LEAK_TESTS = (
    "tests/api/core/test_isolation.py::test_every_table_is_under_row_level_security_or_named_here",
    "tests/api/walks/test_borders.py::test_people_of_two_agencies_or_nurseries_have_no_row_in_common",
)
WALKS = (
    "tests/api/walks",
    "tests/api/core/test_isolation.py",
    "tests/api/test_scratch.py",
    "tests/dashboards/test_scratch.py",
    "tests/jobs/test_scratch.py",
)


# What a process can read of the product without servers: its routes with their permissions, its menu, its newest
# migration.
INSPECT = """
import json
from alembic.script import ScriptDirectory
from dashboards.menu import MENU
from service.main import Application, route_permissions
routes = {path: declared for path, _, declared in route_permissions(Application().fastapi) if "scratch" in path}
pages = [entry.url_path for entry in MENU if entry.area == "scratch"]
print(json.dumps([routes, pages, ScriptDirectory("service/migrations").get_heads()]))
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The product with the scratch area laid over it and its name added to the list."""
    folder = tmp_path_factory.mktemp("sixth") / "genba"
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("fonts", "scratch"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    shutil.copytree(AREA, folder, dirs_exist_ok=True)
    for name in LISTS:
        text, count = re.subn(r"(?m)^AREAS = \((.*?),?\)$", r'AREAS = (\1, "scratch")', (folder / name).read_text())
        assert count == 1, f"no list of areas in {name}"
        (folder / name).write_text(text)
    head = ScriptDirectory(str(ROOT / "service" / "migrations")).get_current_head()
    [migration] = (folder / "service" / "migrations" / "versions").glob("2099_*")
    migration.write_text(migration.read_text().replace("HEAD_OF_THE_PRODUCT", str(head)))
    return folder


def run(folder: Path, *tests: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests]
    environ = os.environ | {"WALK_WITHOUT": " ".join(AREAS)}
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=900)


def test_a_sixth_area_needs_its_name_in_the_list_and_nothing_else(copy: Path) -> None:
    changed = [
        str(path)
        for path in sorted((copy / "service" / "core").rglob("*.py"))
        if path.read_text() != (ROOT / path.relative_to(copy)).read_text()
    ]
    process = subprocess.run([sys.executable, "-c", INSPECT], cwd=copy, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    routes, pages, heads = json.loads(process.stdout)

    assert changed == [str(copy / LISTS[0])]
    assert routes["/api/scratch/notes"] == ["scratch:note:read"]
    assert pages == ["notes"]
    assert heads == ["9999_scratch"]


@pytest.mark.deep
def test_the_walks_guard_a_sixth_area_too(copy: Path) -> None:
    process = run(copy, *WALKS)

    errors = [line for line in process.stdout.splitlines() if line.startswith(("E  ", "FAILED"))]
    assert process.returncode == 0, "\n".join(errors)


@pytest.mark.deep
def test_the_walk_notices_an_area_that_shows_a_stranger_the_rows_of_others(copy: Path, tmp_path: Path) -> None:
    """The same area without row-level security; its queries have no scope either."""
    leaky = tmp_path / "genba"
    shutil.copytree(copy, leaky)
    [migration] = (leaky / "service" / "migrations" / "versions").glob("2099_*")
    text = migration.read_text()
    migration.write_text(text.replace("SELECT enforce_isolation('scratch_notes', 'scratch', 'agency_id');", ""))
    assert migration.read_text() != text

    process = run(leaky, *LEAK_TESTS)

    assert process.returncode == 1
    assert [test for test in LEAK_TESTS if f"FAILED {test}" not in process.stdout] == []
