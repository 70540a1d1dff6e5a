"""Roll-outs with the real parts: the maker's command, the service, agents next to TC-200s on serial lines, simulated
fleets.

Three customers at once, to save time. Kills are in test_faults_rollouts.
"""

from __future__ import annotations

import base64
import random
import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
from sqlalchemy.orm import Session

from service.fleet.firmware import actions
from stack import firmware
from stack.home import Home
from tests import firmware_key, people
from tests.conftest import start_service
from tests.load.cut import FirmwareRelay, running_relay
from tests.load.shops import OLD_VERSION, FleetOperator, Shop, simulated_fleet
from tests.processes import stop_process
from tests.stack import TIMEOUT_SECONDS
from tests.waiting import wait_for

# Real agents and a service of its own; the daily tests of roll-outs are tests/jobs/test_roll_outs*.py.
pytestmark = pytest.mark.deep
NEW, BAD = "2.0.0", "2.1.0"
IMAGE = random.Random(11).randbytes(20_000)
BREAKS_AFTER = 8_000
FLEET = 20


@dataclass
class RolloutScene:
    """`rollouts` and `customers` by name: good, bad, forged."""

    operator: FleetOperator
    breaking_relay: FirmwareRelay
    watched_relay: FirmwareRelay
    good: Shop
    forged: Shop
    customers: dict[str, int] = field(default_factory=dict)
    rollouts: dict[str, int] = field(default_factory=dict)

    def states(self) -> dict[str, str]:
        return {name: self.operator.rollout(rollout_id)["state"] for name, rollout_id in self.rollouts.items()}


@pytest.fixture(scope="module")
def scene(running_servers: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RolloutScene]:
    folder = tmp_path_factory.mktemp("rollouts")
    key, other_key = folder / "maker.key", folder / "other.key"
    key.write_bytes(base64.b64encode(firmware_key.SEED))
    firmware.make_key(other_key)
    image = folder / "tc200.bin"
    image.write_bytes(IMAGE)
    with ExitStack() as exit_stack, pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLEET_HEARTBEAT_INTERVAL_SECONDS", "5")
        service = start_service(running_servers, "genba_rollouts")
        exit_stack.callback(stop_process, service.process)
        with service.committed() as db:
            people.create_user(db, "ada", fleet="admin")
        operator = FleetOperator(service.url, "ada", people.PASSWORD)
        exit_stack.callback(operator.close)
        port = urlsplit(service.url).port
        assert port is not None
        breaking_relay = exit_stack.enter_context(running_relay(("127.0.0.1", port), breaks_after=BREAKS_AFTER))
        watched_relay = exit_stack.enter_context(running_relay(("127.0.0.1", port)))
        good = Shop(folder / "good", "TC200-GOOD", breaking_relay.url, firmware_key.PUBLIC_KEY)
        forged = Shop(folder / "wary", "TC200-WARY", watched_relay.url, firmware.public_key(other_key))
        rollout_scene = RolloutScene(operator, breaking_relay, watched_relay, good, forged)
        rollout_scene.customers = {name: operator.customer(name) for name in ("good", "bad", "forged")}
        codes = {name: operator.code(rollout_scene.customers[name], FLEET + 1) for name in rollout_scene.customers}
        shops = {"good": good, "forged": forged}
        for shop in shops.values():
            exit_stack.callback(shop.close)
            shop.plug()
        for name, shop in shops.items():
            shop.enrol(codes[name])
        for name, scenario in (("good", "steady"), ("bad", "bad-firmware")):
            failing = ["--update-failures", "1", "--update-failure-kinds", "wrong_version_after_restart"]
            options = ["--update-seconds", "0.2", *(failing if name == "bad" else [])]
            fleet = folder / f"P-{name.upper()}"
            exit_stack.enter_context(
                simulated_fleet(fleet, service.url, codes[name], FLEET, *options, scenario=scenario)
            )
        for shop in shops.values():
            shop.open()
        for name, count in (("good", FLEET + 1), ("bad", FLEET), ("forged", 1)):
            operator.await_online(rollout_scene.customers[name], count)
        versions = {version: operator.firmware(version, image, key) for version in (NEW, BAD)}
        for name, version in (("good", NEW), ("bad", BAD), ("forged", NEW)):
            rollout_scene.rollouts[name] = operator.roll_out(
                versions[version], rollout_scene.customers[name], error_count=1, healthy_heartbeats=1
            )

        def is_done() -> bool:
            with service.committed() as db:
                run_job(db)
            return rollout_scene.states() == {"good": "finished", "bad": "paused", "forged": "paused"}

        wait_for(
            is_done, lambda: (rollout_scene.states(), good.log_text(), forged.log_text()), TIMEOUT_SECONDS, every=0.2
        )
        yield rollout_scene


def run_job(db: Session) -> None:
    """Like the job every ten seconds."""
    actions.advance(db)


def test_a_good_firmware_reaches_every_terminal_in_its_waves(scene: RolloutScene) -> None:
    rollout = scene.operator.rollout(scene.rollouts["good"])

    assert [(wave["percent"], wave["succeeded"]) for wave in rollout["progress"]] == [(5, 2), (25, 4), (100, 15)]
    terminals = scene.operator.terminals(scene.customers["good"])
    assert {terminal["firmware_version"] for terminal in terminals.values()} == {NEW}
    info = scene.good.tc200_info()
    assert (info.firmware_version, info.on_trial) == (NEW, False)
    assert scene.operator.alerts(scene.customers["good"]) == []


def test_a_bad_firmware_stops_in_its_first_wave(scene: RolloutScene) -> None:
    tasks = scene.operator.tasks(scene.rollouts["bad"])

    assert [(task["wave"], task["state"]) for task in tasks if task["offered_at"]] == [(0, "failed")]
    assert {task["state"] for task in tasks if task["wave"]} == {"waiting"}
    terminals = scene.operator.terminals(scene.customers["bad"])
    assert {terminal["firmware_version"] for terminal in terminals.values()} == {OLD_VERSION}
    assert scene.operator.alerts(scene.customers["bad"]) == [(tasks[0]["serial_number"], "update_failed")]
    assert "失敗" in scene.operator.rollout(scene.rollouts["bad"])["reason"]


def test_an_interrupted_download_continues_where_it_stopped(scene: RolloutScene) -> None:
    first, second = scene.breaking_relay.downloads

    assert b"range:" not in first.lower()
    range_header = re.search(rb"\r\nrange: bytes=(\d+)-\r\n", second.lower())
    assert range_header is not None
    assert 0 < int(range_header[1]) <= BREAKS_AFTER
    assert b"\r\nif-range: " in second.lower()


def test_with_a_wrong_signature_no_byte_is_downloaded(scene: RolloutScene) -> None:
    [task] = scene.operator.tasks(scene.rollouts["forged"])

    assert (task["state"], task["error"].split(":")[0]) == ("failed", "署名を確認できません")
    assert scene.watched_relay.downloads == []
    info = scene.forged.tc200_info()
    assert (info.firmware_version, info.on_trial, info.reverted_version) == (OLD_VERSION, False, None)
    assert scene.operator.alerts(scene.customers["forged"]) == [("TC200-WARY", "update_failed")]
