"""Roll-outs while every process is killed in turn: they end correctly, and no terminal is updated or reported twice."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from stack import firmware
from stack.programs import demo_key
from tests import rls_bypass
from tests.load.kills import kill_process
from tests.load.shops import OLD_VERSION, FleetOperator, Shop, SimulatedFleet, open_shops, simulated_fleet
from tests.stack import Stack, running_stack
from tests.waiting import wait_for

pytestmark = pytest.mark.faults

PROCESSES = ("service", "worker", "beat", "valkey", "postgres")
SHOPS = 3
FLEET = 17
IMAGE = random.Random(12).randbytes(300_000)
# Between two kills: some of the killed processes are still starting then.
PAUSE_SECONDS = 4
# How often each of them is killed, if the roll-out lasts that long.
ROUNDS = 3
PATIENCE_SECONDS = 600


@dataclass
class RolloutTest:
    stack: Stack
    operator: FleetOperator
    folder: Path
    image: Path

    def shops(self, exit_stack: ExitStack, code: str, count: int, fault: str | None = None) -> list[Shop]:
        key, name = firmware.public_key(demo_key(self.stack.home)), fault or "fine"
        shops = [Shop(self.folder / f"{name}-{n}", f"{name}-{n}", self.stack.service, key) for n in range(count)]
        exit_stack.enter_context(open_shops(shops, code, fault))
        return shops

    def fleet(
        self, exit_stack: ExitStack, name: str, code: str, count: int, *options: str, **settings: str
    ) -> SimulatedFleet:
        return exit_stack.enter_context(
            simulated_fleet(self.folder / name, self.stack.service, code, count, *options, interval=5, **settings)
        )

    def firmware(self, version: str) -> int:
        return self.operator.firmware(version, self.image, demo_key(self.stack.home))


@pytest.fixture(scope="module")
def rollout_test() -> Iterator[RolloutTest]:
    with running_stack() as stack:
        accounts = json.loads((stack.home.path / "field" / "accounts.json").read_text(encoding="utf-8"))
        operator = FleetOperator(stack.service, "admin", accounts["password"])
        image = stack.home.path / "tc200.bin"
        image.write_bytes(IMAGE)
        yield RolloutTest(stack, operator, stack.home.path, image)
        operator.close()


@dataclass
class KillRounds:
    """Kills one process after the other, round after round."""

    stack: Stack
    extra_kills: dict[str, Callable[[], None]]
    killed: Counter[str] = field(default_factory=Counter)

    def until(self, holds: Callable[[], bool], otherwise: Callable[[], object]) -> float:
        """Seconds until `holds` is true."""
        started_at = time.monotonic()
        turns = iter([*PROCESSES, *self.extra_kills] * ROUNDS)
        while not holds():
            assert time.monotonic() < started_at + PATIENCE_SECONDS, f"{otherwise()}; killed: {dict(self.killed)}"
            if name := next(turns, None):
                self._kill(name)
            time.sleep(PAUSE_SECONDS)
        return time.monotonic() - started_at

    def _kill(self, name: str) -> None:
        if name in self.extra_kills:
            self.extra_kills[name]()
        else:
            kill_process(self.stack, name)
        self.killed[name] += 1


def test_a_roll_out_survives_kill_9_of_every_process(rollout_test: RolloutTest) -> None:
    with ExitStack() as exit_stack:
        customer = rollout_test.operator.customer("全部の処理が止まる会社")
        code = rollout_test.operator.code(customer, SHOPS + FLEET)
        fleet = rollout_test.fleet(exit_stack, "K", code, FLEET)
        shops = rollout_test.shops(exit_stack, code, SHOPS)
        rollout_test.operator.await_online(customer, SHOPS + FLEET)
        rollout_id = rollout_test.operator.roll_out(rollout_test.firmware("7.0.0"), customer, healthy_heartbeats=2)

        kill_rounds = KillRounds(
            rollout_test.stack, {"fleet": fleet.kill} | {shop.serial_number: shop.kill_agent for shop in shops}
        )
        seconds = kill_rounds.until(
            lambda: rollout_test.operator.rollout(rollout_id)["state"] != "running",
            lambda: task_report(rollout_test, rollout_id),
        )

        print(f"rolled out in {seconds:.0f} s while these were killed: {dict(kill_rounds.killed)}")
        rollout = rollout_test.operator.rollout(rollout_id)
        assert rollout["state"] == "finished", (rollout, rollout_test.operator.tasks(rollout_id))
        assert [(wave["percent"], wave["succeeded"]) for wave in rollout["progress"]] == [(5, 1), (25, 4), (100, 15)]
        assert {terminal["firmware_version"] for terminal in rollout_test.operator.terminals(customer).values()} == {
            "7.0.0"
        }
        assert min(kill_rounds.killed[name] for name in (*PROCESSES, *kill_rounds.extra_kills)) >= 2
        assert {(info.firmware_version, info.on_trial) for info in map(Shop.tc200_info, shops)} == {("7.0.0", False)}
        # An agent may be reported as offline on a busy machine, but no failure and no error may be reported.
        assert not {kind for _, kind in rollout_test.operator.alerts(customer)} & {"update_failed", "error"}
    assert history_counts(rollout_test, customer) == {("update_offered", 1), ("update_succeeded", 1)}


def task_report(rollout_test: RolloutTest, rollout_id: int) -> str:
    """How many tasks are in which state, and the open ones, for an error message."""
    tasks = rollout_test.operator.tasks(rollout_id)
    names = ("serial_number", "wave", "state", "step", "percent", "healthy", "error", "offered_at", "finished_at")
    open_tasks = [[task[name] for name in names] for task in tasks if task["offered_at"] and not task["finished_at"]]
    return f"{Counter((task['wave'], task['state']) for task in tasks)}; under way: {open_tasks}"


def history_counts(rollout_test: RolloutTest, customer: int) -> set[tuple[str, int]]:
    """The kinds of update entries in the terminals' histories, with their number for one terminal."""
    rows = rls_bypass.fetch_rows(
        rollout_test.stack.database,
        "SELECT l.kind, count(*) FROM fleet_terminal_logs l JOIN fleet_terminals t ON t.id = l.terminal_id "
        "WHERE t.customer_id = %s AND l.kind LIKE 'update%%' GROUP BY l.terminal_id, l.kind",
        customer,
    )
    return {(kind, count) for kind, count in rows}


