"""`make bench`: measures every speed claim as a row of one run, prints the table and writes docs/benchmarks.md.

`python -m tests.load.bench NAME …` runs only these rows and writes nothing, with `--write` their sections; `--list`
prints their names.

Figures on a shared machine vary; rows of the same run, measured in turns, can be compared with each other. CPU is the
user and system time of the service's process and of all of PostgreSQL, per answered heartbeat, without the sender.
"""

from __future__ import annotations

import itertools
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum

from stack.home import ROOT
from tests.load import (
    agency_pages,
    agency_work,
    backup_work,
    door_work,
    doubling,
    heartbeat_work,
    idempotency_work,
    list_work,
    loaner_work,
    log_work,
    long_work,
    machine,
    page_work,
    paper_work,
    reservation_work,
    screens,
    search_work,
    storm,
    sweeps,
    year_work,
)
from tests.load.environment import TERMINALS, bench_environment
from tests.load.reservation_scenario import ENVIRON
from tests.load.rows import RowResult
from tests.stack import running_stack

RESULT = ROOT / "docs" / "benchmarks.md"


class Requirement(Enum):
    NOTHING = "nothing"
    # Consecutive rows share them, and find the data of the rows before.
    SERVERS = "servers and a fleet"
    STACK = "the whole product"


@dataclass(frozen=True)
class Row:
    """`claims` receives what the row needs. `settings`: those of its stack."""

    name: str
    needs: Requirement
    about: str
    claims: Callable[..., RowResult]
    settings: Mapping[str, str] = field(default_factory=dict)


NO_BACKUP = {"BACKUP_AT": "off"}
ROWS = (
    # Before the heartbeats, after which the server would still be vacuuming.
    Row("lists", Requirement.SERVERS, "a list of 50 as a page asks for it", list_work.claims),
    Row("idempotency", Requirement.SERVERS, "a POST with an Idempotency-Key", idempotency_work.claims),
    Row("heartbeats", Requirement.SERVERS, "heartbeats, beside the naive design", heartbeat_work.claims),
    Row("doubling", Requirement.SERVERS, "two of each process; writes docs/scaling.md", doubling.claims),
    Row("storm", Requirement.SERVERS, "a whole fleet comes back at once", storm.claims),
    Row("sweep", Requirement.SERVERS, "the offline sweep", sweeps.claims),
    Row("door", Requirement.SERVERS, "a nursery's door", door_work.claims),
    Row("logs", Requirement.SERVERS, "a million 入退ログ", log_work.claims),
    Row("loaners", Requirement.SERVERS, "代替機管理 on any day", loaner_work.claims),
    Row("agencies", Requirement.SERVERS, "申込投入 over 400,000 sites", agency_work.claims),
    Row("search", Requirement.SERVERS, "探す over all of these", search_work.claims),
    Row("pages", Requirement.SERVERS, "each page of the menu, without a browser", page_work.claims),
    # These leave a million rows.
    Row("long", Requirement.SERVERS, "long lists as files, and files taken in", long_work.claims),
    Row("million", Requirement.SERVERS, "the offline sweep of a million terminals", sweeps.million),
    Row("stack", Requirement.STACK, "the whole product, by itself and over a year", year_work.claims),
    Row("agency-pages", Requirement.STACK, "the pages of 申込投入", agency_pages.claims, NO_BACKUP),
    Row("paper", Requirement.NOTHING, "setting type", paper_work.claims),
    Row("backup", Requirement.SERVERS, "a year backed up and restored", backup_work.claims),
    Row("reservations", Requirement.STACK, "reservations a minute", reservation_work.claims, ENVIRON | NO_BACKUP),
    Row("reservation-ticks", Requirement.SERVERS, "the tick over a thousand reservations", reservation_work.ticks),
)


@dataclass
class Results:
    """`sections`: of docs/benchmarks.md, by row. `version`: of PostgreSQL, when a row needed servers."""

    sections: dict[str, str] = field(default_factory=dict)
    version: str = ""
    holds: bool = True

    def add(self, row: Row, result: RowResult) -> None:
        """Prints claims at once: a row that fails at its end does not lose what was measured before it."""
        table, claims = result
        print("\n".join(f"| `{row.name}` {claim.line()}" for claim in claims), flush=True)
        self.holds &= all(claim.holds for claim in claims)
        lines = [
            f"## `{row.name}`: {row.about}",
            "",
            _measured_on(self.version),
            *(["", *table] if table else []),
            "",
            "| claim | measured | held |",
            "| --- | ---: | --- |",
            *(claim.line() for claim in claims),
        ]
        self.sections[row.name] = "\n".join(lines)


