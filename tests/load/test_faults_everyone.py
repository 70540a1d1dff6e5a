"""Everyone at work at once while every process and every server is killed: nothing that was answered is missing,
nothing is there twice, and everybody has an answer again within 30 seconds."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.load import losses
from tests.load.crowd import Scene
from tests.load.everyone import gathered
from tests.load.falling import FLUSH, beside, fall
from tests.load.reservation_world import ENVIRON, World, opened
from tests.stack import Stack, running_stack

pytestmark = pytest.mark.faults

PARTNERS = 12
# All of `make up` but supervisord, whose death ends the product and says so, and the daily backup, which is off here
# because it would take the machine.
ONE_BY_ONE = (
    *("service", "postgres", "valkey", FLUSH, "worker", "beat", "dashboards", "watchdog", "sandbox"),
    *("terminal", "agent", "fleet"),
)
# While a second worker and a second beat do the same work.
IN_A_ROW = ("worker", FLUSH, "beat", "postgres", "service", "worker", "second", FLUSH, "worker")
A_ROWS_PAUSE_SECONDS = 3


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    # Vendors take a moment, so that there is something to be killed in the midst of.
    with running_stack(ENVIRON | {"BACKUP_AT": "off"}) as stack:
        for vendor, door in (("twilio", "messages"), ("bland", "calls"), ("stripe", "sessions"), ("stripe", "refunds")):
            late = {"kind": "late", "seconds": 0.5, "probability": 0.5, "seed": 1}
            stack.control("faults", {"vendor": vendor, "door": f"{door}.create"} | late)
        yield opened(Scene(stack), PARTNERS)


def test_whatever_dies_all_that_was_answered_is_there_once(world: World) -> None:
    stack = world.scene.stack
    with gathered(world, stack.home.path / "sandbox.sqlite") as everyone:

        def more() -> None:
            for shop in everyone.shops:
                shop.kill_agent()
            in_a_row(stack)

        everyone.live_through(ONE_BY_ONE, world, more)
        losses.are_noticed(everyone, world)


def in_a_row(stack: Stack) -> None:
    celery = ("-m", "celery", "--app")
    with (
        beside(stack, *celery, "jobs.timetable", "beat", "--pidfile", ""),
        beside(stack, *celery, "jobs.app", "worker", "--pool", "threads", "--hostname", "second@%h") as second,
    ):
        for name in IN_A_ROW:
            # Some of what died is still coming back then.
            time.sleep(A_ROWS_PAUSE_SECONDS)
            if name == "second":
                second.kill()
            else:
                fall(stack, name)
