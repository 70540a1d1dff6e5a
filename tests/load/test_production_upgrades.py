"""A deployment as docs/upgrades.md tells it, under load: looked at, restarted one after the other, rehearsed back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import uuid
from collections import Counter

import httpx2
import psycopg
import pytest

from stack.home import ROOT
from tests import cast, factories
from tests.load.test_production import _give_token, asking, heartbeat, session
from tests.production import Production, is_live, wait_for

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
    done = stack(production, "smoke", SMOKE_LOGIN_ID="yamada", SMOKE_PASSWORD=cast.PASSWORD)
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
    answers: Counter[tuple[str, str]] = Counter()
    stream, tokens, person = str(uuid.uuid4()), [f"rolled-{uuid.uuid4()}" for _ in range(4)], session(production)
    answered: list[tuple[int, int]] = []
    with production.committed() as db:
        for token in tokens:
            _give_token(db, factories.terminal(db).id, token)
    before = {name: production.stack.pid(name) for name in ("service", "service-2", "worker", "beat", "dashboards-2")}

    def told(what: str, ask: httpx2.Response | Exception) -> str:
        status = str(ask.status_code) if isinstance(ask, httpx2.Response) else type(ask).__name__
        answers[what, status] += 1
        return status

    def send(number: int, stopping: threading.Event) -> None:
        sequence = 1
        with production.http(headers={"Authorization": f"Bearer {tokens[number]}"}) as http:
            while not stopping.wait(0.02):
                try:
                    status = told("heartbeat", http.post("/api/fleet/heartbeats", json=heartbeat(sequence, stream)))
                except httpx2.TransportError as error:
                    status = told("heartbeat", error)
                if status == "200":
                    answered.append((number, sequence))
                    sequence += 1

    def read(number: int, stopping: threading.Event) -> None:
        path = "/login" if number % 2 else "/api/fleet/terminals"
        with production.http(headers={} if number % 2 else person) as http:
            while not stopping.wait(0.02):
                try:
                    told(path, http.get(path))
                except httpx2.TransportError as error:
                    told(path, error)

    with asking(len(tokens), send), asking(4, read):
        wait_for(lambda: answers.total() > 100, "no answers")
        done = stack(production, "restart")
    assert done.returncode == 0, done.stdout + done.stderr
    print(f"while everything was restarted: {dict(answers)}\n{done.stdout}")

    assert {name: production.stack.pid(name) for name in before}.items().isdisjoint(before.items())
    with psycopg.connect(production.url("backup")) as reader:
        stored = Counter(
            reader.execute(
                "SELECT terminal_id, sequence FROM fleet_heartbeats WHERE stream_id = %s", [stream]
            ).fetchall()
        )
    assert set(stored.values()) == {1}
    assert len(answered) == len(stored)
    assert answers.total() > 500
    assert {status for _, status in answers} == {"200"}
