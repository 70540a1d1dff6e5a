"""Structural rules that import contracts and linters cannot check."""

from __future__ import annotations

import sys
import tomllib

import grimp
import pytest
from alembic import command
from alembic.config import Config

import agent
import service
from service.core.areas import areas
from service.main import route_permissions
from service.migrations import baseline
from stack import servers
from stack.home import ROOT, Home
from tests import contract
from tests.house.permissions import TABLE, table
from tests.whole import service_app

AGENT_MAY_IMPORT = {"cryptography", "httpx2", "psutil", "serial"}
# Routes without a permission, each with its reason.
OPEN_ROUTES = {
    "/",  # the start page
    "/api/docs",  # the API's documentation; the OpenAPI document is open too
    "/public/static/{name}",  # assets of public pages
    "/entry-exit-login",  # the sign-in page of entry stations
    "/entry-exit-registration",  # a page without data
    "/entry-exit-station/{name}",  # assets of the station's pages
    "/entry-exit-sw.js",  # opens those pages without a network
    "/api/auth/login",  # signs in
    "/api/auth/logout",  # any signed-in user
    "/api/auth/me",  # any signed-in user
    "/api/auth/password",  # the user's own
    "/api/auth/sessions",  # the user's own
    "/api/auth/sessions/revoke",  # the user's own
    "/api/me/preferences",  # the user's own
    "/api/me/preferences/{name}",  # the user's own
    "/api/health/live",
    "/api/health/ready",
    "/api/home",  # the user's own areas; each entry names its permission
    "/api/me/counts",  # the same, counted
    "/metrics",  # closed by the reverse proxy
    "/api/core/backups",  # the watchdog's token, which the daily backup has too
    "/api/core/probes",  # the watchdog's token is the key
    "/api/core/files",  # each purpose names its permission
    "/api/core/files/{file_id}",  # each purpose names its permission
    "/api/search",  # each kind of hit names its permission
    "/api/fleet/enrolments",  # the enrolment code is the key
    "/api/fleet/agent/token",  # the terminal's token is the key
    "/api/fleet/agent/commands/{command_id}",  # the terminal's token is the key
    "/api/fleet/agent/commands/{command_id}/bundle",  # the terminal's token is the key
    "/api/fleet/agent/firmware/{task_id}",  # the terminal's token is the key
    "/api/auth/entry-exit-login",  # the nursery's code and password are the key
    "/api/auth/heartbeat",  # the station's token is the key
    "POST /api/entry-exit-logs",  # the station's token is the key
    "/api/entries/station/logs",  # the station's token is the key
    "/d/{number}",  # the target of a device label; the form itself needs a sign-in
    "/parent-card",  # a page without data
    "/parent-card/{name}",  # assets of that page
    "/api/entries/cards/open",  # the card's link is the key
    "/api/entries/station/logout",  # the station's token is the key
    "/api/entries/station/roster",  # the station's token is the key
    # the vendor's signature is the key
    "/api/reservations/webhooks/bland",
    "/api/reservations/webhooks/stripe",
    "/api/reservations/webhooks/twilio",
    "/pay/{token}",  # the link is the key
    "/pay/{token}/done",  # the link is the key
    "/cancel/{token}",  # the link is the key
    "/cancel/{token}/enquiry",  # the link is the key
    "/contact",  # anybody who has a question
    "/contact/done",  # a page without data
    "/survey/{token}",  # the link is the key
    # guides for customers and shops
    "/guides",
    "/guides/",
    "/guides/{name}",
    "/guides/{name}.pdf",
    # the user's own tasks, which were started with a permission
    "/api/core/tasks",
    "/api/core/tasks/{task_id}",
    "/api/core/tasks/{task_id}/cancel",
    "/api/core/tasks/{task_id}/resume",
}


def test_the_permissions_of_all_routes_match_the_reviewed_table() -> None:
    assert table() == TABLE.read_text(), "python -m tests.house.permissions writes the table; read what changed"


