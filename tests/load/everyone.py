"""Everyone at once at a running product: where each works, and the order in which what serves them dies."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import text

from service.core.identity import hash_password, hash_token
from service.entries.models import Nursery, Parent
from stack import firmware
from stack.programs import demo_key
from tests import cast, factories
from tests.api.agencies import scene as agencies
from tests.api.loaners import stock
from tests.load import counting, reservation_end
from tests.load.callers import Assistant, Decisions, Desk, Seller, Station, StatusForms, Terminal
from tests.load.crowd import Client, Crowd, Scene
from tests.load.falling import PATIENCE_SECONDS, RECOVERY_SECONDS, Fall, fall, is_back
from tests.load.reservation_world import World
from tests.load.shops import Shop, eventually
from tests.load.tabs import Editor, Registrar, Tablet
from tests.load.watchers import Agent, Jobs, Webhooks

PASSWORD, CODE = "password123", "FAULTS"
TERMINALS, SHOPS, PARENTS, DEVICES, ASSISTANTS, WISHES = 8, 2, 200, 3, 2, 20
# Between one death and the next, once everybody is answered.
PAUSE_SECONDS = 1


@dataclass(frozen=True)
class Everyone:
    scene: Scene
    crowd: Crowd
    shops: Sequence[Shop]
    nursery_id: int
    sandbox: str

    def begin(self) -> None:
        """Until everybody has had an answer."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while None in (now := self.crowd.back_after(0)).values():
            self.crowd.look_after()
            assert time.monotonic() < deadline, f"not everybody is at work: {now}"
            time.sleep(0.2)

    def through(self, names: Sequence[str]) -> dict[str, dict[str, float]]:
        """Each of these is killed in turn, the next one when everybody has an answer again: seconds by what died and
        who waited, and under `itself` those until the process was there again."""
        took: dict[str, dict[str, float]] = {}
        for name in names:
            fallen = self._fall(name)
            back = took.setdefault(name, {})
            while True:
                self.crowd.look_after()
                now = self.crowd.back_after(fallen.moment)
                if "itself" not in back and is_back(self.scene.stack, fallen):
                    back["itself"] = time.monotonic() - fallen.moment
                if "itself" in back and None not in now.values():
                    break
                waited = time.monotonic() - fallen.moment
                assert waited < PATIENCE_SECONDS, f"{name} was killed, and {waited:.0f} s later: {now} {back}"
                time.sleep(0.1)
            back |= {kind: seconds for kind, seconds in now.items() if seconds is not None}
            print(f"{name}: " + ", ".join(f"{kind} {seconds:.1f}" for kind, seconds in back.items()), flush=True)
            time.sleep(PAUSE_SECONDS)
        return took

    def _fall(self, name: str) -> Fall:
        if name not in self.scene.servers:
            return fall(self.scene.stack, name)
        moment = time.monotonic()
        self.scene.servers[name]()
        return Fall(name, moment, None)

    def stop_agents(self) -> None:
        """Once their spools are empty."""
        for shop in self.shops:
            eventually(shop.is_emptied, 60, shop.said)

    def counts(self) -> dict[str, Callable[[], None]]:
        """Each raises AssertionError for what is missing, what is there twice, and what nobody was answered."""
        scene, crowd = self.scene, self.crowd
        return {
            "heartbeats": lambda: counting.heartbeats(scene, crowd),
            "agents": lambda: counting.agents(scene, self.shops),
            "scans": lambda: counting.scans(scene, crowd, self.nursery_id),
            "forms": lambda: counting.forms(scene, crowd),
            "requests": lambda: counting.requests(scene, crowd),
            "records": lambda: counting.records(scene, crowd),
            "messages": lambda: counting.messages(scene, crowd, self.sandbox),
            "storage": lambda: counting.storage(scene),
        }

    def count(self) -> None:
        for take in self.counts().values():
            take()


def too_late(took: dict[str, dict[str, float]]) -> dict[tuple[str, str], float]:
    """Who waited longer than was promised, and for what."""
    return {
        (name, kind): round(seconds, 1)
        for name, back in took.items()
        for kind, seconds in back.items()
        if seconds > RECOVERY_SECONDS
    }


