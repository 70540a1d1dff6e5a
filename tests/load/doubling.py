"""Row `doubling` of `make bench`: how answers, jobs and pages scale when their process is doubled. Written into
docs/scaling.md, with what one terminal costs in CPU, WAL and disk.

Both processes run all the time; one or both of them get work, in turns. Services are called through the shipped Caddy;
workers send real mails from the outbox to the sandbox's SMTP server; pages are opened by their own sessions over a
websocket, as a browser does, and counted when their script has ended.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psutil

from dashboards.session import SESSION_COOKIE
from tests.ensure_servers import PATH, find_program
from tests.load import driver, marked, sizing
from tests.load.environment import BenchEnvironment, RunningService
from tests.load.rows import Claim, Meter, RowResult, Run, median_run, percentile
from tests.load.websocket import connect_tab, open_page
from tests.processes import free_port
from tests.production import PRODUCTION_FOLDER
from tests.sandbox.process import Sandbox, running_sandbox
from tests.waiting import wait_for

ROUNDS = 2
SECONDS = 4
MAILS, SENDING_SECONDS = 30_000, 8
TABS, PAGE_SECONDS = 6, 8
IDLE_CHECK_SECONDS, QUIET_PERCENT = 5, 15
LIST, PAGE = "/api/fleet/terminals?limit=50", "terminals"


@dataclass
class Comparison:
    name: str
    single: Run
    double: Run

    @property
    def ratio(self) -> float:
        return self.double.per_second / self.single.per_second

    def lines(self) -> list[str]:
        return [self._line("1", self.single), self._line(f"2 ({self.ratio:.2f}×)", self.double)]

    def _line(self, processes: str, run: Run) -> str:
        cpu = ", ".join(f"{process} {micros:,.0f}" for process, micros in run.cpu.items())
        p99 = f"{run.p99_ms:,.0f}" if run.p99_ms else "–"
        rate = f"{run.per_second:,.0f}" if run.per_second >= 20 else f"{run.per_second:.1f}"
        return f"| {self.name} | {processes} | {rate} | {p99} | {cpu} | {run.cores:.1f} |"


@contextmanager
def running_proxy(services: list[RunningService]) -> Iterator[RunningService]:
    """Caddy as shipped in front of these services; its plain HTTP port for this machine."""
    environment, port = services[0].environment, free_port()
    settings = {
        "PATH": PATH,
        "HOME": str(environment.home.path),
        "GENBA_HTTPS_PORT": str(free_port()),
        "GENBA_HTTP_PORT": str(free_port()),
        "GENBA_SERVICES": " ".join(f"127.0.0.1:{service.port}" for service in services),
        "GENBA_SERVICE_DOOR": f"127.0.0.1:{port}",
        "GENBA_CADDY_ADMIN": "off",
        "GENBA_CADDY_DATA": str(environment.home.path / f"caddy-{port}"),
    }
    command = [
        str(find_program("caddy")),
        "run",
        "--config",
        str(PRODUCTION_FOLDER / "Caddyfile"),
        "--adapter",
        "caddyfile",
    ]
    with environment.running_process(command, settings, f"http://127.0.0.1:{port}/api/health/live") as process:
        yield RunningService(environment, port, process.pid)


def measure_services(environment: BenchEnvironment) -> tuple[list[Comparison], dict[str, float]]:
    """Heartbeats and a list, by one and two services behind Caddy; and the bytes that a heartbeat adds to WAL and
    tables."""
    read_options = {"path": LIST, "token": environment.create_session_token(), "connections": 16}
    with ExitStack() as exit_stack:
        replicas = [exit_stack.enter_context(environment.running_service()) for _ in range(2)]
        proxies = [exit_stack.enter_context(running_proxy(replicas[:n])) for n in (1, 2)]

        def compare(name: str, options: Mapping[str, Any]) -> Comparison:
            runs_by_count: list[list[Run]] = [[], []]
            for _ in range(ROUNDS):
                for proxy, runs in zip(proxies, runs_by_count, strict=True):
                    processes = {
                        "service": [service.pid for service in replicas],
                        "PostgreSQL": [environment.postgres],
                        "Caddy": [proxy.pid],
                    }
                    runs.append(driver.measure(proxy.port, processes, seconds=SECONDS, **options))
            return Comparison(name, *map(median_run, runs_by_count))

        before = _stored_figures(environment)
        heartbeat_run = compare("heartbeats, 64 connections", {"tokens": environment.tokens, "connections": 64})
        growth = {name: after - before[name] for name, after in _stored_figures(environment).items()}
        answers = [heartbeat_run, compare("a list of 50 terminals, 16 connections", read_options)]
    return answers, {name: growth[name] / growth["rows"] for name in ("log", "disk")}


def _stored_figures(environment: BenchEnvironment) -> dict[str, float]:
    """Heartbeats, bytes of WAL, and of the heartbeats' tables with their indexes."""
    [[rows, log, disk]] = environment.rows(
        "SELECT (SELECT count(*) FROM fleet_heartbeats), pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0'), (SELECT "
        "sum(pg_total_relation_size(inhrelid)) FROM pg_inherits WHERE inhparent = 'fleet_heartbeats'::regclass)"
    )
    return {"rows": rows, "log": float(log), "disk": float(disk)}


