"""Rows of `make bench` about the offline sweep, over the fleet of today and one of a million."""

from __future__ import annotations

import statistics
import subprocess
import sys

import psycopg

from stack.home import ROOT
from tests.load import past
from tests.load.claims import Goal, Part
from tests.load.ground import Ground
from tests.sight import seeing_all

TIMES = 5
MILLION = 1_000_000

SWEEP = """
import time
from service.core.db import SYSTEM, transaction
from service.fleet.watch import actions
with transaction(SYSTEM) as db:
    db.connection()
    begun = time.perf_counter()
    due = actions.mark_offline(db)
    print(due, (time.perf_counter() - begun) * 1000)
"""


def claims(made: Ground) -> Part:
    """A tenth has just fallen due: a whole region without power."""
    terminals, due, milliseconds = _swept(made, one_in=10)
    return [], [
        Goal(
            f"sweep of {terminals:,} terminals, {due:,} of them due, under 100 ms",
            f"{milliseconds:.0f} ms",
            milliseconds < 100,
        )
    ]


def million(made: Ground) -> Part:
    """As a region of 10,000 falls silent in a fleet of a million."""
    with psycopg.connect(seeing_all(made.environ["DATABASE_OWNER_URL"]), autocommit=True) as owner:
        past.grow(owner, MILLION)
    terminals, due, milliseconds = _swept(made, one_in=100)
    _, none, idle = _swept(made, one_in=0)
    return [], [
        Goal(
            f"sweep of {terminals:,} terminals, {due:,} of them due, under 500 ms",
            f"{milliseconds:.0f} ms; {idle:.0f} ms with {none} due",
            milliseconds < 500,
        )
    ]


def _swept(made: Ground, one_in: int) -> tuple[int, int, float]:
    """Terminals, how many were due, and the median of milliseconds."""
    times = []
    for _ in range(TIMES):
        with psycopg.connect(seeing_all(made.environ["DATABASE_OWNER_URL"]), autocommit=True) as owner:
            terminals = owner.execute(
                "UPDATE fleet_terminal_states SET status = 'online', last_heartbeat_at = now(), offline_after = now() "
                "+ CASE WHEN terminal_id %% nullif(%s, 0) = 0 THEN interval '-1 s' ELSE interval '1 h' END",
                [one_in],
            ).rowcount
            owner.execute("VACUUM ANALYZE fleet_terminal_states")
            owner.execute("UPDATE fleet_liveness SET alive_at = now() + interval '1 min'")
        asked = subprocess.run(
            [sys.executable, "-c", SWEEP], cwd=ROOT, env=made.environ, capture_output=True, text=True, check=True
        )
        due, milliseconds = asked.stdout.split()
        times.append(float(milliseconds))
    return terminals, int(due), statistics.median(times)
