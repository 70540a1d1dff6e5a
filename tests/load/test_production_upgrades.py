"""A deployment as docs/upgrades.md tells it, under load: looked at, restarted one after the other, rehearsed back."""

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
from tests.load.callers import terminals
from tests.load.crowd import Crowd, Reader
from tests.production import Production, is_live
from tests.waiting import wait_for

pytestmark = pytest.mark.production


def stack(production: Production, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "stack", *arguments],
        cwd=ROOT,
        env=production.stack.environ | more,
        capture_output=True,
        text=True,
        timeout=600,
    )


def test_smoke_finds_everything_well_and_says_what_is_not(production: Production) -> None:
    done = stack(production, "smoke", SMOKE_LOGIN_ID="yamada", SMOKE_PASSWORD=people.PASSWORD)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "FAILED" not in done.stdout
    assert "yamada signs in, reads and signs out" in done.stdout

    wrong = stack(production, "smoke", SMOKE_LOGIN_ID="yamada", SMOKE_PASSWORD="not-hers")
    assert wrong.returncode == 1
    assert wrong.stdout.count("FAILED") == 1

    nowhere = stack(production, "smoke", "https://localhost:9")
    assert nowhere.returncode == 1
    assert "  ok  " not in nowhere.stdout


def test_a_service_that_was_asked_to_end_says_so_and_goes_on_answering_for_a_moment(production: Production) -> None:
    url, pid = production.replica("service-2"), production.stack.pid("service-2")
    os.kill(pid, signal.SIGTERM)
    wait_for(lambda: httpx2.get(f"{url}/api/health/live", trust_env=False).status_code == 503, "it does not say so", 2)

    assert httpx2.get(f"{url}/api/auth/me", trust_env=False).status_code == 401

    wait_for(lambda: production.stack.pid("service-2") != pid, "it has not ended")
    wait_for(lambda: is_live(production, "service-2"), "it is not back", 60)


def test_a_rolling_restart_costs_no_request_and_no_heartbeat(production: Production) -> None:
    scene = production.scene
    crowd = Crowd(
        [
            *terminals(scene, "ROLLED", 4, pause=0.02),
            *(Reader(scene.signed_in("yamada"), "/api/fleet/terminals") for _ in range(2)),
            *(Reader(scene.http(), "/login") for _ in range(2)),
        ]
    )
    before = {name: production.stack.pid(name) for name in ("service", "service-2", "worker", "beat", "dashboards-2")}

    with crowd.at_work():
        crowd.flow(100)
        done = stack(production, "restart")
    assert done.returncode == 0, done.stdout + done.stderr
    print(f"{crowd.answers()} answers while everything was restarted\n{done.stdout}")

    assert {name: production.stack.pid(name) for name in before}.items().isdisjoint(before.items())
    assert crowd.failures() == {"terminals": {}, "readers": {}}
    assert crowd.answers() > 500
    counting.heartbeats(scene, crowd)
