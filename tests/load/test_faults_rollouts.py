"""Roll-outs while every process is killed in turn: they end right, and nobody is told or updated twice."""

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
from tests.load.falling import fall
from tests.load.shops import OLD, Desk, Played, Shop, opened, played
from tests.stack import Stack, running_stack
from tests.waiting import wait_for

pytestmark = pytest.mark.faults

OURS = ("service", "worker", "beat", "valkey", "postgres")
SHOPS = 3
FLEET = 17
IMAGE = random.Random(12).randbytes(300_000)
# From one kill to the next: some of what dies is still coming back then.
PAUSE_SECONDS = 4
# How often each of them dies, if the roll-out lasts that long.
ROUNDS = 3
PATIENCE_SECONDS = 600


@dataclass
class Ground:
    stack: Stack
    desk: Desk
    folder: Path
    image: Path

    def shops(self, held: ExitStack, code: str, count: int, fault: str | None = None) -> list[Shop]:
        key, name = firmware.public_key(demo_key(self.stack.home)), fault or "fine"
        made = [Shop(self.folder / f"{name}-{n}", f"{name}-{n}", self.stack.service, key) for n in range(count)]
        held.enter_context(opened(made, code, fault))
        return made

    def fleet(self, held: ExitStack, name: str, code: str, count: int, *options: str, **how: str) -> Played:
        return held.enter_context(
            played(self.folder / name, self.stack.service, code, count, *options, interval=5, **how)
        )

    def firmware(self, version: str) -> int:
        return self.desk.firmware(version, self.image, demo_key(self.stack.home))


@pytest.fixture(scope="module")
def ground() -> Iterator[Ground]:
    with running_stack() as stack:
        shown = json.loads((stack.home.path / "field" / "accounts.json").read_text(encoding="utf-8"))
        desk = Desk(stack.service, "admin", shown["password"])
        image = stack.home.path / "tc200.bin"
        image.write_bytes(IMAGE)
        yield Ground(stack, desk, stack.home.path, image)
        desk.close()


@dataclass
class Killing:
    """One after the other, round after round."""

    stack: Stack
    beside: dict[str, Callable[[], None]]
    killed: Counter[str] = field(default_factory=Counter)

    def until(self, holds: Callable[[], bool], otherwise: Callable[[], object]) -> float:
        """Seconds it took."""
        begun = time.monotonic()
        turns = iter([*OURS, *self.beside] * ROUNDS)
        while not holds():
            assert time.monotonic() < begun + PATIENCE_SECONDS, f"{otherwise()}; killed: {dict(self.killed)}"
            if name := next(turns, None):
                self._kill(name)
            time.sleep(PAUSE_SECONDS)
        return time.monotonic() - begun

    def _kill(self, name: str) -> None:
        if name in self.beside:
            self.beside[name]()
        else:
            fall(self.stack, name)
        self.killed[name] += 1


def test_a_roll_out_survives_kill_9_of_every_process(ground: Ground) -> None:
    with ExitStack() as held:
        customer = ground.desk.customer("全部の処理が止まる会社")
        code = ground.desk.code(customer, SHOPS + FLEET)
        fleet = ground.fleet(held, "K", code, FLEET)
        shops = ground.shops(held, code, SHOPS)
        ground.desk.heard_of(customer, SHOPS + FLEET)
        rollout_id = ground.desk.roll_out(ground.firmware("7.0.0"), customer, healthy_heartbeats=2)

        killing = Killing(ground.stack, {"fleet": fleet.kill} | {shop.serial_number: shop.kill_agent for shop in shops})
        took = killing.until(
            lambda: ground.desk.rollout(rollout_id)["state"] != "running",
            lambda: standing(ground, rollout_id),
        )

        print(f"rolled out in {took:.0f} s while these were killed: {dict(killing.killed)}")
        rollout = ground.desk.rollout(rollout_id)
        assert rollout["state"] == "finished", (rollout, ground.desk.tasks(rollout_id))
        assert [(wave["percent"], wave["succeeded"]) for wave in rollout["progress"]] == [(5, 1), (25, 4), (100, 15)]
        assert {one["firmware_version"] for one in ground.desk.terminals(customer).values()} == {"7.0.0"}
        assert min(killing.killed[name] for name in (*OURS, *killing.beside)) >= 2
        assert {(info.firmware_version, info.on_trial) for info in map(Shop.stands, shops)} == {("7.0.0", False)}
        # The agent may be missed for a while and this machine is truly busy; no failure and no error may be told.
        assert not {kind for _, kind in ground.desk.alerts(customer)} & {"update_failed", "error"}
    assert told_once(ground, customer) == {("update_offered", 1), ("update_succeeded", 1)}


