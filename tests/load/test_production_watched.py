"""The shipped Prometheus configuration next to production: it scrapes every replica, understands every rule and every
panel, and an alert fires when a worker is killed."""

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

from tests.ensure_servers import find_program
from tests.processes import free_port
from tests.production import PRODUCTION_FOLDER, Production, running_process
from tests.waiting import wait_for

pytestmark = pytest.mark.production


class Prometheus:
    def __init__(self, port: int) -> None:
        self.http = httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=15, trust_env=False)

    def query(self, expression: str) -> list[dict[str, Any]]:
        body = self.http.get("/api/v1/query", params={"query": expression}).json()
        assert body["status"] == "success", (expression, body)
        result: list[dict[str, Any]] = body["data"]["result"]
        return result

    def firing(self) -> set[str]:
        return {alert["metric"]["alertname"] for alert in self.query('ALERTS{alertstate="firing"}')}

    def is_ready(self) -> bool:
        try:
            return self.http.get("/-/ready").status_code == 200
        except httpx2.TransportError:
            return False


@pytest.fixture(scope="module")
def prometheus(production: Production) -> Iterator[Prometheus]:
    """The shipped configuration and rules; only the container names become addresses of this machine, scraped more
    often."""
    folder, port = production.folder / "prometheus", free_port()
    folder.mkdir()
    config = yaml.safe_load((PRODUCTION_FOLDER / "prometheus.yml").read_text())
    [job] = config["scrape_configs"]
    assert job.pop("dns_sd_configs") == [{"names": ["service"], "type": "A", "port": 8000, "refresh_interval": "10s"}]
    replicas = [production.replica(name).removeprefix("http://") for name in ("service", "service-2")]
    job["static_configs"] = [{"targets": replicas}]
    config["global"] = {"scrape_interval": "2s", "evaluation_interval": "2s"}
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    (folder / "alerts.yml").write_text((PRODUCTION_FOLDER / "alerts.yml").read_text())
    command = [
        str(find_program("prometheus")),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with running_process(production, "prometheus", command):
        server = Prometheus(port)
        with server.http:
            wait_for(server.is_ready, "Prometheus did not start")
            wait_for(lambda: len(server.query('up{job="genba"} == 1')) == 2, "a replica is not asked", 60)
            yield server


def test_promtool_finds_nothing_wrong_with_what_is_shipped() -> None:
    for command in (["check", "config", "prometheus.yml"], ["check", "rules", "alerts.yml"]):
        result = subprocess.run(
            [str(find_program("promtool")), *command], cwd=PRODUCTION_FOLDER, capture_output=True, text=True
        )
        assert result.returncode == 0, result.stdout + result.stderr


def test_every_panel_has_an_answer_and_a_japanese_title(prometheus: Prometheus, production: Production) -> None:
    panels = json.loads((PRODUCTION_FOLDER / "grafana.json").read_text())["panels"]
    with production.http() as http:
        http.get("/api/health/live")
    wait_for(lambda: prometheus.query("genba_watchdog_silent_seconds"), "the watchdog was not heard of", 60)
    for panel in panels:
        assert any("\u3040" <= character <= "\u9fff" for character in panel["title"]), panel["title"]
        for target in panel.get("targets", ()):
            result = prometheus.query(target["expr"])
            # No terminal sends heartbeats here, so some rates are empty.
            assert result or "heartbeats" in target["expr"] or "rate(" in target["expr"], target["expr"]


def test_a_healthy_installation_has_no_alert(prometheus: Prometheus) -> None:
    assert prometheus.firing() - {"GenbaMemoryShort", "GenbaDiskFilling", "GenbaDiskFull"} == set()


@contextmanager
def repeatedly_killed(production: Production, name: str) -> Iterator[None]:
    """SIGKILL, and again whenever it is back."""
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
    started_at = time.monotonic()
    with repeatedly_killed(production, "worker"):
        wait_for(lambda: "GenbaWorkerMissing" in prometheus.firing(), "nobody is told of the worker", 240)
        seconds = time.monotonic() - started_at
    wait_for(lambda: "GenbaWorkerMissing" not in prometheus.firing(), "the alert does not end", 120)
    print(f"GenbaWorkerMissing after {seconds:.0f} s")

    # The worker counts as missing after 45 s, and the rule waits for one more minute.
    assert seconds > 60


def test_the_log_of_a_slow_statement_has_its_plan_and_no_value(production: Production) -> None:
    """A statement of two seconds is logged with its plan, without its parameter."""
    import psycopg

    log = production.folder / "postgres.log"
    size_before = log.stat().st_size
    with psycopg.connect(production.url("app")) as connection:
        connection.execute("SELECT pg_sleep(2.1), %s::text AS wanted", ["百瀬 桃 090-8888-1234"])
    with Path(log).open("rb") as file:
        file.seek(size_before)
        text = file.read().decode(errors="replace")

    assert "duration: 2" in text
    assert '"Plan"' in text
    assert "090-8888-1234" not in text
