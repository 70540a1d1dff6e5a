"""Checks docs/security.md: the tests that it names exist, and it names every open route."""

from __future__ import annotations

import re

from dashboards import gate
from dashboards.addresses import DOWNLOAD, FILES, HEALTH, LOGIN, LOGOUT
from service.core.areas import AREAS
from service.main import route_permissions
from stack.home import ROOT
from tests.whole import service_app

PAGE = (ROOT / "docs" / "security.md").read_text()
QUOTED = set(re.findall(r"`([^`]+)`", PAGE))


def test_every_test_that_is_named_exists() -> None:
    named = sorted(test for test in QUOTED if test.startswith("tests/") and "::" in test)
    assert len(named) > 80

    missing = []
    for test in named:
        path, _, name = test.partition("::")
        file = ROOT / path
        if not file.is_file() or not re.search(rf"^\s*(async )?def {name}\(", file.read_text(), re.MULTILINE):
            missing.append(test)
    assert missing == [], "correct these names in docs/security.md"


def test_every_threat_has_a_test() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith(("| Threat", "| ---"))]
    assert len(rows) > 50
    assert [row for row in rows if "`tests/" not in row.split("|")[-2]] == []


def test_every_route_without_a_permission_is_documented() -> None:
    app = service_app()
    paths = {path for path, _, declared in route_permissions(app.fastapi) if not declared} | set(app.asgi_apps)
    groups = {"/".join(path.split("/")[:3]) for path, _, declared in route_permissions(app.fastapi) if declared}

    assert paths - QUOTED == set(), "add the route in `…` to docs/security.md, with what protects it"
    # Routes with a permission are documented by their group.
    assert {group for group in groups if group not in QUOTED and group != "/api/auth"} == set(), (
        "add the group in `…` to docs/security.md"
    )
    assert {f"/api/{area}" for area in AREAS} <= QUOTED


def test_every_route_of_the_dashboards_is_documented() -> None:
    folders = {folder.rstrip("/") for folder in (*gate.OPEN_FOLDERS, *gate.FETCHED_FOLDERS)}
    paths = {LOGIN, LOGOUT, HEALTH, FILES, DOWNLOAD, *folders}
    paths |= {path for path in gate.OPEN_PATHS if path.count("/") == 1}

    assert paths - QUOTED == set(), "add the path in `…` to docs/security.md, with what protects it"


def test_only_existing_routes_are_documented() -> None:
    app = service_app()
    existing = {path for path, _, _ in route_permissions(app.fastapi)} | set(app.asgi_apps) | {"/api/openapi.json"}
    paths = {path for path in QUOTED if path.startswith("/") and "{" in path}

    assert paths - existing == set(), "remove the route from docs/security.md"