def measure_workers(environment: BenchEnvironment) -> Comparison:
    with running_sandbox() as sandbox, ExitStack() as exit_stack:
        mail_settings = {"SMTP_HOST": "127.0.0.1", "SMTP_PORT": str(sandbox.smtp_port), "MAIL_FROM": "genba@localhost"}
        celery = [sys.executable, "-m", "celery", "--app"]
        options = ["worker", "--pool", "threads", "--concurrency", "4", "--without-gossip", "--without-mingle"]
        _write_mails(environment)
        exit_stack.enter_context(
            environment.running_process([*celery, "jobs.timetable", "beat", "--pidfile", ""], mail_settings)
        )
        runs, pids = [], []
        for n in (1, 2):
            command = [*celery, "jobs.app", *options, "--hostname", f"worker{n}@%h"]
            pids.append(exit_stack.enter_context(environment.running_process(command, mail_settings)).pid)
            runs.append(_measure_sending(environment, sandbox, pids))
    return Comparison("mails from the outbox", runs[0], runs[1])


def _write_mails(environment: BenchEnvironment) -> None:
    environment.rows(
        "INSERT INTO outbox_messages (topic, payload, area, recipient, title, attempts, tries, in_doubt, insisted) "
        "SELECT 'mail', jsonb_build_object('to', jsonb_build_array('bench@example.com'), 'subject', 'No. ' || n, "
        "'body', 'bench'), 'fleet', 'bench@example.com', 'No. ' || n, 0, 0, false, false FROM generate_series(1, %s) n",
        MAILS,
    )


def _count_mails(environment: BenchEnvironment, condition: str) -> int:
    [[count]] = environment.rows(f"SELECT count(*) FROM outbox_messages WHERE topic = 'mail' AND {condition}")
    return int(count)


def _measure_sending(environment: BenchEnvironment, sandbox: Sandbox, pids: list[int]) -> Run:
    # A worker sends one mail of the topic at a time.
    is_sending = "lease IS NOT NULL AND sent_at IS NULL"
    wait_for(lambda: _count_mails(environment, is_sending) >= len(pids), "a worker sends no mail; see load.log", 300)
    processes = {"worker": pids, "PostgreSQL": [environment.postgres], "mail server": [sandbox.process.pid]}
    meter, before, started_at = Meter(processes), _count_mails(environment, "sent_at IS NOT NULL"), time.perf_counter()
    # The time of the measurement.
    time.sleep(SENDING_SECONDS)
    sent, seconds = _count_mails(environment, "sent_at IS NOT NULL") - before, time.perf_counter() - started_at
    if not sent:
        raise SystemExit("no mail was sent; see load.log")
    return meter.stop(sent, seconds)