def standing(ground: Ground, rollout_id: int) -> str:
    """How many tasks are where, and the open ones, in words that fit into a report."""
    tasks = ground.desk.tasks(rollout_id)
    names = ("serial_number", "wave", "state", "step", "percent", "healthy", "error", "offered_at", "finished_at")
    open_ones = [[task[name] for name in names] for task in tasks if task["offered_at"] and not task["finished_at"]]
    return f"{Counter((task['wave'], task['state']) for task in tasks)}; under way: {open_ones}"


def told_once(ground: Ground, customer: int) -> set[tuple[str, int]]:
    """What is written of the update in the terminals' histories, with how often for one terminal."""
    rows = rls_bypass.rows(
        ground.stack.database,
        "SELECT l.kind, count(*) FROM fleet_terminal_logs l JOIN fleet_terminals t ON t.id = l.terminal_id "
        "WHERE t.customer_id = %s AND l.kind LIKE 'update%%' GROUP BY l.terminal_id, l.kind",
        customer,
    )
    return {(kind, count) for kind, count in rows}


def test_a_bad_firmware_stops_in_its_first_wave_whatever_is_killed(ground: Ground) -> None:
    """Bad in three ways: the TC-200 goes back by itself or is led back; the new firmware reports errors; it falls
    silent."""
    limits = {"error_count": 1, "healthy_heartbeats": 2, "step_minutes": 1}
    with ExitStack() as held:
        customers = {name: ground.desk.customer(f"不良 {name}") for name in ("unwell", "errors", "silent")}
        codes = {name: ground.desk.code(customer, FLEET) for name, customer in customers.items()}
        for name in ("errors", "silent"):
            failing = ["--update-failures", "1", "--update-failure-kinds", name]
            # Not killed: whoever is played and started anew has forgotten that it was unwell.
            ground.fleet(held, name, codes[name], FLEET, *failing, scenario="bad-firmware")
        shops = ground.shops(held, codes["unwell"], SHOPS, "unwell")
        beside = {shop.serial_number: shop.kill_agent for shop in shops}
        for name, count in (("unwell", SHOPS), ("errors", FLEET), ("silent", FLEET)):
            ground.desk.heard_of(customers[name], count)
        bad = ground.firmware("8.0.0")
        rollouts = {name: ground.desk.roll_out(bad, customer, **limits) for name, customer in customers.items()}

        killing = Killing(ground.stack, beside)
        took = killing.until(
            lambda: {ground.desk.rollout(one)["state"] for one in rollouts.values()} == {"paused"},
            lambda: [standing(ground, one) for one in rollouts.values()],
        )

        print(f"stopped in {took:.0f} s while these were killed: {dict(killing.killed)}")
        assert min(killing.killed[name] for name in (*OURS, *beside)) >= 1
        for name, rollout_id in rollouts.items():
            tasks = ground.desk.tasks(rollout_id)
            reached = [task["serial_number"] for task in tasks if task["offered_at"]]
            assert [(task["wave"], task["state"]) for task in tasks if task["offered_at"]] == [(0, "failed")], tasks
            assert {task["state"] for task in tasks if task["wave"]} == {"waiting"}
            versions = {
                serial: one["firmware_version"] for serial, one in ground.desk.terminals(customers[name]).items()
            }
            assert {serial for serial, version in versions.items() if version != OLD} <= set(reached), versions
            alerts = ground.desk.alerts(customers[name])
            assert {serial for serial, kind in alerts if kind == "update_failed"} == set(reached)
            assert (reached[0], "update_failed") in alerts
            assert told_once(ground, customers[name]) == {("update_offered", 1), ("update_failed", 1)}
        wait_for(
            lambda: {one["firmware_version"] for one in ground.desk.terminals(customers["unwell"]).values()} == {OLD},
            lambda: ground.desk.terminals(customers["unwell"]),
            240,  # the agent looks at the new firmware for two minutes before it leads the terminal back
            every=0.2,
        )
        stand = [shop.stands() for shop in shops]
        assert {(info.firmware_version, info.on_trial) for info in stand} == {(OLD, False)}
        assert sorted(info.reverted_version or "" for info in stand) == ["", "", "8.0.0"]
