"""`make bench`: every speed claim as a row of one run; prints the table and writes docs/benchmarks.md.

Figures on a shared machine wander; the rows of one run, taken in turns, can be compared with one another. CPU is the
user and system time of the service's process and of all of PostgreSQL, per answered heartbeat; the sender is not in it.
"""

from __future__ import annotations

import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import psutil
import psycopg

from tests.load import (
    agency_pages,
    agency_work,
    backup_work,
    bare,
    door_work,
    doubling,
    loaner_work,
    log_work,
    long_work,
    once_work,
    paper_work,
    reservation_work,
    screens,
    storm,
    sweeps,
    year_work,
)
from tests.load.claims import Goal, Part
from tests.load.ground import Ground, ground
from tests.load.rows import Row, median_of, read
from tests.sight import seeing_all
from tests.stack import running_stack

TERMINALS = 20_000
ROUNDS = 3
SECONDS = 4
TRUE_RATE = 67
TRUE_SECONDS = 15
RESULT = Path(__file__).resolve().parent.parent.parent / "docs" / "benchmarks.md"


def measure(made: Ground, target: str, **order: Any) -> Row:
    """One run of the generator against the target, after a short one to warm it up."""
    with made.serving(target) as (port, process):
        made.load(port, connections=16, seconds=1)
        before, begun = made.cpu_seconds(process), time.perf_counter()
        result = made.load(port, **order)
        cpu, seconds = made.cpu_seconds(process) - before, time.perf_counter() - begun
    if set(result["statuses"]) != {"200"}:
        raise SystemExit(f"{target} answered {result['statuses']}; nothing was measured")
    answers = result["answers"]
    return Row("", answers / min(seconds, result["seconds"]), cpu / answers * 1e6, result["p50_ms"], result["p99_ms"])


def heartbeats(made: Ground) -> Part:
    ours, naive, answering = "service.main:app", "tests.load.naive:app", "tests.load.bare:http"
    runs: dict[tuple[str, int], list[Row]] = {}
    storing: list[bare.Stored] = []
    for _ in range(ROUNDS):
        for target, connections in ((ours, 256), (naive, 256), (answering, 256), (ours, 64), (naive, 64)):
            run = measure(made, target, connections=connections, seconds=SECONDS)
            runs.setdefault((target, connections), []).append(run)
        storing.append(bare.stored(made, SECONDS))
    true_traffic = measure(made, ours, rate=TRUE_RATE, seconds=TRUE_SECONDS)
    lines = [
        "| heartbeats | answers/s | CPU-µs each | p50 ms | p99 ms | against the naive design |",
        "| --- | ---: | ---: | ---: | ---: | --- |",
    ]
    for connections in (64, 256):
        mine = median_of(f"Genba, {connections} connections", runs[ours, connections])
        other = median_of(f"naive design, {connections} connections", runs[naive, connections])
        faster = mine.per_second / other.per_second
        against = f"{faster:.0f}× answers, {other.cpu_micros / mine.cpu_micros:.0f}× less CPU"
        lines += [mine.line(against), other.line("1")]
    answered = median_of("HTTP alone: read, answered, not stored, 256 connections", runs[answering, 256])
    stored = statistics.median(one.cpu_micros for one in storing)
    lines += [
        answered.line(""),
        f"| PostgreSQL alone: a transaction each, {bare.CONNECTIONS} connections | "
        f"{statistics.median(one.per_second for one in storing):,.0f} | {stored:,.0f} | – | – | |",
    ]
    share = true_traffic.cpu_micros * TRUE_RATE / 1e6
    true_traffic.name = f"Genba, {TRUE_RATE}/s, each on a new connection"
    lines.append(true_traffic.line(f"{share:.1%} of one core"))
    goals = [
        Goal("at least 20 times the naive design's answers at 256 connections", f"{faster:.0f}×", faster >= 20),
        Goal.at_most(3, "the CPU of a heartbeat there", mine.cpu_micros / answered.cpu_micros, "of HTTP alone"),
        Goal.at_most(1, "the same", mine.cpu_micros / stored, "of PostgreSQL alone"),
        Goal(f"{TRUE_RATE}/s on new connections under 8 % of one core", f"{share:.1%}", share < 0.08),
    ]
    return lines, goals


