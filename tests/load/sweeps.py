"""Rows `sweep` and `million` of `make bench`: the offline sweep, over the fleet of today and one of a million."""

from __future__ import annotations

import statistics

from tests.load import past
from tests.load.ground import Ground
from tests.load.rows import Goal, Part
from tests.processes import last_line

TIMES = 5
MILLION = 1_000_000

SWEEP = """
import time
from service.core.database.session import SYSTEM, transaction
from service.fleet.watch import actions
with transaction(SYSTEM) as db:
    db.connection()
    begun = time.perf_counter()
    due = actions.mark_offline(db)
    print(due, (time.perf_counter() - begun) * 1000)
"""


def claims(made: Ground) -> Part:
    """A tenth has just fallen due: a whole region without power."""
    return [], [_claim(made, one_in=10, limit=100)]


def million(made: Ground) -> Part:
    """A hundredth has: 10,000 terminals at once."""
    with made.owner() as owner:
        past.grow(owner, MILLION)
    return [], [_claim(made, one_in=100, limit=500)]


def _claim(made: Ground, one_in: int, limit: int) -> Goal:
    times: dict[int, list[float]] = {}
    with made.owner() as owner:
        terminals = owner.execute(
            "UPDATE fleet_terminal_states SET status = 'online', last_heartbeat_at = now(), "
            "offline_after = now() + interval '1 day'"
        ).rowcount
        owner.execute("VACUUM ANALYZE fleet_terminal_states")
        owner.execute("UPDATE fleet_liveness SET alive_at = now() + interval '1 hour'")
        for _ in range(TIMES):
            owner.execute(
                "UPDATE fleet_terminal_states SET status = 'online', offline_after = now() - interval '1 second' "
                "WHERE terminal_id %% %s = 0",
                [one_in],
            )
            for _ in range(2):
                due, milliseconds = last_line("-c", SWEEP, environ=made.environ).split()
                times.setdefault(int(due), []).append(float(milliseconds))
    most, none = max(times), min(times)
    took = statistics.median(times[most])
    return Goal(
        f"sweep of {terminals:,} terminals, {most:,} of them due, under {limit} ms",
        f"{took:.0f} ms; {statistics.median(times[none]):.0f} ms with none due",
        took < limit and none == 0,
    )