def measure_pages(environment: BenchEnvironment) -> Comparison:
    with ExitStack() as exit_stack:
        service = exit_stack.enter_context(environment.running_service())
        settings = {"SERVICE_URL": service.url, "REFRESH_SECONDS": "3600"}
        origins, pids = [], []
        for _ in range(2):
            port = free_port()
            command = [sys.executable, "-m", "uvicorn", "dashboards.app:app", "--port", str(port), "--no-access-log"]
            origins.append(f"http://127.0.0.1:{port}")
            ready = f"{origins[-1]}/_stcore/health"
            pids.append(exit_stack.enter_context(environment.running_process(command, settings, ready)).pid)
        tokens = [environment.create_session_token() for _ in range(TABS)]
        for origin in origins:
            with connect_tab(origin, {SESSION_COOKIE: tokens[0]}) as socket:
                open_page(socket, PAGE)
        runs: dict[int, list[Run]] = {1: [], 2: []}
        for _ in range(ROUNDS):
            for n, measured_runs in runs.items():
                meter = Meter({"dashboards": pids} | service.processes)
                times = _browse(origins[:n], tokens)
                measured_runs.append(meter.stop(len(times), PAGE_SECONDS, p99_ms=percentile(times, 99) * 1000))
    return Comparison(f"page 端末一覧, {TABS} tabs", median_run(runs[1]), median_run(runs[2]))


def _browse(origins: list[str], tokens: list[str]) -> list[float]:
    """Seconds of each page that was complete in time. Tabs are divided evenly, as cookies do it."""
    until = time.perf_counter() + PAGE_SECONDS

    def browse(number: int) -> list[float]:
        times: list[float] = []
        while True:
            started_at = time.perf_counter()
            with connect_tab(origins[number % len(origins)], {SESSION_COOKIE: tokens[number]}) as socket:
                open_page(socket, PAGE)
            ended = time.perf_counter()
            if ended > until:
                return times
            times.append(ended - started_at)

    with ThreadPoolExecutor(len(tokens)) as pool:
        return [seconds for times in pool.map(browse, range(len(tokens))) for seconds in times]


def claims(environment: BenchEnvironment) -> RowResult:
    # Not the load average, which still contains the rows before this one.
    busy_percent = psutil.cpu_percent(IDLE_CHECK_SECONDS)
    answers, growth = measure_services(environment)
    comparisons = [*answers, measure_workers(environment), measure_pages(environment)]
    table = table_lines(comparisons, growth)
    marked.write("doubling", [_head(busy_percent), "", *table])
    sizing.main()
    worst = min(comparisons, key=lambda comparison: comparison.ratio)
    return table, [
        # On a machine that one process keeps busy, a second one adds little, and costs some.
        Claim(
            "a second process takes away no more than a third of what one does",
            f"{worst.name} {worst.ratio:.2f}×",
            worst.ratio >= 2 / 3,
        )
    ]


def table_lines(comparisons: list[Comparison], growth: dict[str, float]) -> list[str]:
    return [
        "| what | processes | a second | p99 ms | CPU-µs each | cores in use |",
        "| --- | --- | ---: | ---: | --- | ---: |",
        *(line for comparison in comparisons for line in comparison.lines()),
        "",
        "| one heartbeat | bytes |",
        "| --- | ---: |",
        f"| in PostgreSQL's log (WAL) | {growth['log']:,.0f} |",
        f"| in the table of heartbeats | {growth['disk']:,.0f} |",
    ]


def _head(busy: float) -> str:
    text = (
        f"Measured on {datetime.now(UTC):%Y-%m-%d}: {os.cpu_count()} cores shared with the senders, Python "
        f"{platform.python_version()}, {busy:.0f} % of the cores in use before it began; medians of {ROUNDS} rounds."
    )
    return text if busy < QUIET_PERCENT else f"{text} **Not quiet**: others were at work, and rates say little."
