"""Rows `sweep` and `million` of `make bench`: the offline sweep, over today's fleet and over a million terminals."""

from __future__ import annotations

import statistics

from tests.load import past
from tests.load.environment import BenchEnvironment
from tests.load.rows import Claim, RowResult
from tests.processes import last_output_line

REPEATS = 5
MILLION = 1_000_000


def claims(environment: BenchEnvironment) -> RowResult:
    """One terminal in ten is due: a whole region without power."""
    return [], [_measure(environment, one_in=10, limit=100)]


def million(environment: BenchEnvironment) -> RowResult:
    """One in a hundred is due: 10,000 terminals at once."""
    with environment.owner_connection() as connection, past.unsearched(connection, "fleet_terminals"):
        past.grow_fleet(connection, MILLION)
    return [], [_measure(environment, one_in=100, limit=500)]


def _measure(environment: BenchEnvironment, one_in: int, limit: int) -> Claim:
    times: dict[int, list[float]] = {}
    with environment.owner_connection() as connection:
        terminal_count = connection.execute(
            "UPDATE fleet_terminal_states SET status = 'online', last_heartbeat_at = now(), "
            "offline_after = now() + interval '1 day'"
        ).rowcount
        connection.execute("VACUUM ANALYZE fleet_terminal_states")
        connection.execute("UPDATE fleet_liveness SET alive_at = now() + interval '1 hour'")
        for _ in range(REPEATS):
            connection.execute(
                "UPDATE fleet_terminal_states SET status = 'online', offline_after = now() - interval '1 second' "
                "WHERE terminal_id %% %s = 0",
                [one_in],
            )
            for _ in range(2):
                due, milliseconds = last_output_line("-m", "tests.load.time_sweep", environ=environment.environ).split()
                times.setdefault(int(due), []).append(float(milliseconds))
    highest_due, lowest_due = max(times), min(times)
    milliseconds_median = statistics.median(times[highest_due])
    claim = Claim.under(
        limit,
        "ms",
        f"sweep of {terminal_count:,} terminals, {highest_due:,} of them due,",
        milliseconds_median,
        f"; {statistics.median(times[lowest_due]):.0f} ms with none due",
    )
    claim.holds &= lowest_due == 0
    return claim