@contextmanager
def playing(world: World) -> Iterator[None]:
    """Customers pay, cancel or let the time pass, until the block ends."""
    stop = threading.Event()
    player = threading.Thread(target=reservation_end.play, args=(world, stop), daemon=True)
    player.start()
    try:
        yield
    finally:
        stop.set()
        player.join(30)


def settle(world: World, everyone: Everyone) -> None:
    """Agents send what they have and end; then time passes until nothing waits any more."""
    everyone.stop_agents()
    # Whatever a vendor was still at when its sender died is done by now.
    time.sleep(8)
    deadline = time.monotonic() + 120
    while left := [*reservation_end.still_open(world).items(), *counting.overdue(everyone.scene)]:
        assert time.monotonic() < deadline, left
        reservation_end.pass_time(world, reservation_end.PASS)
        time.sleep(5)


@contextmanager
def gathered(scene: Scene, world: World, sandbox: str, store: Path) -> Iterator[Everyone]:
    """Places, people and devices of their own. `store`: where the sandbox keeps what truly happened."""
    folder = scene.stack.home.path / "shops"
    folder.mkdir()
    with ExitStack() as held:
        held.callback(scene.engine.dispose)
        with scene.db() as db:
            customer = factories.customer(db, "全員の会社")
            serials = [f"EVERYONE-{number}" for number in range(TERMINALS + 1)]
            named, *sending = (factories.terminal(db, customer, serial).id for serial in serials)
            senders = [(terminal_id, f"faults-{uuid.uuid4()}") for terminal_id in sending]
            for terminal_id, token in senders:
                db.execute(
                    text("INSERT INTO fleet_terminal_tokens (token_hash, terminal_id) VALUES (:hash, :id)"),
                    {"hash": hash_token(token), "id": terminal_id},
                )
            code = factories.enrolment_code(db, customer, SHOPS)
            nursery = Nursery(name="全員の保育園", code=CODE, station_password_hash=hash_password(PASSWORD))
            db.add(nursery)
            db.flush()
            parents = [Parent(nursery_id=nursery.id, name=f"送迎 {number}") for number in range(PARENTS)]
            db.add_all(parents)
            cast.person(db, "faults-fleet", fleet="admin")
            cast.person(db, "faults-entries", entries="admin")
            cast.person(db, "faults-loaners", loaners="staff")
            by = cast.actor(db, "faults-stock", loaners="admin")
            stock.site(db, "osaka").notifies = True
            devices = [stock.device(db, by, f"FAULT{number:05}").number for number in range(DEVICES)]
            agency = agencies.agency(db, "全員の代理店", "FAULTS")
            agencies.sales(db, "faults-sales", agency)
            corporation = agencies.corporation(db, agency).id
            nursery_id, ids = nursery.id, [parent.id for parent in parents]
        shops = _shops(held, scene, folder, code)
        half = PARENTS // 2
        clients: list[Client] = [
            *(Terminal(scene, terminal_id, token) for terminal_id, token in senders),
            *(Agent(scene, shop.serial_number) for shop in shops),
            Station(scene, CODE, PASSWORD, ids[:half]),
            Tablet(scene, CODE, PASSWORD, ids[half:]),
            StatusForms(scene, "faults-loaners", devices),
            Seller(scene, "faults-sales", corporation),
            Desk(scene, "faults-entries", nursery_id),
            Editor(scene, "faults-fleet", named),
            Registrar(scene, "faults-fleet"),
            *(Assistant(scene, world, number * WISHES, WISHES) for number in range(ASSISTANTS)),
            Decisions(scene),
            Webhooks(scene, sandbox, store),
            Jobs(scene),
        ]
        yield Everyone(scene, Crowd(clients), shops, nursery_id, sandbox)


def _shops(held: ExitStack, scene: Scene, folder: Path, code: str) -> list[Shop]:
    key = firmware.public_key(demo_key(scene.stack.home))
    shops = [Shop(folder / f"all-{n}", f"ALL-{n}", scene.service, key) for n in range(SHOPS)]
    for shop in shops:
        held.callback(shop.close)
        shop.plug()
    for shop in shops:
        shop.enrol(code)
    for shop in shops:
        shop.open()
    return shops
