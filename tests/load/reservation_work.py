"""Rows `reservations` and `reservation-ticks` of `make bench`: how many a minute from an assistant's request to
予約確定 in the whole product, and the tick while a thousand are in flight."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from concurrent.futures import ThreadPoolExecutor

from service.reservations.events.rules import State
from service.reservations.flow.models import Reservation
from tests.load.crowd import Scene
from tests.load.ground import Ground
from tests.load.reservation_world import World, opened
from tests.load.rows import Goal, Part
from tests.processes import last_line
from tests.stack import Stack
from tests.waiting import wait_for

CUSTOMERS, AT_ONCE, SHOPS = 200, 8, 40


def claims(stack: Stack) -> Part:
    scene = Scene(stack)
    minutes, each = _through(opened(scene, SHOPS))
    scene.engine.dispose()
    per_minute = CUSTOMERS / minutes
    return [], [
        Goal(
            f"{CUSTOMERS} reservations from the request by MCP to 予約確定, vendors at once: 60 a minute or more",
            f"{per_minute:.0f} a minute; one takes {statistics.median(each):.1f} s, the slowest {max(each):.1f} s",
            per_minute >= 60,
        )
    ]


def _through(world: World) -> tuple[float, list[float]]:
    """Minutes until all are confirmed, and seconds that each took."""
    paid: set[str] = set()

    def asked(number: int) -> str:
        return asyncio.run(world.request(world.wish(number)))

    def confirmed() -> list[Reservation]:
        """Those that have become it, once all others of them have been paid for."""
        now = world.reservations()
        for one in now:
            session = one.case_now["session"]
            if one.state == State.AWAITING_PAYMENT and session not in paid:
                paid.add(session)
                world.pay(session)
        return [one for one in now if one.state == State.CONFIRMED]

    begun = time.monotonic()
    with ThreadPoolExecutor(AT_ONCE) as asking:
        codes = asking.map(asked, range(CUSTOMERS))
        wait_for(lambda: len(confirmed()) == CUSTOMERS, lambda: f"{len(confirmed())} confirmed", 600, every=0.2)
        minutes = (time.monotonic() - begun) / 60
        assert len(set(codes)) == CUSTOMERS
    each = [(one.confirmed_at - one.created_at).total_seconds() for one in confirmed() if one.confirmed_at]
    return minutes, each


def ticks(made: Ground) -> Part:
    with made.owner() as owner:
        owner.execute("GRANT UPDATE ON app_clock TO genba_app")
    found = json.loads(last_line("-m", "tests.load.reservation_ticks", environ=made.environ))
    return [], [
        Goal(
            f"the tick while {sum(found['states'].values()):,} reservations are in flight: under 100 ms",
            f"median {found['quiet_ms']:.0f} ms, most {found['quiet_most_ms']:.0f} ms",
            found["quiet_ms"] < 100,
        ),
        Goal(
            f"of these {found['states']['expiring']} whose ten minutes end in one second: none over 5 s late",
            f"the last one {found['late_seconds']:.1f} s late",
            found["late_seconds"] <= 5,
        ),
    ]
