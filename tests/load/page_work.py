"""Row `pages` of `make bench`: what opening a page by its address costs in CPU, without a browser.

Each page of an administrator's menu is opened by its own session over a websocket, as a browser does, and counted when
its script has ended; Streamlit alone (`bare_page.py`) is opened the same way in between.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from dashboards.menu import MENU
from dashboards.session import SESSION_COOKIE
from service.core.areas import AREAS
from tests.load import bare
from tests.load.environment import BenchEnvironment, RunningService, create_session
from tests.load.rows import Claim, Meter, RowResult, Run, median_run
from tests.load.websocket import connect_tab, open_page
from tests.processes import free_port

ROUNDS, BARE_REPEATS, BARE_BLOCKS = 5, 10, 2
MAX_RATIO = 4


def claims(environment: BenchEnvironment) -> RowResult:
    with (
        environment.running_service() as service,
        running_dashboards(service) as dashboards,
        bare.running_page("--server.fileWatcherType=none") as (bare_url, bare_pid),
    ):
        token = _administrator(environment)
        paths = [entry.url_path for entry in MENU if entry.in_menu]
        meters = {"dashboards": [dashboards.pid]} | service.processes
        _measure(dashboards.url, token, paths, meters)  # What is read once per process is read.
        runs, bare_runs = [], []
        for _ in range(ROUNDS):
            runs.append(_measure(dashboards.url, token, paths, meters))
            bare_runs.append(_measure(bare_url, token, [""] * BARE_REPEATS, {"Streamlit alone": [bare_pid]}))
    page, bare_page = median_run(runs), median_run(bare_runs)
    ratio = page.cpu["dashboards"] / bare_page.cpu_micros
    return table_lines(page, bare_page, len(paths)), [
        Claim.at_most(MAX_RATIO, "the dashboards' CPU of a page", ratio, "Streamlit alone: a table of 50 rows")
    ]


@contextmanager
def running_dashboards(service: RunningService) -> Iterator[RunningService]:
    """Pages that do not refresh themselves."""
    port, environment = free_port(), service.environment
    settings = {"SERVICE_URL": service.url, "REFRESH_SECONDS": "3600"}
    command = [sys.executable, "-m", "uvicorn", "dashboards.app:app", "--port", str(port), "--no-access-log"]
    ready = f"http://127.0.0.1:{port}/_stcore/health"
    with environment.running_process(command, settings, ready) as process:
        yield RunningService(environment, port, process.pid)


def _administrator(environment: BenchEnvironment) -> str:
    """Of all areas, and the token of a session."""
    with environment.owner_connection() as connection:
        token = create_session(connection, "admin", AREAS[0])
        for area in AREAS[1:]:
            connection.execute(
                "INSERT INTO memberships (user_id, area, role) SELECT max(id), %s, 'admin' FROM users", [area]
            )
    return token


def _measure(origin: str, token: str, paths: list[str], processes: dict[str, list[int]]) -> Run:
    meter = Meter(processes)
    for path in paths:
        with connect_tab(origin, {SESSION_COOKIE: token}) as socket:
            open_page(socket, path, blocks_at_least=BARE_BLOCKS)
    return meter.stop(len(paths))


def table_lines(page: Run, bare_page: Run, pages: int) -> list[str]:
    return [
        "| opened by its address, without a browser | CPU-ms |",
        "| --- | ---: |",
        *(f"| a page, mean of {pages}: {name} | {micros / 1000:.1f} |" for name, micros in page.cpu.items()),
        f"| Streamlit alone: a table of 50 rows | {bare_page.cpu_micros / 1000:.1f} |",
    ]
