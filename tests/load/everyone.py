"""Everyone at once at a running product: where each works, and the order in which what serves them dies."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from stack import firmware
from stack.programs import demo_key
from tests import factories, people
from tests.api.agencies import scene as agencies
from tests.api.loaners import stock
from tests.load import counting, reservation_end
from tests.load.callers import Assistant, Decisions, Desk, Seller, Station, StatusForms, nursery, terminals
from tests.load.crowd import Client, Crowd, Scene
from tests.load.falling import PATIENCE_SECONDS, RECOVERY_SECONDS, Fall, fall, is_back
from tests.load.reservation_world import World
from tests.load.shops import Shop, opened
from tests.load.tabs import Editor, Registrar, Tablet
from tests.load.watchers import Agent, Jobs, Webhooks
from tests.waiting import wait_for

PASSWORD, CODE = "password123", "FAULTS"
TERMINALS, SHOPS, PARENTS, DEVICES, ASSISTANTS, WISHES = 8, 2, 200, 3, 2, 20
# Between one death and the next, once everybody is answered.
PAUSE_SECONDS = 1


@dataclass(frozen=True)
class Everyone:
    scene: Scene
    crowd: Crowd
    shops: Sequence[Shop]

    def live_through(self, names: Sequence[str], world: World, more: Callable[[], None] = lambda: None) -> None:
        """While everybody is at work each of these is killed, and then `more` happens; all that was answered must be
        there, once, and whoever asks must have had an answer again in time."""
        with playing(world):
            with self.crowd.at_work():
                self.crowd.await_answers()
                took = self._through(names)
                more()
            print(f"failures: {self.crowd.failures()}")
            self._settle(world)
        for count in counting.COUNTS.values():
            count(self.scene, self.crowd)
        reservation_end.agree(world)
        late = {
            (name, kind): round(seconds, 1)
            for name, back in took.items()
            for kind, seconds in back.items()
            if seconds > RECOVERY_SECONDS
        }
        assert late == {}, "who waited longer than was promised, and for what"

    def _through(self, names: Sequence[str]) -> dict[str, dict[str, float]]:
        """Each of these is killed in turn, the next one when everybody has an answer again: seconds by what died and
        who waited, and under `itself` those until the process was there again."""
        took: dict[str, dict[str, float]] = {}
        for name in names:
            fallen = self._fall(name)
            back = took.setdefault(name, {})

            def answered(fallen: Fall = fallen, back: dict[str, float] = back) -> bool:
                self.crowd.look_after()
                if "itself" not in back and is_back(self.scene.stack, fallen):
                    back["itself"] = time.monotonic() - fallen.moment
                now = self.crowd.back_after(fallen.moment)
                back |= {kind: seconds for kind, seconds in now.items() if seconds is not None}
                return "itself" in back and None not in now.values()

            wait_for(answered, lambda name=name, back=back: f"{name} was killed, and then: {back}", PATIENCE_SECONDS)
            print(f"{name}: " + ", ".join(f"{kind} {seconds:.1f}" for kind, seconds in back.items()), flush=True)
            # Everybody is at work again for a moment before the next one dies.
            time.sleep(PAUSE_SECONDS)
        return took

    def _fall(self, name: str) -> Fall:
        if name not in self.scene.servers:
            return fall(self.scene.stack, name)
        moment = time.monotonic()
        self.scene.servers[name]()
        return Fall(name, moment, None)

    def _settle(self, world: World) -> None:
        """Agents send what they have and end; then time passes until nothing waits any more."""
        for shop in self.shops:
            wait_for(shop.is_emptied, shop.said, 60)
        # Whatever a vendor was still at when its sender died.
        wait_for(lambda: not self.scene.stack.control("rest", {"seconds": 0})["waited"], "the vendors are not done")

        def left() -> list[object]:
            return [*reservation_end.still_open(world).items(), *counting.overdue(self.scene)]

        deadline = time.monotonic() + 120
        while left():
            assert time.monotonic() < deadline, left()
            reservation_end.pass_time(world, reservation_end.PASS)
            with suppress(AssertionError):
                wait_for(lambda: not left(), seconds=5, every=0.5)


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


@contextmanager
def gathered(world: World, store: Path) -> Iterator[Everyone]:
    """Places, people and devices of their own. `store`: where the sandbox keeps what truly happened."""
    scene = world.scene
    with ExitStack() as held:
        held.callback(scene.engine.dispose)
        with scene.db() as db:
            customer = factories.customer(db, "全員の会社")
            named = factories.terminal(db, customer, "EDITED").id
            code = factories.enrolment_code(db, customer, SHOPS)
            parents = nursery(db, "全員の保育園", CODE, PASSWORD, PARENTS)
            people.person(db, "faults-fleet", fleet="admin")
            people.person(db, "faults-entries", entries="admin")
            people.person(db, "faults-loaners", loaners="staff")
            by = people.actor(db, "faults-stock", loaners="admin")
            stock.site(db, "osaka").notifies = True
            devices = [stock.device(db, by, f"FAULT{number:05}").number for number in range(DEVICES)]
            agency = agencies.agency(db, "全員の代理店", "FAULTS")
            agencies.sales(db, "faults-sales", agency)
            corporation = agencies.corporation(db, agency).id
        key = firmware.public_key(demo_key(scene.stack.home))
        folder = scene.stack.home.path / "shops"
        shops = [Shop(folder / f"all-{n}", f"ALL-{n}", scene.service, key) for n in range(SHOPS)]
        held.enter_context(opened(shops, code))
        half = PARENTS // 2
        station = Station(scene, CODE, PASSWORD, parents[:half])
        clients: list[Client] = [
            *terminals(scene, "EVERYONE", TERMINALS),
            *(Agent(scene, shop) for shop in shops),
            station,
            Tablet(scene, CODE, PASSWORD, parents[half:]),
            StatusForms(scene.signed_in("faults-loaners"), devices),
            Seller(scene.signed_in("faults-sales"), corporation),
            Desk(scene.signed_in("faults-entries"), station.nursery_id),
            Editor(scene, "faults-fleet", named),
            Registrar(scene, "faults-fleet"),
            *(Assistant(world, number * WISHES, WISHES) for number in range(ASSISTANTS)),
            Decisions(scene),
            Webhooks(scene, store),
            Jobs(scene),
        ]
        yield Everyone(scene, Crowd(clients), shops)
