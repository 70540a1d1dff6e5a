"""Rows `reservations` and `reservation-ticks` of `make bench`: how many reservations a minute from an assistant's
request to 予約確定 in the whole product, and the tick while a thousand are in progress."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from concurrent.futures import ThreadPoolExecutor

from service.reservations.models import Reservation
from service.reservations.state_machine.states import State
from tests.load.environment import BenchEnvironment
from tests.load.load_clients import RunningProduct
from tests.load.reservation_scenario import Scenario, create_scenario
from tests.load.rows import Claim, RowResult
from tests.processes import last_output_line
from tests.stack import Stack
from tests.waiting import wait_for

CUSTOMERS, CONCURRENCY, SHOPS = 200, 8, 40


def claims(stack: Stack) -> RowResult:
    product = RunningProduct(stack)
    minutes, times = _run_all(create_scenario(product, SHOPS))
    product.engine.dispose()
    per_minute = CUSTOMERS / minutes
    return [], [
        Claim.under(
            60,
            "s",
            "60 reservations from the request by MCP to 予約確定, vendors at once,",
            3600 / per_minute,
            f"; {per_minute:.0f} a minute; one takes {statistics.median(times):.1f} s, the slowest {max(times):.1f} s",
        )
    ]


def _run_all(scenario: Scenario) -> tuple[float, list[float]]:
    """Minutes until all are confirmed, and seconds for each."""
    paid: set[str] = set()

    def send_request(number: int) -> str:
        return asyncio.run(scenario.request(scenario.request_arguments(number)))

    def confirmed_reservations() -> list[Reservation]:
        """The confirmed reservations, after paying for all that wait for a payment."""
        reservations = scenario.reservations()
        for reservation in reservations:
            session = reservation.case_now["session"]
            if reservation.state == State.AWAITING_PAYMENT and session not in paid:
                paid.add(session)
                scenario.pay(session)
        return [reservation for reservation in reservations if reservation.state == State.CONFIRMED]

    started_at = time.monotonic()
    with ThreadPoolExecutor(CONCURRENCY) as pool:
        codes = pool.map(send_request, range(CUSTOMERS))
        wait_for(
            lambda: len(confirmed_reservations()) == CUSTOMERS,
            lambda: f"{len(confirmed_reservations())} confirmed",
            600,
            every=0.2,
        )
        minutes = (time.monotonic() - started_at) / 60
        assert len(set(codes)) == CUSTOMERS
    seconds = [
        (reservation.confirmed_at - reservation.created_at).total_seconds()
        for reservation in confirmed_reservations()
        if reservation.confirmed_at
    ]
    return minutes, seconds


def ticks(environment: BenchEnvironment) -> RowResult:
    with environment.owner_connection() as connection:
        connection.execute("GRANT UPDATE ON app_clock TO genba_app")
    report = json.loads(last_output_line("-m", "tests.load.reservation_ticks", environ=environment.environ))
    return [], [
        Claim.under(
            100,
            "ms",
            f"the tick while {sum(report['states'].values()):,} reservations are in flight",
            report["quiet_ms"],
            f" (median), {report['quiet_most_ms']:.0f} ms at most",
        ),
        Claim.under(
            5,
            "s",
            f"{report['states']['expiring']} of these whose ten minutes end in one second: the last one late by",
            report["late_seconds"],
            digits=1,
        ),
    ]