def test_the_agent_stays_small_enough_for_a_store_pc() -> None:
    graph = grimp.build_graph("agent", include_external_packages=True, cache_dir=None)
    outside = {
        imported.split(".")[0]
        for module in graph.find_descendants("agent") | {"agent"}
        for imported in graph.find_modules_directly_imported_by(module)
    } - {"agent"}

    assert outside - set(sys.stdlib_module_names) <= AGENT_MAY_IMPORT, "do without it, or add it to AGENT_MAY_IMPORT"


def declared_permissions() -> list[tuple[frozenset[str], list[str]]]:
    """Each route by its path, alone and with each method, with the permissions that it declares."""
    return [
        (frozenset({path, *(f"{method} {path}" for method in route.methods or ())}), declared)
        for path, route, declared in route_permissions(service_app().fastapi)
    ]


def test_every_route_declares_its_permission() -> None:
    gone = OPEN_ROUTES - frozenset().union(*(names for names, _ in declared_permissions()))
    assert not gone, f"remove {sorted(gone)} from OPEN_ROUTES: there is no such route"
    assert [
        sorted(names)
        for names, declared in declared_permissions()
        if len(declared) != (0 if names & OPEN_ROUTES else 1)
    ] == [], (
        "declare exactly one permission of `service/<area>/rules.py` with `allow(…)` at the route, or add its path "
        "with the reason to OPEN_ROUTES and to docs/security.md"
    )


def test_every_permission_of_a_route_is_granted_to_a_role_and_vice_versa() -> None:
    declared_names = {permission for _, declared in declared_permissions() for permission in declared}
    roles = [role for area in areas().values() for role in area.roles.values()]
    granted = {permission for role in roles for permission in role.permissions}

    assert declared_names <= granted, (
        f"{sorted(declared_names - granted)}: give it to a role in `service/<area>/rules.py`"
    )
    assert granted <= declared_names, (
        f"{sorted(granted - declared_names)}: no route asks for it; remove it from the roles"
    )


@pytest.fixture(scope="module")
def empty_database(running_servers: Home) -> str:
    servers.create_database(running_servers, "genba_migrations")
    return servers.url(running_servers, "owner", "genba_migrations")


def test_migrations_go_up_and_down_and_up_and_match_the_models(
    empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_OWNER_URL", empty_database)
    alembic = Config(toml_file=ROOT / "pyproject.toml")

    command.upgrade(alembic, "head")
    command.downgrade(alembic, baseline.REVISION)
    with pytest.raises(RuntimeError, match="no way back past"):
        command.downgrade(alembic, "-1")
    command.upgrade(alembic, "head")
    command.check(alembic)


def test_the_application_owns_nothing_and_bypasses_nothing(database: str) -> None:
    import psycopg

    with psycopg.connect(database) as connection:
        owned = connection.execute(
            "SELECT relname FROM pg_class WHERE pg_get_userbyid(relowner) = current_user"
        ).fetchall()
        [rights] = connection.execute(
            "SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = current_user"
        ).fetchall()

    assert owned == []
    assert rights == (False, False, False, False)


def test_no_file_is_too_long() -> None:
    """A file that needs headings is two files."""
    long_files = [
        path
        for package in ("service", "jobs", "dashboards", "agent", "stack", "sandbox", "tests")
        for path in (ROOT / package).rglob("*.py")
        if path.parent != contract.FOLDER and len(path.read_text().splitlines()) > 500
    ]

    assert [str(path.relative_to(ROOT)) for path in long_files] == [], "more than 500 lines: split it by subject"


def test_what_is_released_together_has_one_version() -> None:
    """The agent is installed alone and has its own version; `make smoke` asks the service for its release."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert {project["version"], agent.__version__, service.__version__} == {project["version"]}, (
        "write one version into pyproject.toml, agent/__init__.py and service/__init__.py"
    )