def test_a_bad_firmware_stops_in_its_first_wave_whatever_is_killed(rollout_test: RolloutTest) -> None:
    """Bad in three ways: the TC-200 reverts by itself or is reverted; the new firmware reports errors; it stops
    sending."""
    limits = {"error_count": 1, "healthy_heartbeats": 2, "step_minutes": 1}
    with ExitStack() as exit_stack:
        customers = {name: rollout_test.operator.customer(f"不良 {name}") for name in ("unwell", "errors", "silent")}
        codes = {name: rollout_test.operator.code(customer, FLEET) for name, customer in customers.items()}
        for name in ("errors", "silent"):
            failing = ["--update-failures", "1", "--update-failure-kinds", name]
            # Not killed: a restarted simulation does not know any more that it was unwell.
            rollout_test.fleet(exit_stack, name, codes[name], FLEET, *failing, scenario="bad-firmware")
        shops = rollout_test.shops(exit_stack, codes["unwell"], SHOPS, "unwell")
        kill_agents = {shop.serial_number: shop.kill_agent for shop in shops}
        for name, count in (("unwell", SHOPS), ("errors", FLEET), ("silent", FLEET)):
            rollout_test.operator.await_online(customers[name], count)
        bad = rollout_test.firmware("8.0.0")
        rollouts = {
            name: rollout_test.operator.roll_out(bad, customer, **limits) for name, customer in customers.items()
        }

        kill_rounds = KillRounds(rollout_test.stack, kill_agents)
        seconds = kill_rounds.until(
            lambda: (
                {rollout_test.operator.rollout(rollout_id)["state"] for rollout_id in rollouts.values()} == {"paused"}
            ),
            lambda: [task_report(rollout_test, rollout_id) for rollout_id in rollouts.values()],
        )

        print(f"stopped in {seconds:.0f} s while these were killed: {dict(kill_rounds.killed)}")
        assert min(kill_rounds.killed[name] for name in (*PROCESSES, *kill_agents)) >= 1
        for name, rollout_id in rollouts.items():
            tasks = rollout_test.operator.tasks(rollout_id)
            updated = [task["serial_number"] for task in tasks if task["offered_at"]]
            assert [(task["wave"], task["state"]) for task in tasks if task["offered_at"]] == [(0, "failed")], tasks
            assert {task["state"] for task in tasks if task["wave"]} == {"waiting"}
            versions = {
                serial: terminal["firmware_version"]
                for serial, terminal in rollout_test.operator.terminals(customers[name]).items()
            }
            assert {serial for serial, version in versions.items() if version != OLD_VERSION} <= set(updated), versions
            alerts = rollout_test.operator.alerts(customers[name])
            assert {serial for serial, kind in alerts if kind == "update_failed"} == set(updated)
            assert (updated[0], "update_failed") in alerts
            assert history_counts(rollout_test, customers[name]) == {("update_offered", 1), ("update_failed", 1)}
        wait_for(
            lambda: (
                {
                    terminal["firmware_version"]
                    for terminal in rollout_test.operator.terminals(customers["unwell"]).values()
                }
                == {OLD_VERSION}
            ),
            lambda: rollout_test.operator.terminals(customers["unwell"]),
            240,  # the agent checks the new firmware for two minutes before it reverts the terminal
            every=0.2,
        )
        infos = [shop.tc200_info() for shop in shops]
        assert {(info.firmware_version, info.on_trial) for info in infos} == {(OLD_VERSION, False)}
        assert sorted(info.reverted_version or "" for info in infos) == ["", "", "8.0.0"]
