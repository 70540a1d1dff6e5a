"""All kinds of clients at once while every process and every server is killed: every answered write is stored exactly
once, and every client has an answer again within 30 seconds."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.load import losses
from tests.load.everyone import full_load
from tests.load.kills import FLUSH, extra_process, kill_process
from tests.load.load_clients import RunningProduct
from tests.load.reservation_scenario import ENVIRON, Scenario, create_scenario
from tests.stack import Stack, running_stack

pytestmark = pytest.mark.faults

PARTNERS = 12
# All of `make up`, except supervisord, whose end stops the product and is reported, and the daily backup, which is off
# here because it would take the whole machine.
KILLED_IN_TURN = (
    *("service", "postgres", "valkey", FLUSH, "worker", "beat", "dashboards", "watchdog", "sandbox"),
    *("terminal", "agent", "fleet"),
)
# While a second worker and a second beat run.
KILLED_QUICKLY = ("worker", FLUSH, "beat", "postgres", "service", "worker", "second", FLUSH, "worker")
QUICK_PAUSE_SECONDS = 3


@pytest.fixture(scope="module")
def scenario() -> Iterator[Scenario]:
    # Vendors respond late, so that processes are killed in the middle of a request.
    with running_stack(ENVIRON | {"BACKUP_AT": "off"}) as stack:
        for vendor, operation in (
            ("twilio", "messages"),
            ("bland", "calls"),
            ("stripe", "sessions"),
            ("stripe", "refunds"),
        ):
            late = {"kind": "late", "seconds": 0.5, "probability": 0.5, "seed": 1}
            stack.control("faults", {"vendor": vendor, "operation": f"{operation}.create"} | late)
        yield create_scenario(RunningProduct(stack), PARTNERS)


def test_after_any_kill_every_answered_write_is_stored_once(scenario: Scenario) -> None:
    stack = scenario.product.stack
    with full_load(scenario, stack.home.path / "sandbox.sqlite") as load:

        def kill_more() -> None:
            for shop in load.shops:
                shop.kill_agent()
            kill_quickly(stack)

        load.run_kills(KILLED_IN_TURN, scenario, kill_more)
        losses.check_losses_are_noticed(load, scenario)


def kill_quickly(stack: Stack) -> None:
    celery = ("-m", "celery", "--app")
    with (
        extra_process(stack, *celery, "jobs.timetable", "beat", "--pidfile", ""),
        extra_process(stack, *celery, "jobs.app", "worker", "--pool", "threads", "--hostname", "second@%h") as second,
    ):
        for name in KILLED_QUICKLY:
            # Some of the killed processes are still starting then.
            time.sleep(QUICK_PAUSE_SECONDS)
            if name == "second":
                second.kill()
            else:
                kill_process(stack, name)
