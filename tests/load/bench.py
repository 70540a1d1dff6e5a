"""`make bench`: every speed claim as a row of one run; prints the table and writes docs/benchmarks.md.

`python -m tests.load.bench NAME …` runs these rows alone and writes nothing; `--list` says which there are.

Figures on a shared machine wander; the rows of one run, taken in turns, can be compared with one another. CPU is the
user and system time of the service's process and of all of PostgreSQL, per answered heartbeat; the sender is not in it.
"""

from __future__ import annotations

import itertools
import os
import platform
import sys
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from tests.load import (
    agency_pages,
    agency_work,
    backup_work,
    door_work,
    doubling,
    heartbeat_work,
    list_work,
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
from tests.load.ground import TERMINALS, ground
from tests.load.reservation_world import ENVIRON
from tests.load.rows import Part
from tests.stack import running_stack

RESULT = Path(__file__).resolve().parent.parent.parent / "docs" / "benchmarks.md"


class Needs(Enum):
    NOTHING = "nothing"
    # Rows that follow one another share them, and find what the ones before have left.
    SERVERS = "servers and a fleet"
    STACK = "the whole product"


@dataclass(frozen=True)
class Row:
    """`claims` is given what the row needs; `settings` are those of its stack."""

    name: str
    needs: Needs
    about: str
    claims: Callable[..., Part]
    settings: Mapping[str, str] = field(default_factory=dict)


NO_BACKUP = {"BACKUP_AT": "off"}
ROWS = (
    # Before the heartbeats, whose tables the server would still be tidying up.
    Row("lists", Needs.SERVERS, "a list of 50 as a page asks for it", list_work.claims),
    Row("once", Needs.SERVERS, "a POST with an Idempotency-Key", once_work.claims),
    Row("heartbeats", Needs.SERVERS, "heartbeats, beside the naive design", heartbeat_work.claims),
    Row("doubling", Needs.SERVERS, "two of each process; writes docs/scaling.md", doubling.claims),
    Row("storm", Needs.SERVERS, "a whole fleet comes back at once", storm.claims),
    Row("sweep", Needs.SERVERS, "the offline sweep", sweeps.claims),
    Row("door", Needs.SERVERS, "a nursery's door", door_work.claims),
    Row("logs", Needs.SERVERS, "a million 入退ログ", log_work.claims),
    Row("loaners", Needs.SERVERS, "代替機管理 on any day", loaner_work.claims),
    Row("agencies", Needs.SERVERS, "申込投入 over 400,000 sites", agency_work.claims),
    # These leave a million rows.
    Row("long", Needs.SERVERS, "long lists as files, and files taken in", long_work.claims),
    Row("million", Needs.SERVERS, "the offline sweep of a million terminals", sweeps.million),
    Row("stack", Needs.STACK, "the whole product, by itself and over a year", year_work.claims),
    Row("agency-pages", Needs.STACK, "the pages of 申込投入", agency_pages.claims, NO_BACKUP),
    Row("paper", Needs.NOTHING, "setting type", paper_work.claims),
    Row("backup", Needs.SERVERS, "a year backed up and restored", backup_work.claims),
    Row("reservations", Needs.STACK, "reservations a minute", reservation_work.claims, ENVIRON | NO_BACKUP),
    Row("reservation-ticks", Needs.SERVERS, "the tick over a thousand reservations", reservation_work.ticks),
)


@dataclass
class Results:
    """`version`: of PostgreSQL, where a row needed servers."""

    tables: list[str] = field(default_factory=list)
    claims: list[str] = field(default_factory=list)
    version: str = ""
    held: bool = True

    def add(self, row: Row, part: Part) -> None:
        """Claims are also told as they come: a row that fails at the end does not take what was measured with it."""
        table, goals = part
        said = [f"| `{row.name}` {goal.line()}" for goal in goals]
        print("\n".join(said), flush=True)
        self.tables += ["", *table] if table else []
        self.claims += said
        self.held &= all(goal.held for goal in goals)

    def lines(self) -> list[str]:
        return [*self.tables, "", "| row | claim | measured | held |", "| --- | --- | ---: | --- |", *self.claims]


def measured(names: Collection[str]) -> Results:
    results = Results()
    for needs, neighbours in itertools.groupby(ROWS, key=lambda row: row.needs):
        rows = [row for row in neighbours if row.name in names]
        if needs is Needs.SERVERS and rows:
            with ground(TERMINALS) as made:
                [[results.version]] = made.rows("SHOW server_version")
                for row in rows:
                    results.add(row, row.claims(made))
            continue
        for row in rows:
            if needs is Needs.STACK:
                with running_stack(row.settings) as stack:
                    results.add(row, row.claims(stack))
            else:
                results.add(row, row.claims())
    return results


def main() -> int:
    every = [row.name for row in ROWS]
    asked = sys.argv[1:]
    if asked == ["--list"]:
        print("\n".join(f"{row.name:18} needs {row.needs.value:20} {row.about}" for row in ROWS))
        return 0
    if unknown := sorted(set(asked) - set(every)):
        raise SystemExit(f"no such row: {', '.join(unknown)}; there are {', '.join(every)}")
    begun = time.monotonic()
    results = measured(asked or every)
    print("\n".join([*results.lines(), "", f"{time.monotonic() - begun:.0f} s"]))
    if not asked:
        RESULT.write_text("\n".join([_head(results.version), *results.lines()]) + "\n")
    return 0 if results.held else 1


def _head(version: str) -> str:
    return HEAD.format(
        terminals=f"{TERMINALS:,}",
        rounds=heartbeat_work.ROUNDS,
        seconds=heartbeat_work.SECONDS,
        cores=os.cpu_count(),
        postgres=version.split(" ")[0],
        python=platform.python_version(),
        rate=heartbeat_work.TRUE_RATE,
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
