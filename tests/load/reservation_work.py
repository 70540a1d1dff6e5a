"""The row `reservations` of `make bench`: how many a minute from an assistant's request to 予約確定 in the whole
product, and the tick while a thousand are in flight."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import threading
import time
from typing import Any

import psycopg

from service.reservations.events.rules import State
from stack.home import ROOT
from tests.load.claims import Goal, Part
from tests.load.ground import ground
from tests.load.reservation_world import ENVIRON, World, opened
from tests.stack import running_stack

CUSTOMERS, AT_ONCE, SHOPS = 200, 8, 40


def claims() -> Part:
    with running_stack(ENVIRON | {"BACKUP_AT": "off"}) as stack, opened(stack, SHOPS) as world:
        minutes, each = through(world)
    ticks = in_flight()
    in_all = sum(ticks["states"].values())
    per_minute = CUSTOMERS / minutes
    return [], [
        Goal(
            f"{CUSTOMERS} reservations from the request by MCP to 予約確定, vendors at once: 60 a minute or more",
            f"{per_minute:.0f} a minute; one takes {statistics.median(each):.1f} s, the slowest {max(each):.1f} s",
            per_minute >= 60,
        ),
        Goal(
            f"the tick while {in_all:,} reservations are in flight: under 100 ms",
            f"median {ticks['quiet_ms']:.0f} ms, most {ticks['quiet_most_ms']:.0f} ms",
            ticks["quiet_ms"] < 100,
        ),
        Goal(
            f"of these {ticks['states']['expiring']} whose ten minutes end in one second: none over 5 s late",
            f"the last one {ticks['late_seconds']:.1f} s late",
            ticks["late_seconds"] <= 5,
        ),
    ]


def through(world: World) -> tuple[float, list[float]]:
    """Minutes until all are confirmed, and seconds that each took."""
    begun = time.monotonic()
    asking = threading.Thread(target=world.ask, args=(CUSTOMERS, AT_ONCE))
    asking.start()
    paid: set[str] = set()
    while True:
        now = world.reservations()
        if len(now) == CUSTOMERS and all(one.state == State.CONFIRMED for one in now):
            break
        if time.monotonic() > begun + 600:
            raise SystemExit(f"{sum(one.state == State.CONFIRMED for one in now)} of {CUSTOMERS} after ten minutes")
        for one in now:
            session = one.case_now["session"]
            if one.state == State.AWAITING_PAYMENT and session not in paid:
                paid.add(session)
                world.pay(session)
        time.sleep(0.2)
    minutes = (time.monotonic() - begun) / 60
    asking.join()
    each = [(one.confirmed_at - one.created_at).total_seconds() for one in now if one.confirmed_at]
    return minutes, each


def in_flight() -> dict[str, Any]:
    with ground(1) as made:
        with psycopg.connect(made.environ["DATABASE_OWNER_URL"], autocommit=True) as owner:
            owner.execute("GRANT UPDATE ON app_clock TO genba_app")
        done = subprocess.run(
            [sys.executable, "-m", "tests.load.reservation_ticks"],
            cwd=ROOT,
            env=made.environ,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures
