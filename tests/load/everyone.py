"""The full load on a running product: all kinds of clients at once, while its processes are killed one after the
other."""

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
from tests.load.callers import (
    ApiUser,
    Assistant,
    MessagePublisher,
    Seller,
    Station,
    StatusForms,
    create_nursery,
    create_terminals,
)
from tests.load.kills import PATIENCE_SECONDS, RECOVERY_SECONDS, Kill, is_restarted, kill_process
from tests.load.load_clients import Client, ClientGroup, RunningProduct
from tests.load.reservation_scenario import Scenario
from tests.load.shops import Shop, open_shops
from tests.load.tabs import Editor, Registrar, Tablet
from tests.load.watchers import Agent, Jobs, Webhooks
from tests.waiting import wait_for

PASSWORD, CODE = "password123", "FAULTS"
TERMINALS, SHOPS, PARENTS, DEVICES, ASSISTANTS, WISHES = 8, 2, 200, 3, 2, 20
# Between two kills, once every client has had an answer.
PAUSE_SECONDS = 1


@dataclass(frozen=True)
class FullLoad:
    product: RunningProduct
    clients: ClientGroup
    shops: Sequence[Shop]

    def run_kills(self, names: Sequence[str], scenario: Scenario, more: Callable[[], None] = lambda: None) -> None:
        """While all clients run, kills each of these processes and then calls `more`. Every answered write must be
        stored exactly once, and every client must have had an answer again in time."""
        with playing_customers(scenario):
            with self.clients.running():
                self.clients.await_answers()
                seconds_by_name = self._kill_in_turn(names)
                more()
            print(f"failures: {self.clients.failures()}")
            self._finish(scenario)
        for count in counting.COUNTS.values():
            count(self.product, self.clients)
        reservation_end.compare_with_vendors(scenario)
        late = {
            (name, kind): round(seconds, 1)
            for name, by_kind in seconds_by_name.items()
            for kind, seconds in by_kind.items()
            if seconds > RECOVERY_SECONDS
        }
        assert late == {}, "who waited longer than was promised, and for what"

    def _kill_in_turn(self, names: Sequence[str]) -> dict[str, dict[str, float]]:
        """Kills these in turn, the next one when every client has an answer again. Returns seconds by killed name and
        kind of client; `itself` is the time until the process was back."""
        seconds_by_name: dict[str, dict[str, float]] = {}
        for name in names:
            kill = self._kill(name)
            by_kind = seconds_by_name.setdefault(name, {})

            def all_answered(kill: Kill = kill, by_kind: dict[str, float] = by_kind) -> bool:
                self.clients.raise_errors()
                if "itself" not in by_kind and is_restarted(self.product.stack, kill):
                    by_kind["itself"] = time.monotonic() - kill.killed_at
                by_kind_now = self.clients.recovery_seconds(kill.killed_at)
                by_kind |= {kind: seconds for kind, seconds in by_kind_now.items() if seconds is not None}
                return "itself" in by_kind and None not in by_kind_now.values()

            wait_for(
                all_answered,
                lambda name=name, by_kind=by_kind: f"{name} was killed, and then: {by_kind}",
                PATIENCE_SECONDS,
            )
            print(f"{name}: " + ", ".join(f"{kind} {seconds:.1f}" for kind, seconds in by_kind.items()), flush=True)
            # All clients work again for a short time before the next kill.
            time.sleep(PAUSE_SECONDS)
        return seconds_by_name

    def _kill(self, name: str) -> Kill:
        if name not in self.product.servers:
            return kill_process(self.product.stack, name)
        killed_at = time.monotonic()
        self.product.servers[name]()
        return Kill(name, killed_at, None)

    def _finish(self, scenario: Scenario) -> None:
        """Agents send what is left and stop; then time is moved on until nothing is waiting."""
        for shop in self.shops:
            wait_for(shop.is_spool_empty, shop.log_text, 60)
        # What a vendor was still doing when its sender was killed.
        wait_for(lambda: not self.product.stack.control("rest", {"seconds": 0})["waited"], "the vendors are not done")

        def remaining() -> list[object]:
            return [*reservation_end.open_items(scenario).items(), *counting.overdue(self.product)]

        deadline = time.monotonic() + 120
        while remaining():
            assert time.monotonic() < deadline, remaining()
            reservation_end.move_time(scenario, reservation_end.TIME_STEP)
            with suppress(AssertionError):
                wait_for(lambda: not remaining(), seconds=5, every=0.5)


@contextmanager
def playing_customers(scenario: Scenario) -> Iterator[None]:
    """Customers pay, cancel or do nothing, until the block ends."""
    stop = threading.Event()
    player = threading.Thread(target=reservation_end.play_customers, args=(scenario, stop), daemon=True)
    player.start()
    try:
        yield
    finally:
        stop.set()
        player.join(30)


@contextmanager
def full_load(scenario: Scenario, store: Path) -> Iterator[FullLoad]:
    """Creates tenants, users and devices, and the clients for them. `store`: the sandbox's SQLite file."""
    product = scenario.product
    with ExitStack() as exit_stack:
        exit_stack.callback(product.engine.dispose)
        with product.db() as db:
            customer = factories.customer(db, "全員の会社")
            terminal_id = factories.terminal(db, customer, "EDITED").id
            code = factories.enrolment_code(db, customer, SHOPS)
            parents = create_nursery(db, "全員の保育園", CODE, PASSWORD, PARENTS)
            people.create_user(db, "faults-fleet", fleet="admin")
            people.create_user(db, "faults-entries", entries="admin")
            people.create_user(db, "faults-loaners", loaners="staff")
            actor = people.create_actor(db, "faults-stock", loaners="admin")
            stock.get_site(db, "osaka").notifies = True
            devices = [stock.add_device(db, actor, f"FAULT{number:05}").number for number in range(DEVICES)]
            agency = agencies.agency(db, "全員の代理店", "FAULTS")
            agencies.sales(db, "faults-sales", agency)
            corporation = agencies.corporation(db, agency).id
        key = firmware.public_key(demo_key(product.stack.home))
        folder = product.stack.home.path / "shops"
        shops = [Shop(folder / f"all-{n}", f"ALL-{n}", product.service, key) for n in range(SHOPS)]
        exit_stack.enter_context(open_shops(shops, code))
        half = PARENTS // 2
        station = Station(product, CODE, PASSWORD, parents[:half])
        clients: list[Client] = [
            *create_terminals(product, "EVERYONE", TERMINALS),
            *(Agent(product, shop) for shop in shops),
            station,
            Tablet(product, CODE, PASSWORD, parents[half:]),
            StatusForms(product.signed_in("faults-loaners"), devices),
            Seller(product.signed_in("faults-sales"), corporation),
            ApiUser(product.signed_in("faults-entries"), station.nursery_id),
            Editor(product, "faults-fleet", terminal_id),
            Registrar(product, "faults-fleet"),
            *(Assistant(scenario, number * WISHES, WISHES) for number in range(ASSISTANTS)),
            MessagePublisher(product),
            Webhooks(product, store),
            Jobs(product),
        ]
        yield FullLoad(product, ClientGroup(clients), shops)
