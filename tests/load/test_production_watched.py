"""Prometheus as it is shipped, beside production: it asks every replica, understands every rule and every panel, and an
alert fires when a worker is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from tests.ensure_servers import program
from tests.processes import free_port
from tests.production import SHIPPED, Production, running_process
from tests.waiting import wait_for

pytestmark = pytest.mark.production


class Prometheus:
    def __init__(self, port: int) -> None:
        self.http = httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=15, trust_env=False)

    def query(self, expression: str) -> list[dict[str, Any]]:
        answer = self.http.get("/api/v1/query", params={"query": expression}).json()
        assert answer["status"] == "success", (expression, answer)
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found

    def firing(self) -> set[str]:
        return {one["metric"]["alertname"] for one in self.query('ALERTS{alertstate="firing"}')}

    def is_ready(self) -> bool:
        try:
            return self.http.get("/-/ready").status_code == 200
        except httpx2.TransportError:
            return False


@pytest.fixture(scope="module")
def prometheus(production: Production) -> Iterator[Prometheus]:
    """The shipped configuration and rules; only the names of containers are addresses of this machine, asked more
    often."""
    folder, port = production.folder / "prometheus", free_port()
    folder.mkdir()
    config = yaml.safe_load((SHIPPED / "prometheus.yml").read_text())
    [job] = config["scrape_configs"]
    assert job.pop("dns_sd_configs") == [{"names": ["service"], "type": "A", "port": 8000, "refresh_interval": "10s"}]
    replicas = [production.replica(name).removeprefix("http://") for name in ("service", "service-2")]
    job["static_configs"] = [{"targets": replicas}]
    config["global"] = {"scrape_interval": "2s", "evaluation_interval": "2s"}
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    (folder / "alerts.yml").write_text((SHIPPED / "alerts.yml").read_text())
    command = [
        str(program("prometheus")),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with running_process(production, "prometheus", command):
        running = Prometheus(port)
        with running.http:
            wait_for(running.is_ready, "Prometheus did not start")
            wait_for(lambda: len(running.query('up{job="genba"} == 1')) == 2, "a replica is not asked", 60)
            yield running


def test_promtool_finds_nothing_wrong_with_what_is_shipped() -> None:
    for command in (["check", "config", "prometheus.yml"], ["check", "rules", "alerts.yml"]):
        done = subprocess.run([str(program("promtool")), *command], cwd=SHIPPED, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_panel_has_an_answer_and_a_japanese_title(prometheus: Prometheus, production: Production) -> None:
    panels = json.loads((SHIPPED / "grafana.json").read_text())["panels"]
    with production.http() as http:
        http.get("/api/health/live")
    wait_for(lambda: prometheus.query("genba_watchdog_silent_seconds"), "the watchdog was not heard of", 60)
    for panel in panels:
        assert any("\u3040" <= character <= "\u9fff" for character in panel["title"]), panel["title"]
        for target in panel.get("targets", ()):
            answered = prometheus.query(target["expr"])
            # Nobody sends heartbeats just now; rates of nothing are nothing.
            assert answered or "heartbeats" in target["expr"] or "rate(" in target["expr"], target["expr"]


def test_an_installation_that_is_well_alerts_nobody(prometheus: Prometheus) -> None:
    assert prometheus.firing() - {"GenbaMemoryShort", "GenbaDiskFilling", "GenbaDiskFull"} == set()


@contextmanager
def kept_down(production: Production, name: str) -> Iterator[None]:
    """kill -9, and again whenever it is back."""
    stopping = threading.Event()

    def kill() -> None:
        while not stopping.wait(0.2):
            try:
                os.kill(production.stack.pid(name), signal.SIGKILL)
            except (OSError, ValueError, IndexError):
                continue

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        yield
    finally:
        stopping.set()
        killer.join()


def test_an_alert_fires_when_the_worker_is_killed_and_ends_when_it_is_back(
    production: Production, prometheus: Prometheus
) -> None:
    begun = time.monotonic()
    with kept_down(production, "worker"):
        wait_for(lambda: "GenbaWorkerMissing" in prometheus.firing(), "nobody is told of the worker", 240)
        told = time.monotonic() - begun
    wait_for(lambda: "GenbaWorkerMissing" not in prometheus.firing(), "the alert does not end", 120)
    print(f"GenbaWorkerMissing after {told:.0f} s")

    # It fell silent for 45 s before it counted as gone, then a minute long.
    assert told > 60


def test_what_slow_statements_say_holds_no_value_and_their_plan(production: Production) -> None:
    """A statement of two seconds: in the log with its plan, without what was looked for."""
    import psycopg

    log = production.folder / "postgres.log"
    before = log.stat().st_size
    with psycopg.connect(production.url("app")) as connection:
        connection.execute("SELECT pg_sleep(2.1), %s::text AS wanted", ["百瀬 桃 090-8888-1234"])
    with Path(log).open("rb") as read:
        read.seek(before)
        said = read.read().decode(errors="replace")

    assert "duration: 2" in said
    assert '"Plan"' in said
    assert "090-8888-1234" not in said