def lists(made: Ground) -> Part:
    """A list of 50 as a person's page asks for it: through the session, row-level security and the answer's schema;
    beside an empty route."""
    token = made.sign_in()
    with psycopg.connect(seeing_all(made.environ["DATABASE_OWNER_URL"]), autocommit=True) as owner:
        owner.execute(
            "WITH one AS (INSERT INTO fleet_incidents (alert_type, scope) VALUES ('offline', 'fleet') RETURNING id) "
            "INSERT INTO fleet_alerts (incident_id, terminal_id, alert_type, message) "
            "SELECT one.id, t.id, 'offline', '通信がありません' FROM one, fleet_terminals t ORDER BY t.id LIMIT 50"
        )
        owner.execute("VACUUM ANALYZE fleet_alerts, users, memberships, sessions")
    with made.serving(bare.ROUTE) as alone, made.serving("service.main:app") as ours:
        asked = ((bare.EMPTY, *alone), ("/api/auth/me", *ours), ("/api/fleet/alerts?limit=50", *ours))
        runs = [
            [read(made, port, process, token, path, SECONDS) for path, port, process in asked] for _ in range(ROUNDS)
        ]
    empty, me, listed = (
        median_of(path, list(of)) for (path, *_), of in zip(asked, zip(*runs, strict=True), strict=True)
    )
    lines = ["| asked for by 8 connections | answers/s | CPU-µs each | p50 ms | p99 ms | against an empty route |"]
    lines.append("| --- | ---: | ---: | ---: | ---: | ---: |")
    for name, row in (("FastAPI and SELECT 1", empty), ("who-am-I", me), ("a list of 50", listed)):
        row.name = name
        lines.append(row.line(f"{row.cpu_micros / empty.cpu_micros:.2f}×"))
    return lines, [
        Goal.at_most(3, "the CPU of who-am-I", me.cpu_micros / empty.cpu_micros, "of an empty route"),
        Goal.at_most(3, "the CPU of a list of 50", listed.cpu_micros / empty.cpu_micros, "of an empty route"),
        Goal("a list of 50 at 8 connections: p99 under 50 ms", f"{listed.p99_ms:.0f} ms", listed.p99_ms < 50),
    ]


def long_lists(made: Ground) -> Part:
    seconds = long_work.import_rows(made)
    long_work.fill(made)
    export_seconds, grown, rows = long_work.export(made)
    naive_seconds, naive_grown = long_work.naive_export(made)
    against = f"{naive_seconds / export_seconds:.1f}× faster than naive, which grows by {naive_grown:,.0f} MiB"
    return [], [
        Goal(
            f"{rows:,} rows as CSV over HTTP: the service grows by at most 16 MiB",
            f"{grown:.0f} MiB in {export_seconds:.1f} s; {against}",
            grown <= 16 and rows == long_work.ROWS,
        ),
        Goal(
            f"{long_work.IMPORTED:,} rows read, checked, imported and audited under 30 s",
            f"{seconds:.1f} s",
            seconds < 30,
        ),
    ]


def whole_stack() -> Part:
    with running_stack() as stack:
        stack.stop()
        again = stack.start()
        time.sleep(30)
        assert stack.process is not None
        launcher = psutil.Process(stack.process.pid)
        everything = [launcher, *launcher.children(recursive=True)]
        megabytes = sum(process.memory_full_info().pss for process in everything) / 1e6
        lines, goals = year_work.claims(stack)
    return lines, [
        Goal("second make up ready under 10 s", f"{again:.1f} s", again < 10),
        Goal("idle PSS of everything under 1 GB", f"{megabytes:.0f} MB", megabytes < 1000),
        *goals,
    ]


def on_paper() -> Part:
    costs = {name: paper_work.cost(name) for name in paper_work.PAPERS}
    table, most = costs["a table of 500 rows"], max(costs.values(), key=lambda cost: cost.megabytes)
    return paper_work.lines(costs), [
        Goal("a table of 500 rows on paper under 1 CPU-s", f"{table.cpu:.1f} s", table.cpu < 1),
        Goal("setting type needs at most 500 MB", f"{most.megabytes:.0f} MB", most.megabytes <= 500),
    ]


