"""Row `doubling` of `make bench`: what becomes of answers, jobs and pages when their process is doubled. Written into
docs/scaling.md, with what one terminal costs of CPU, log and disk.

Both processes run all the time; one or both of them are given work, in turns. Services are asked through Caddy as
shipped; workers send real mails from the outbox to the sandbox's SMTP server; pages are opened by sessions of their own
over a websocket, as a browser does, and counted when their script has ended.
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
from tests.ensure_servers import PATH, program
from tests.load import driver, marked, sizing
from tests.load.ground import Ground, Served
from tests.load.rows import Goal, Meter, Part, Run, median_of, percentile
from tests.load.websocket import open_page, tab
from tests.processes import free_port
from tests.production import SHIPPED
from tests.sandbox.process import Sandbox, running_sandbox
from tests.waiting import wait_for

ROUNDS = 2
SECONDS = 4
MAILS, SENDING_SECONDS = 30_000, 8
TABS, PAGE_SECONDS = 6, 8
LOOK_SECONDS, QUIET_PERCENT = 5, 15
LIST, PAGE = "/api/fleet/terminals?limit=50", "terminals"


@dataclass
class Doubled:
    what: str
    one: Run
    two: Run

    @property
    def ratio(self) -> float:
        return self.two.per_second / self.one.per_second

    def lines(self) -> list[str]:
        return [self._line("1", self.one), self._line(f"2 ({self.ratio:.2f}×)", self.two)]

    def _line(self, processes: str, run: Run) -> str:
        cpu = ", ".join(f"{who} {micros:,.0f}" for who, micros in run.cpu.items())
        p99 = f"{run.p99_ms:,.0f}" if run.p99_ms else "–"
        rate = f"{run.per_second:,.0f}" if run.per_second >= 20 else f"{run.per_second:.1f}"
        return f"| {self.what} | {processes} | {rate} | {p99} | {cpu} | {run.cores:.1f} |"


@contextmanager
def proxied(services: list[Served]) -> Iterator[Served]:
    """Caddy as shipped before these; its door for this machine, without TLS."""
    made, door = services[0].ground, free_port()
    more = {
        "PATH": PATH,
        "HOME": str(made.home.path),
        "GENBA_HTTPS_PORT": str(free_port()),
        "GENBA_HTTP_PORT": str(free_port()),
        "GENBA_SERVICES": " ".join(f"127.0.0.1:{service.port}" for service in services),
        "GENBA_SERVICE_DOOR": f"127.0.0.1:{door}",
        "GENBA_CADDY_ADMIN": "off",
        "GENBA_CADDY_DATA": str(made.home.path / f"caddy-{door}"),
    }
    command = [str(program("caddy")), "run", "--config", str(SHIPPED / "Caddyfile"), "--adapter", "caddyfile"]
    with made.started(command, more, f"http://127.0.0.1:{door}/api/health/live") as process:
        yield Served(made, door, process.pid)


def services(made: Ground) -> tuple[list[Doubled], dict[str, float]]:
    """Heartbeats and a list, by one and two services behind Caddy; and what a heartbeat leaves in log and tables."""
    reading = {"path": LIST, "token": made.sign_in(), "connections": 16}
    with ExitStack() as running:
        both = [running.enter_context(made.serving()) for _ in range(2)]
        doors = [running.enter_context(proxied(both[:n])) for n in (1, 2)]

        def doubled(what: str, order: Mapping[str, Any]) -> Doubled:
            found: list[list[Run]] = [[], []]
            for _ in range(ROUNDS):
                for door, runs in zip(doors, found, strict=True):
                    parts = {
                        "service": [service.pid for service in both],
                        "PostgreSQL": [made.postgres],
                        "Caddy": [door.pid],
                    }
                    runs.append(driver.measured(door.port, parts, seconds=SECONDS, **order))
            return Doubled(what, *map(median_of, found))

        before = _stored(made)
        beating = doubled("heartbeats, 64 connections", {"tokens": made.tokens, "connections": 64})
        left = {what: after - before[what] for what, after in _stored(made).items()}
        answers = [beating, doubled("a list of 50 terminals, 16 connections", reading)]
    return answers, {what: left[what] / left["rows"] for what in ("log", "disk")}


def _stored(made: Ground) -> dict[str, float]:
    """Heartbeats, bytes of the server's log, and of the heartbeats' tables with their indexes."""
    [[rows, log, disk]] = made.rows(
        "SELECT (SELECT count(*) FROM fleet_heartbeats), pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0'), (SELECT "
        "sum(pg_total_relation_size(inhrelid)) FROM pg_inherits WHERE inhparent = 'fleet_heartbeats'::regclass)"
    )
    return {"rows": rows, "log": float(log), "disk": float(disk)}


def workers(made: Ground) -> Doubled:
    with running_sandbox() as sandbox, ExitStack() as running:
        mailing = {"SMTP_HOST": "127.0.0.1", "SMTP_PORT": str(sandbox.smtp_port), "MAIL_FROM": "genba@localhost"}
        celery = [sys.executable, "-m", "celery", "--app"]
        how = ["worker", "--pool", "threads", "--concurrency", "4", "--without-gossip", "--without-mingle"]
        _write_mails(made)
        running.enter_context(made.started([*celery, "jobs.timetable", "beat", "--pidfile", ""], mailing))
        found, pids = [], []
        for n in (1, 2):
            command = [*celery, "jobs.app", *how, "--hostname", f"worker{n}@%h"]
            pids.append(running.enter_context(made.started(command, mailing)).pid)
            found.append(_sending(made, sandbox, pids))
    return Doubled("mails from the outbox", found[0], found[1])


def _write_mails(made: Ground) -> None:
    made.rows(
        "INSERT INTO outbox_messages (topic, payload, area, recipient, title, attempts, tries, in_doubt, insisted) "
        "SELECT 'mail', jsonb_build_object('to', jsonb_build_array('bench@example.com'), 'subject', 'No. ' || n, "
        "'body', 'bench'), 'fleet', 'bench@example.com', 'No. ' || n, 0, 0, false, false FROM generate_series(1, %s) n",
        MAILS,
    )


def _mails(made: Ground, which: str) -> int:
    [[count]] = made.rows(f"SELECT count(*) FROM outbox_messages WHERE topic = 'mail' AND {which}")
    return int(count)


def _sending(made: Ground, sandbox: Sandbox, pids: list[int]) -> Run:
    # A worker has one mail of the topic in hand at a time.
    in_hand = "lease IS NOT NULL AND sent_at IS NULL"
    wait_for(lambda: _mails(made, in_hand) >= len(pids), "a worker sends no mail; see load.log", 300)
    parts = {"worker": pids, "PostgreSQL": [made.postgres], "mail server": [sandbox.process.pid]}
    meter, before, begun = Meter(parts), _mails(made, "sent_at IS NOT NULL"), time.perf_counter()
    # So long it is measured.
    time.sleep(SENDING_SECONDS)
    sent, seconds = _mails(made, "sent_at IS NOT NULL") - before, time.perf_counter() - begun
    if not sent:
        raise SystemExit("no mail was sent; see load.log")
    return meter.stopped(sent, seconds)


def pages(made: Ground) -> Doubled:
    with ExitStack() as running:
        service = running.enter_context(made.serving())
        more = {"SERVICE_URL": service.url, "REFRESH_SECONDS": "3600"}
        origins, pids = [], []
        for _ in range(2):
            port = free_port()
            command = [sys.executable, "-m", "uvicorn", "dashboards.app:app", "--port", str(port), "--no-access-log"]
            origins.append(f"http://127.0.0.1:{port}")
            ready = f"{origins[-1]}/_stcore/health"
            pids.append(running.enter_context(made.started(command, more, ready)).pid)
        tokens = [made.sign_in() for _ in range(TABS)]
        for origin in origins:
            with tab(origin, {SESSION_COOKIE: tokens[0]}) as socket:
                open_page(socket, PAGE)
        runs: dict[int, list[Run]] = {1: [], 2: []}
        for _ in range(ROUNDS):
            for n, measured in runs.items():
                meter = Meter({"dashboards": pids} | service.parts)
                times = _opened(origins[:n], tokens)
                measured.append(meter.stopped(len(times), PAGE_SECONDS, p99_ms=percentile(times, 99) * 1000))
    return Doubled(f"page 端末一覧, {TABS} tabs", median_of(runs[1]), median_of(runs[2]))


def _opened(origins: list[str], tokens: list[str]) -> list[float]:
    """Seconds of each page that was complete before time was up. Tabs are shared out evenly, as cookies do it."""
    until = time.perf_counter() + PAGE_SECONDS

    def browse(number: int) -> list[float]:
        times: list[float] = []
        while True:
            begun = time.perf_counter()
            with tab(origins[number % len(origins)], {SESSION_COOKIE: tokens[number]}) as socket:
                open_page(socket, PAGE)
            ended = time.perf_counter()
            if ended > until:
                return times
            times.append(ended - begun)

    with ThreadPoolExecutor(len(tokens)) as pool:
        return [seconds for times in pool.map(browse, range(len(tokens))) for seconds in times]


def claims(made: Ground) -> Part:
    # Not the load average: it still tells of the rows before this one.
    busy = psutil.cpu_percent(LOOK_SECONDS)
    answers, left = services(made)
    doubled = [*answers, workers(made), pages(made)]
    table = lines(doubled, left)
    marked.write("doubling", [_head(busy), "", *table])
    sizing.main()
    worst = min(doubled, key=lambda one: one.ratio)
    return table, [
        # On a machine that one process keeps busy the second one gives little, and costs some.
        Goal(
            "a second process takes away no more than a third of what one does",
            f"{worst.what} {worst.ratio:.2f}×",
            worst.ratio >= 2 / 3,
        )
    ]


def lines(doubled: list[Doubled], left: dict[str, float]) -> list[str]:
    return [
        "| what | processes | a second | p99 ms | CPU-µs each | cores in use |",
        "| --- | --- | ---: | ---: | --- | ---: |",
        *(line for one in doubled for line in one.lines()),
        "",
        "| one heartbeat | bytes |",
        "| --- | ---: |",
        f"| in PostgreSQL's log (WAL) | {left['log']:,.0f} |",
        f"| in the table of heartbeats | {left['disk']:,.0f} |",
    ]


def _head(busy: float) -> str:
    told = (
        f"Measured on {datetime.now(UTC):%Y-%m-%d}: {os.cpu_count()} cores shared with the senders, Python "
        f"{platform.python_version()}, {busy:.0f} % of the cores in use before it began; medians of {ROUNDS} rounds."
    )
    return told if busy < QUIET_PERCENT else f"{told} **Not quiet**: others were at work, and rates say little."