def run_rows(names: Collection[str]) -> Results:
    results = Results()
    for needs, group in itertools.groupby(ROWS, key=lambda row: row.needs):
        rows = [row for row in group if row.name in names]
        if needs is Requirement.SERVERS and rows:
            with bench_environment(TERMINALS) as environment:
                [[results.version]] = environment.rows("SHOW server_version")
                for row in rows:
                    results.add(row, row.claims(environment))
            continue
        for row in rows:
            if needs is Requirement.STACK:
                with running_stack(row.settings) as stack:
                    results.add(row, row.claims(stack))
            else:
                results.add(row, row.claims())
    return results


def main() -> int:
    names = [row.name for row in ROWS]
    writes, requested = "--write" in sys.argv[1:], [name for name in sys.argv[1:] if name != "--write"]
    if requested == ["--list"]:
        print("\n".join(f"{row.name:18} needs {row.needs.value:20} {row.about}" for row in ROWS))
        return 0
    if unknown := sorted(set(requested) - set(names)):
        raise SystemExit(f"no such row: {', '.join(unknown)}; there are {', '.join(names)}")
    started_at = time.monotonic()
    results = run_rows(requested or names)
    print("\n\n".join(["", *results.sections.values(), f"{time.monotonic() - started_at:.0f} s"]))
    if writes or not requested:
        write_sections(results.sections)
    return 0 if results.holds else 1


_SECTION = re.compile(r"<!-- (\S+) -->\n\n(.*?)\n\n<!-- end of \1 -->", re.DOTALL)


def write_sections(measured: Mapping[str, str]) -> None:
    """Replaces the sections of these rows; the others stay, each with the commit that it was measured at."""
    sections = {**dict(_SECTION.findall(RESULT.read_text())), **measured}
    parts = [
        f"<!-- {row.name} -->\n\n{sections[row.name]}\n\n<!-- end of {row.name} -->\n"
        for row in ROWS
        if row.name in sections
    ]
    RESULT.write_text("\n".join([_head(), *parts]))


def _measured_on(postgres: str) -> str:
    command = ["git", "describe", "--always", "--dirty"]
    commit = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True).stdout.strip()
    servers = f"PostgreSQL {postgres.split(' ')[0]}, " if postgres else ""
    return (
        f"{commit}, {datetime.now(UTC):%Y-%m-%d}: {os.cpu_count()} cores shared with the sender, {servers}Python "
        f"{platform.python_version()}, {machine.slowness():.1f} times as slow as the quicker machine."
    )


def _head() -> str:
    return HEAD.format(
        terminals=f"{TERMINALS:,}",
        rounds=heartbeat_work.ROUNDS,
        seconds=heartbeat_work.SECONDS,
        rate=heartbeat_work.REAL_RATE,
        times=screens.REPEATS,
        cold=screens.COLD_REPEATS,
    )


HEAD = """# Benchmarks

Written by `make bench`, which ends with an error when a claim does not hold; run it again on your machine. Each row
names the commit that it was measured at; limits of time hold on the quicker machine of `tests/load/machine.py`, and are
as many times as long on a slower one. {terminals} terminals, real body, answered after the commit (fsync on), {rounds}
rounds of {seconds} s taken in turns, medians.

CPU is the service's process and all of PostgreSQL, without the sender. The naive design (`tests/load/naive.py`) is a
FastAPI route with one SQLAlchemy session a request: SELECT, UPDATE, INSERT, COMMIT. {rate}/s on new connections is
what 20,000 terminals at five minutes send. A list of 50 is the fleet's open alerts. HTTP alone, PostgreSQL alone and
an empty route are the limits of the ground we stand on (`tests/load/bare.py`), in turns with what they are compared to.

A page is waited for until its last block stands, {times} times, and in {cold} browsers that have never been there;
Streamlit alone (`tests/load/bare_page.py`) is asked in between.
"""


if __name__ == "__main__":
    sys.exit(main())
