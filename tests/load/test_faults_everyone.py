"""Everyone at work at once while every process and every server is killed: nothing that was answered is missing,
nothing is there twice, and everybody has an answer again within 30 seconds."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.load import losses
from tests.load import reservation_end as end
from tests.load.crowd import Scene
from tests.load.everyone import gathered, playing, settle, too_late
from tests.load.falling import FLUSH, beside, fall
from tests.load.reservation_world import ENVIRON, World, opened
from tests.stack import running_stack

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
    with running_stack(ENVIRON | {"SANDBOX_PACE": "0.3", "BACKUP_AT": "off"}) as stack, opened(stack, PARTNERS) as made:
        for vendor, door in (("twilio", "messages"), ("bland", "calls"), ("stripe", "sessions"), ("stripe", "refunds")):
            late = {"kind": "late", "seconds": 0.5, "probability": 0.5, "seed": 1}
            made.control("faults", {"vendor": vendor, "door": f"{door}.create"} | late)
        yield made


def test_whatever_dies_all_that_was_answered_is_there_once(world: World) -> None:
    stack = world.stack
    scene = Scene(stack, stack.service, stack.dashboards)
    with gathered(scene, world, stack.sandbox, stack.home.path / "sandbox.sqlite") as everyone:
        with playing(world):
            with everyone.crowd.at_work():
                everyone.begin()
                took = everyone.through(ONE_BY_ONE)
                for shop in everyone.shops:
                    shop.kill_agent()
                in_a_row(world)
            print(f"failures: {everyone.crowd.failures()}")
            settle(world, everyone)
        everyone.count()
        end.agree(world)
        losses.are_noticed(everyone, world)
    assert too_late(took) == {}


def in_a_row(world: World) -> None:
    celery = ("-m", "celery", "--app")
    with (
        beside(world.stack, *celery, "jobs.timetable", "beat", "--pidfile", ""),
        beside(world.stack, *celery, "jobs.app", "worker", "--pool", "threads", "--hostname", "second@%h") as second,
    ):
        for name in IN_A_ROW:
            time.sleep(A_ROWS_PAUSE_SECONDS)
            if name == "second":
                second.kill()
            else:
                fall(world.stack, name)