def at_the_door(made: Ground) -> Part:
    door = door_work.measured(made)
    stored, begun = door_work.p99(door.stored), door_work.p99(door.begun)
    return door_work.lines(door), [
        Goal("from the scanner's Enter to the stored row, p99 under 2 s", f"{stored:.0f} ms", stored < 2000),
        Goal("feedback begun within 200 ms of it, p99", f"{begun:.0f} ms", begun <= 200),
        Goal(
            "a queue of scans stored at 1,000/s or more",
            f"{door.replayed:,.0f}/s, {door.cpu_micros:.0f} CPU-µs each",
            door.replayed >= 1000,
        ),
    ]


# By the name that `python -m tests.load.bench NAME …` has for them. Those of the ground in this order: the last ones
# leave it a million rows richer.
ALONE: dict[str, Callable[[], Part]] = {
    "stack": whole_stack,
    "agency-pages": agency_pages.claims,
    "paper": on_paper,
    "backup": backup_work.claims,
    "reservations": reservation_work.claims,
}
ON_THE_GROUND: dict[str, Callable[[Ground], Part]] = {
    # Before the heartbeats, whose tables the server would still be tidying up.
    "lists": lists,
    "once": once_work.claims,
    "heartbeats": heartbeats,
    "doubling": doubling.claims,
    "storm": storm.claims,
    "sweep": sweeps.claims,
    "door": at_the_door,
    "logs": log_work.claims,
    "loaners": loaner_work.claims,
    "agencies": agency_work.claims,
    "long": long_lists,
    "million": sweeps.million,
}


def measured(names: Collection[str]) -> tuple[list[str], list[Goal], str]:
    """The tables, an empty line before each, the claims, and PostgreSQL's version where a row needed its ground. Claims
    are also told as they come: a row that fails at the end does not take what was measured with it."""

    def told(part: Part) -> Part:
        print("\n".join(goal.line() for goal in part[1]), flush=True)
        return part

    parts, version = [told(part()) for name, part in ALONE.items() if name in names], ""
    if any(name in names for name in ON_THE_GROUND):
        with ground(TERMINALS) as made:
            parts = [told(part(made)) for name, part in ON_THE_GROUND.items() if name in names] + parts
            [[version]] = made.rows("SHOW server_version")
    lines = [line for table, _ in parts if table for line in ("", *table)]
    return lines, [goal for _, goals in parts for goal in goals], version.split(" ")[0]


def main() -> int:
    every = {*ALONE, *ON_THE_GROUND}
    if unknown := sorted(set(sys.argv[1:]) - every):
        raise SystemExit(f"no such row: {', '.join(unknown)}; there are {', '.join(sorted(every))}")
    begun = time.monotonic()
    tables, goals, version = measured(set(sys.argv[1:]) or every)
    claims = ["", "| claim | measured | held |", "| --- | ---: | --- |", *(goal.line() for goal in goals)]
    print("\n".join([*tables, *claims, "", f"{time.monotonic() - begun:.0f} s"]))
    if not sys.argv[1:]:
        RESULT.parent.mkdir(exist_ok=True)
        RESULT.write_text("\n".join([_head(version), *tables, *claims]) + "\n")
    return 0 if all(goal.held for goal in goals) else 1


def _head(version: str) -> str:
    return HEAD.format(
        terminals=f"{TERMINALS:,}",
        rounds=ROUNDS,
        seconds=SECONDS,
        cores=os.cpu_count(),
        postgres=version,
        python=platform.python_version(),
        rate=TRUE_RATE,
        times=screens.TIMES,
        cold=screens.COLD_TIMES,
    )


HEAD = """# Benchmarks

Written by `make bench`, which ends with an error when a claim does not hold; run it again on your machine. {terminals}
terminals, real body, answered after the commit (fsync on), {rounds} rounds of {seconds} s taken in turns, medians.
{cores} cores shared with the sender, PostgreSQL {postgres}, Python {python}.

CPU is the service's process and all of PostgreSQL, without the sender. The naive design (`tests/load/naive.py`) is a
FastAPI route with one SQLAlchemy session a request: SELECT, UPDATE, INSERT, COMMIT. {rate}/s on new connections is
what 20,000 terminals at five minutes send. A list of 50 is the fleet's open alerts. HTTP alone, PostgreSQL alone and
an empty route are the limits of the ground we stand on (`tests/load/bare.py`), in turns with what they are compared to.

A page is waited for until its last block stands, {times} times, and in {cold} browsers that have never been there;
Streamlit alone (`tests/load/bare_page.py`) is asked in between.
"""


if __name__ == "__main__":
    sys.exit(main())
