"""Row `stack` of `make bench`: the whole running product, empty, and over 20,000 terminals with a year of data."""

from __future__ import annotations

import time

import psutil

from tests import rls_bypass
from tests.load import answers, past, screens
from tests.load.environment import TERMINALS, create_session
from tests.load.rows import Claim, RowResult
from tests.stack import Stack

IDLE_SECONDS = 30


def claims(stack: Stack) -> RowResult:
    """The second start and the idle memory; then every answer that the fleet's pages request, and every page in
    Chromium."""
    stack.stop()
    start_seconds = stack.start()
    # By then the memory of the start itself is free again.
    time.sleep(IDLE_SECONDS)
    assert stack.process is not None
    launcher = psutil.Process(stack.process.pid)
    processes = [launcher, *launcher.children(recursive=True)]
    megabytes = sum(process.memory_full_info().pss for process in processes) / 1e6
    lines, goals = _measure_year(stack)
    return lines, [
        Claim.under(10, "s", "second make up ready", start_seconds, digits=1),
        Claim("idle PSS of everything under 1 GB", f"{megabytes:.0f} MB", megabytes < 1000),
        *goals,
    ]


def _measure_year(stack: Stack) -> RowResult:
    """No backup is taken in the meantime: the first backup of a year that was made in minutes would run all the
    time."""
    with rls_bypass.open_connection(stack.owner_database) as connection:
        past.add_terminals(connection, TERMINALS)
        past.add_year(connection)
        token = create_session(connection, "admin")
        [[terminal_id]] = connection.execute(
            "SELECT min(id) FROM fleet_terminals WHERE serial_number LIKE 'LOAD-%'"
        ).fetchall()
    stack.stop()
    stack.environ["BACKUP_AT"] = "off"
    stack.start()
    answer_times = answers.measure_answers(int(stack.environ["SERVICE_PORT"]), token)
    page_times = screens.measure_menu(stack, {"端末詳細": f"/terminal?id={terminal_id}"})
    slowest = answer_times[0]
    return [*answers.table_lines(answer_times), "", *screens.table_lines(page_times)], [
        Claim.under(
            300,
            "ms",
            f"each of {len(answer_times)} answers over {TERMINALS:,} terminals and a year: p95",
            slowest.p95,
            f" ({slowest.request})",
        ),
        *screens.page_claims(page_times, "of the menu"),
        screens.measure_clicks(stack),
    ]
