"""Rows of `make bench` about a fleet with a past: 20,000 terminals and a year, in the whole product as it runs."""

from __future__ import annotations

import psycopg

from stack import servers
from tests.load import answers, past, screens
from tests.load.claims import Goal, Part
from tests.load.ground import open_session
from tests.sight import seeing_all
from tests.stack import Stack

TERMINALS = 20_000


def claims(stack: Stack) -> Part:
    """Every answer the fleet's pages ask for, then every page in Chromium. No backup is taken meanwhile: the first one
    of a year that was made in minutes would be under way all the time."""
    with psycopg.connect(seeing_all(servers.url(stack.home, "owner")), autocommit=True) as owner:
        past.add_terminals(owner, TERMINALS)
        past.add_year(owner)
        token = open_session(owner, "year", "admin")
        [[terminal]] = owner.execute("SELECT min(id) FROM fleet_terminals WHERE serial_number LIKE 'LOAD-%'").fetchall()
    stack.stop()
    stack.environ["BACKUP_AT"] = "off"
    stack.start()
    took = answers.took(int(stack.environ["SERVICE_PORT"]), token)
    waits = screens.waits(stack, {"端末詳細": f"/terminal?id={terminal}"})
    slowest = took[0]
    return [*answers.lines(took), "", *screens.lines(waits)], [
        Goal(
            f"each of {len(took)} answers over {TERMINALS:,} terminals and a year: p95 under 300 ms",
            f"{slowest.asked} {slowest.p95:.0f} ms",
            slowest.p95 < 300,
        ),
        *screens.goals(waits, "of the menu"),
    ]
