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
CHARTED = {"統計", "システム状態", "部品一覧"}


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
    slowest, warm = took[0], max(waits, key=lambda one: one.median)
    # Charts bring a program of five megabytes.
    charted = max((one for one in waits if one.title in CHARTED), key=lambda one: one.cold)
    cold = max((one for one in waits if one.title not in CHARTED), key=lambda one: one.cold)
    return [*answers.lines(took), "", *screens.lines(waits)], [
        Goal(
            f"each of {len(took)} answers over {TERMINALS:,} terminals and a year: p95 under 300 ms",
            f"{slowest.asked} {slowest.p95:.0f} ms",
            slowest.p95 < 300,
        ),
        Goal(
            f"each of {len(waits)} pages in Chromium, warm, under 1.5 s",
            f"{warm.title} {warm.median:.2f} s",
            warm.median < 1.5,
        ),
        Goal(
            "each of those without charts in a browser that has never been there, under 3 s",
            f"{cold.title} {cold.cold:.2f} s",
            cold.cold < 3,
        ),
        Goal(
            "those with charts in such a browser, under 4 s",
            f"{charted.title} {charted.cold:.2f} s",
            charted.cold < 4,
        ),
    ]
