"""A deployment as docs/upgrades.md describes it, under load: the smoke test, a rolling restart, a graceful shutdown."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import httpx2
import pytest

from stack.home import ROOT
from tests import people
from tests.load import counting
from tests.load.callers import create_terminals
from tests.load.load_clients import ClientGroup, Reader
from tests.production import Production, is_live
from tests.waiting import wait_for

pytestmark = pytest.mark.production


def run_stack(production: Production, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "stack", *arguments],
        cwd=ROOT,
        env=production.stack.environ | settings,
        capture_output=True,
        text=True,
        timeout=600,
    )


def test_smoke_passes_and_reports_what_fails(production: Production) -> None:
    result = run_stack(production, "smoke", SMOKE_LOGIN_ID="yamada", SMOKE_PASSWORD=people.PASSWORD)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "FAILED" not in result.stdout
    assert "yamada signs in, reads and signs out" in result.stdout

    wrong_password = run_stack(production, "smoke", SMOKE_LOGIN_ID="yamada", SMOKE_PASSWORD="not-hers")
    assert wrong_password.returncode == 1
    assert wrong_password.stdout.count("FAILED") == 1

    no_server = run_stack(production, "smoke", "https://localhost:9")
    assert no_server.returncode == 1
    assert "  ok  " not in no_server.stdout


def test_a_service_in_graceful_shutdown_reports_it_and_still_answers(production: Production) -> None:
    url, pid = production.replica("service-2"), production.stack.pid("service-2")
    os.kill(pid, signal.SIGTERM)
    wait_for(lambda: httpx2.get(f"{url}/api/health/live", trust_env=False).status_code == 503, "it does not say so", 2)

    assert httpx2.get(f"{url}/api/auth/me", trust_env=False).status_code == 401

    wait_for(lambda: production.stack.pid("service-2") != pid, "it has not ended")
    wait_for(lambda: is_live(production, "service-2"), "it is not back", 60)


def test_a_rolling_restart_costs_no_request_and_no_heartbeat(production: Production) -> None:
    product = production.scene
    clients = ClientGroup(
        [
            *create_terminals(product, "ROLLED", 4, pause=0.02),
            *(Reader(product.signed_in("yamada"), "/api/fleet/terminals") for _ in range(2)),
            *(Reader(product.http(), "/login") for _ in range(2)),
        ]
    )
    pids_before = {
        name: production.stack.pid(name) for name in ("service", "service-2", "worker", "beat", "dashboards-2")
    }

    with clients.running():
        clients.await_more_answers(100)
        result = run_stack(production, "restart")
    assert result.returncode == 0, result.stdout + result.stderr
    print(f"{clients.count_answers()} answers while everything was restarted\n{result.stdout}")

    assert {name: production.stack.pid(name) for name in pids_before}.items().isdisjoint(pids_before.items())
    assert clients.failures() == {"terminals": {}, "readers": {}}
    assert clients.count_answers() > 500
    counting.heartbeats(product, clients)
