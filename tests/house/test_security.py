"""docs/security.md under test: what it promises is tested by what it names, and no open door is missing from it."""

from __future__ import annotations

import re

from dashboards import gate
from dashboards.addresses import DOWNLOAD, FILES, HEALTH, LOGIN, LOGOUT
from service.core.areas import AREAS
from service.main import route_permissions
from stack.home import ROOT
from tests.whole import whole

PAGE = (ROOT / "docs" / "security.md").read_text()
QUOTED = set(re.findall(r"`([^`]+)`", PAGE))


def test_every_test_that_is_named_exists() -> None:
    named = sorted(one for one in QUOTED if one.startswith("tests/") and "::" in one)
    assert len(named) > 80

    missing = []
    for one in named:
        path, _, name = one.partition("::")
        file = ROOT / path
        if not file.is_file() or not re.search(rf"^\s*(async )?def {name}\(", file.read_text(), re.MULTILINE):
            missing.append(one)
    assert missing == []


def test_every_threat_has_a_test() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith(("| Threat", "| ---"))]
    assert len(rows) > 50
    assert [row for row in rows if "`tests/" not in row.split("|")[-2]] == []


def test_every_door_that_opens_without_a_permission_stands_there() -> None:
    front = whole()
    doors = {path for path, _, declared in route_permissions(front.fastapi) if not declared} | set(front.doors)
    groups = {"/".join(path.split("/")[:3]) for path, _, declared in route_permissions(front.fastapi) if declared}

    assert doors - QUOTED == set()
    # What asks for a permission is named by its group.
    assert {group for group in groups if group not in QUOTED and group != "/api/auth"} == set()
    assert {f"/api/{area}" for area in AREAS} <= QUOTED


def test_every_door_of_the_dashboards_stands_there() -> None:
    folders = {folder.rstrip("/") for folder in (*gate.OPEN_FOLDERS, *gate.FETCHED_FOLDERS)}
    doors = {LOGIN, LOGOUT, HEALTH, FILES, DOWNLOAD, *folders}
    doors |= {path for path in gate.OPEN_PATHS if path.count("/") == 1}

    assert doors - QUOTED == set()


def test_no_door_is_named_that_is_not_there() -> None:
    front = whole()
    there = {path for path, _, _ in route_permissions(front.fastapi)} | set(front.doors) | {"/api/openapi.json"}
    paths = {path for path in QUOTED if path.startswith("/") and "{" in path}

    assert paths - there == set()
