"""Row `doubling` of `make bench`: what becomes of answers, jobs and pages when their process is doubled. Written into
docs/scaling.md, with what one terminal costs of CPU, log and disk.

Both processes run all the time; one or both of them are given work, in turns. Services are asked through Caddy as
shipped; workers send real mails from the outbox to the sandbox's SMTP server; pages are opened by sessions of their own
over a websocket, as a browser does, and counted when their script has ended.
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psutil
import psycopg
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from dashboards.session import COOKIE
from stack.home import ROOT
from tests.ensure_servers import PATH, program
from tests.load import marked, sizing
from tests.load.claims import Goal, Part
from tests.load.ground import Ground, cpu_of, open_session
from tests.processes import await_ok, end, free_port, tied
from tests.production import SHIPPED
from tests.sandbox.process import Sandbox, running_sandbox
from tests.sight import seeing_all

ROUNDS = 2
SECONDS = 4
MAILS = 30_000
# A worker is told of what is due every three seconds, by one beat for all; one of several may be told later.
SETTLE_SECONDS, SENDING_SECONDS = 15, 8
TABS, PAGE_SECONDS = 6, 8
LOOK_SECONDS, QUIET_PERCENT = 5, 15
LIST, PAGE = "/api/fleet/terminals?limit=50", "terminals"


@dataclass
class Run:
    """`cpu`: microseconds each, by who used them. `cores`: of the machine in use meanwhile, whoever used them."""

    per_second: float
    p99_ms: float
    cpu: dict[str, float]
    cores: float


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


class Meter:
    """CPU of some processes and of the whole machine, from now on."""

    def __init__(self, parts: dict[str, list[int]]) -> None:
        self._parts = parts
        self._before = self._used()
        self._begun, self._idle = time.perf_counter(), psutil.cpu_times().idle

    def _used(self) -> dict[str, float]:
        return {who: sum(map(cpu_of, pids)) for who, pids in self._parts.items()}

    def stopped(self, done: float, seconds: float, p99_ms: float = 0) -> Run:
        used, passed = self._used(), time.perf_counter() - self._begun
        cores = (os.cpu_count() or 1) - (psutil.cpu_times().idle - self._idle) / passed
        cpu = {who: (used[who] - self._before[who]) / done * 1e6 for who in used}
        return Run(done / seconds, p99_ms, cpu, max(0.0, cores))


def middle(runs: list[Run]) -> Run:
    def of(figure: Callable[[Run], float]) -> float:
        return statistics.median(map(figure, runs))

    cpu = {who: statistics.median(run.cpu[who] for run in runs) for who in runs[0].cpu}
    return Run(of(lambda run: run.per_second), of(lambda run: run.p99_ms), cpu, of(lambda run: run.cores))


@contextmanager
def started(
    made: Ground, command: list[str], more: dict[str, str], ready: str = ""
) -> Iterator[subprocess.Popen[bytes]]:
    log = (made.home.logs / "doubling.log").open("ab")
    process = subprocess.Popen(tied(command), cwd=ROOT, env=made.environ | more, stdout=log, stderr=log)
    try:
        if ready:
            await_ok(ready, process)
        yield process
    finally:
        end(process)
        log.close()


@contextmanager
def serving(made: Ground) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "--factory", "service.main:app", "--port", str(port), "--no-access-log"]
    with started(made, command, {}, f"http://127.0.0.1:{port}/api/health/live") as process:
        yield port, process


@contextmanager
def proxied(made: Ground, ports: list[int]) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """Caddy as shipped; its door for this machine, without TLS."""
    door, others = free_port(), [str(free_port()) for _ in range(2)]
    more = {
        "PATH": PATH,
        "HOME": str(made.home.path),
        "GENBA_HTTPS_PORT": others[0],
        "GENBA_HTTP_PORT": others[1],
        "GENBA_SERVICES": " ".join(f"127.0.0.1:{port}" for port in ports),
        "GENBA_SERVICE_DOOR": f"127.0.0.1:{door}",
        "GENBA_CADDY_ADMIN": "off",
        "GENBA_CADDY_DATA": str(made.home.path / f"caddy-{door}"),
    }
    command = [str(program("caddy")), "run", "--config", str(SHIPPED / "Caddyfile"), "--adapter", "caddyfile"]
    with started(made, command, more, f"http://127.0.0.1:{door}/api/health/live") as process:
        yield door, process


def services(made: Ground) -> tuple[list[Doubled], dict[str, float]]:
    """Heartbeats and a list, by one and two services behind Caddy; and what a heartbeat leaves in log and tables."""
    token = made.sign_in()
    with ExitStack() as running:
        both = [running.enter_context(serving(made)) for _ in range(2)]
        ports, processes = [port for port, _ in both], [process.pid for _, process in both]
        doors = [running.enter_context(proxied(made, ports[:n])) for n in (1, 2)]
        runs: dict[tuple[str, int], list[Run]] = {}
        before, answered = _stored(made), 0

        def measure(what: str, n: int, ask: Callable[..., dict[str, Any]], **order: Any) -> int:
            door, caddy = doors[n - 1]
            meter = Meter({"service": processes, "PostgreSQL": [made.postgres.pid], "Caddy": [caddy.pid]})
            result = ask(door, **order)
            if set(result["statuses"]) != {"200"}:
                raise SystemExit(f"{what} with {n}: {result['statuses']}; nothing was measured")
            run = meter.stopped(result["answers"], result["seconds"], result["p99_ms"])
            runs.setdefault((what, n), []).append(run)
            return int(result["answers"])

        for door, _ in doors:
            answered += int(made.load(door, connections=16, seconds=1)["answers"])
            made.read(door, path=LIST, token=token, connections=4, seconds=1)
        for _ in range(ROUNDS):
            for n in (1, 2):
                answered += measure("heartbeats, 64 connections", n, made.load, connections=64, seconds=SECONDS)
        left = {name: (after - before[name]) / answered for name, after in _stored(made).items()}
        for _ in range(ROUNDS):
            for n in (1, 2):
                order = {"path": LIST, "token": token, "connections": 16, "seconds": SECONDS}
                measure("a list of 50 terminals, 16 connections", n, made.read, **order)
    whats = dict.fromkeys(what for what, _ in runs)
    return [Doubled(what, middle(runs[what, 1]), middle(runs[what, 2])) for what in whats], left


def _stored(made: Ground) -> dict[str, float]:
    """Bytes of the server's log, and of the heartbeats' tables with their indexes."""
    [[log, disk]] = made.rows(
        "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0'), (SELECT sum(pg_total_relation_size(inhrelid)) "
        "FROM pg_inherits WHERE inhparent = 'fleet_heartbeats'::regclass)"
    )
    return {"log": float(log), "disk": float(disk)}


def workers(made: Ground) -> Doubled:
    with running_sandbox() as sandbox, ExitStack() as running:
        mailing = {"SMTP_HOST": "127.0.0.1", "SMTP_PORT": str(sandbox.smtp_port), "MAIL_FROM": "genba@localhost"}
        celery = [sys.executable, "-m", "celery", "--app"]
        how = ["worker", "--pool", "threads", "--concurrency", "4", "--without-gossip", "--without-mingle"]
        _write_mails(made)
        running.enter_context(started(made, [*celery, "jobs.timetable", "beat", "--pidfile", ""], mailing))
        found, pids = [], []
        for n in (1, 2):
            command = [*celery, "jobs.app", *how, "--hostname", f"worker{n}@%h"]
            pids.append(running.enter_context(started(made, command, mailing)).pid)
            _await_sending(made, n)
            found.append(_sending(made, sandbox, pids))
    return Doubled("mails from the outbox", found[0], found[1])


def _write_mails(made: Ground) -> None:
    made.rows(
        "INSERT INTO outbox_messages (topic, payload, area, recipient, title, attempts, tries, in_doubt, insisted) "
        "SELECT 'mail', jsonb_build_object('to', jsonb_build_array('bench@example.com'), 'subject', 'No. ' || n, "
        "'body', 'bench'), 'fleet', 'bench@example.com', 'No. ' || n, 0, 0, false, false FROM generate_series(1, %s) n",
        MAILS,
    )


def _sent(made: Ground) -> int:
    [[sent]] = made.rows("SELECT count(*) FROM outbox_messages WHERE sent_at IS NOT NULL AND topic = 'mail'")
    return int(sent)


def _await_sending(made: Ground, workers: int) -> None:
    """Until mails go out, and until each of several workers has been told that some are due."""
    deadline, before = time.monotonic() + 120, _sent(made)
    while _sent(made) == before:
        if time.monotonic() > deadline:
            raise SystemExit("no mail was sent; see doubling.log")
        time.sleep(0.2)
    time.sleep(SETTLE_SECONDS if workers > 1 else 2)


def _sending(made: Ground, sandbox: Sandbox, pids: list[int]) -> Run:
    parts = {"worker": pids, "PostgreSQL": [made.postgres.pid], "mail server": [sandbox.process.pid]}
    meter, before, begun = Meter(parts), _sent(made), time.perf_counter()
    time.sleep(SENDING_SECONDS)
    sent, seconds = _sent(made) - before, time.perf_counter() - begun
    if not sent:
        raise SystemExit("no mail was sent; see doubling.log")
    return meter.stopped(sent, seconds)


def pages(made: Ground) -> Doubled:
    with ExitStack() as running:
        service_port, service = running.enter_context(serving(made))
        more = {"SERVICE_URL": f"http://127.0.0.1:{service_port}", "REFRESH_SECONDS": "3600"}
        origins, processes = [], []
        for _ in range(2):
            port = free_port()
            command = [sys.executable, "-m", "uvicorn", "dashboards.app:app", "--port", str(port), "--no-access-log"]
            ready = f"http://127.0.0.1:{port}/_stcore/health"
            processes.append(running.enter_context(started(made, command, more, ready)))
            origins.append(f"127.0.0.1:{port}")
        tokens = [_person(made, number) for number in range(TABS)]
        for origin in origins:
            with tab(origin, tokens[0]) as socket:
                open_page(socket, PAGE)
        runs: dict[int, list[Run]] = {1: [], 2: []}
        for _ in range(ROUNDS):
            for n, measured in runs.items():
                parts = {
                    "dashboards": [process.pid for process in processes],
                    "service": [service.pid],
                    "PostgreSQL": [made.postgres.pid],
                }
                meter = Meter(parts)
                times = _opened(origins[:n], tokens)
                measured.append(meter.stopped(len(times), PAGE_SECONDS, sorted(times)[len(times) * 99 // 100] * 1000))
    return Doubled(f"page 端末一覧, {TABS} tabs", middle(runs[1]), middle(runs[2]))


def _person(made: Ground, number: int) -> str:
    with psycopg.connect(seeing_all(made.environ["DATABASE_OWNER_URL"]), autocommit=True) as owner:
        return open_session(owner, f"pages-{number}", "operator")


@contextmanager
def tab(origin: str, token: str) -> Iterator[ClientConnection]:
    with connect(
        f"ws://{origin}/_stcore/stream",
        origin=Origin(f"http://{origin}"),
        additional_headers={"Cookie": f"{COOKIE}={token}"},
        subprotocols=[Subprotocol("streamlit")],
        proxy=None,
        max_size=None,
        close_timeout=1,
    ) as socket:
        yield socket


def open_page(socket: ClientConnection, page: str) -> None:
    """Asks for it and waits for its last word. Raises SystemExit when it is not the page that comes."""
    ask = BackMsg()
    ask.rerun_script.page_name = page
    socket.send(ask.SerializeToString())
    blocks = 0
    while True:
        told = ForwardMsg.FromString(socket.recv(timeout=60, decode=False))
        kind = told.WhichOneof("type")
        blocks += kind == "delta"
        if kind == "page_not_found" or kind == "auth_redirect":
            raise SystemExit(f"the page {page} was not opened: {kind}")
        if kind == "script_finished":
            if told.script_finished != ForwardMsg.ScriptFinishedStatus.FINISHED_SUCCESSFULLY or blocks < 5:
                raise SystemExit(f"the page {page} was not drawn: {told.script_finished}, {blocks} blocks")
            return


def _opened(origins: list[str], tokens: list[str]) -> list[float]:
    """Seconds of each page that was complete before time was up. Tabs are shared out evenly, as cookies do it."""
    until, times = time.perf_counter() + PAGE_SECONDS, []
    failed: list[BaseException] = []

    def browse(origin: str, token: str) -> None:
        try:
            while True:
                begun = time.perf_counter()
                with tab(origin, token) as socket:
                    open_page(socket, PAGE)
                ended = time.perf_counter()
                if ended > until:
                    return
                times.append(ended - begun)
        except BaseException as error:  # told by the one who waits
            failed.append(error)

    threads = [
        threading.Thread(target=browse, args=(origins[number % len(origins)], token))
        for number, token in enumerate(tokens)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    return times


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
