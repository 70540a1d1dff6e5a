"""Roll-outs with the real parts: the maker's command, the service, agents beside TC-200s on serial lines, played ones.

Three customers at once, so that it is quick. What dies on the way is in test_faults_rollouts.
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
from tests import maker, people
from tests.conftest import start_service
from tests.load.cut import Line, line
from tests.load.shops import OLD, Desk, Shop, played
from tests.processes import end
from tests.stack import PATIENCE_SECONDS
from tests.waiting import wait_for

# Real agents and a service of its own: every day a roll-out is proved by tests/jobs/test_roll_outs*.py.
pytestmark = pytest.mark.deep
NEW, BAD = "2.0.0", "2.1.0"
IMAGE = random.Random(11).randbytes(20_000)
BREAKS_AFTER = 8_000
FLEET = 20


@dataclass
class Scene:
    """`rollouts` and `customers` by name: good, bad, forged."""

    desk: Desk
    line: Line
    watched: Line
    good: Shop
    wary: Shop
    customers: dict[str, int] = field(default_factory=dict)
    rollouts: dict[str, int] = field(default_factory=dict)

    def states(self) -> dict[str, str]:
        return {name: self.desk.rollout(rollout_id)["state"] for name, rollout_id in self.rollouts.items()}


@pytest.fixture(scope="module")
def scene(running_servers: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("rollouts")
    key, other = folder / "maker.key", folder / "other.key"
    key.write_bytes(base64.b64encode(maker.SEED))
    firmware.make_key(other)
    image = folder / "tc200.bin"
    image.write_bytes(IMAGE)
    with ExitStack() as held, pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLEET_HEARTBEAT_INTERVAL_SECONDS", "5")
        service = start_service(running_servers, "genba_rollouts")
        held.callback(end, service.process)
        with service.committed() as db:
            people.person(db, "ada", fleet="admin")
        desk = Desk(service.url, "ada", people.PASSWORD)
        held.callback(desk.close)
        port = urlsplit(service.url).port
        assert port is not None
        breaking = held.enter_context(line(("127.0.0.1", port), breaks_after=BREAKS_AFTER))
        watched = held.enter_context(line(("127.0.0.1", port)))
        good = Shop(folder / "good", "TC200-GOOD", breaking.url, maker.PUBLIC_KEY)
        wary = Shop(folder / "wary", "TC200-WARY", watched.url, firmware.public_key(other))
        made = Scene(desk, breaking, watched, good, wary)
        made.customers = {name: desk.customer(name) for name in ("good", "bad", "forged")}
        codes = {name: desk.code(made.customers[name], FLEET + 1) for name in made.customers}
        shops = {"good": good, "forged": wary}
        for shop in shops.values():
            held.callback(shop.close)
            shop.plug()
        for name, shop in shops.items():
            shop.enrol(codes[name])
        for name, scenario in (("good", "steady"), ("bad", "bad-firmware")):
            failing = ["--update-failures", "1", "--update-failure-kinds", "wrong_version_after_restart"]
            options = ["--update-seconds", "0.2", *(failing if name == "bad" else [])]
            fleet = folder / f"P-{name.upper()}"
            held.enter_context(played(fleet, service.url, codes[name], FLEET, *options, scenario=scenario))
        for shop in shops.values():
            shop.open()
        for name, count in (("good", FLEET + 1), ("bad", FLEET), ("forged", 1)):
            desk.heard_of(made.customers[name], count)
        versions = {version: desk.firmware(version, image, key) for version in (NEW, BAD)}
        for name, version in (("good", NEW), ("bad", BAD), ("forged", NEW)):
            made.rollouts[name] = desk.roll_out(
                versions[version], made.customers[name], error_count=1, healthy_heartbeats=1
            )

        def settled() -> bool:
            with service.committed() as db:
                look(db)
            return made.states() == {"good": "finished", "bad": "paused", "forged": "paused"}

        wait_for(settled, lambda: (made.states(), good.said(), wary.said()), PATIENCE_SECONDS, every=0.2)
        yield made


def look(db: Session) -> None:
    """As the tick does every ten seconds."""
    actions.advance(db)


def test_a_good_firmware_reaches_every_terminal_in_its_waves(scene: Scene) -> None:
    rollout = scene.desk.rollout(scene.rollouts["good"])

    assert [(wave["percent"], wave["succeeded"]) for wave in rollout["progress"]] == [(5, 2), (25, 4), (100, 15)]
    terminals = scene.desk.terminals(scene.customers["good"])
    assert {one["firmware_version"] for one in terminals.values()} == {NEW}
    info = scene.good.stands()
    assert (info.firmware_version, info.on_trial) == (NEW, False)
    assert scene.desk.alerts(scene.customers["good"]) == []


def test_a_bad_firmware_stops_in_its_first_wave(scene: Scene) -> None:
    tasks = scene.desk.tasks(scene.rollouts["bad"])

    assert [(task["wave"], task["state"]) for task in tasks if task["offered_at"]] == [(0, "failed")]
    assert {task["state"] for task in tasks if task["wave"]} == {"waiting"}
    terminals = scene.desk.terminals(scene.customers["bad"])
    assert {one["firmware_version"] for one in terminals.values()} == {OLD}
    assert scene.desk.alerts(scene.customers["bad"]) == [(tasks[0]["serial_number"], "update_failed")]
    assert "失敗" in scene.desk.rollout(scene.rollouts["bad"])["reason"]


def test_a_download_that_was_cut_goes_on_where_it_was_cut(scene: Scene) -> None:
    first, second = scene.line.downloads

    assert b"range:" not in first.lower()
    found = re.search(rb"\r\nrange: bytes=(\d+)-\r\n", second.lower())
    assert found is not None
    assert 0 < int(found[1]) <= BREAKS_AFTER
    assert b"\r\nif-range: " in second.lower()


def test_a_signature_of_somebody_else_brings_no_byte_to_the_shop(scene: Scene) -> None:
    [task] = scene.desk.tasks(scene.rollouts["forged"])

    assert (task["state"], task["error"].split(":")[0]) == ("failed", "署名を確認できません")
    assert scene.watched.downloads == []
    info = scene.wary.stands()
    assert (info.firmware_version, info.on_trial, info.reverted_version) == (OLD, False, None)
    assert scene.desk.alerts(scene.customers["forged"]) == [("TC200-WARY", "update_failed")]
