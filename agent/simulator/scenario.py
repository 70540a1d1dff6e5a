"""What every fleet scenario shares: enrol, play until done or stopped, keep the state."""

import asyncio
import math
import signal
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

from agent.send import EnrolmentRefused
from agent.simulator import SimulatorError
from agent.simulator.client import FleetClient
from agent.simulator.fleet import FleetFile, Played, choose_stores, enrol_missing
from agent.simulator.obey import Manners, Obedience


@dataclass(frozen=True)
class Cast:
    """Which terminals play, and where."""

    service_url: str
    code: str
    state_dir: Path
    terminals: int | None
    prefix: str
    stores_file: Path | None
    manners: Manners = field(default_factory=Manners)
    # X-Forwarded-For: site after site of so many terminals gets the next /24 of this network.
    network: IPv4Network | None = None
    site_size: int = 1


class Scenario(Protocol):
    """One kind of behaviour of a fleet."""

    async def play(self, client: FleetClient, terminals: Sequence[Played]) -> None:
        """Go on until done; may be cancelled at any time."""

    def report(self, client: FleetClient, terminals: Sequence[Played]) -> int:
        """Print what happened. Returns the exit code."""


def run(cast: Cast, scenario: Scenario, *, keep_alive: bool, seconds: float) -> int:
    """Enrol the cast and play until done, stopped by SIGTERM or SIGINT, or `seconds` are over (0: no limit).

    Returns the scenario's exit code. Raises SimulatorError.
    """
    return asyncio.run(_run(cast, scenario, keep_alive=keep_alive, seconds=seconds))


async def _run(cast: Cast, scenario: Scenario, *, keep_alive: bool, seconds: float) -> int:
    stores = choose_stores(cast.terminals, cast.prefix, cast.stores_file)
    async with FleetClient(cast.service_url, keep_alive=keep_alive) as client:
        file = FleetFile(cast.state_dir)
        terminals: list[Played] = []
        try:
            with _stop_on_signal() as stop:
                if not await _ends(enrol_missing(stores, terminals, file, client, cast.code), stop, None):
                    return 0
                obedience = Obedience(client, file, cast.manners)
                client.obey = obedience.take
                obedience.resume(terminals)
                _give_addresses(terminals, cast.network, cast.site_size)
                await _ends(scenario.play(client, terminals), stop, seconds or None)
            for end, count in sorted(obedience.ends.items()):
                print(f"コマンド {end}: {count} 件")
            return scenario.report(client, terminals)
        except EnrolmentRefused as error:
            raise SimulatorError(f"端末を登録できません: {error}") from error
        finally:
            file.close(terminals)


def _give_addresses(terminals: Sequence[Played], network: IPv4Network | None, site_size: int) -> None:
    if network is None:
        return
    sites = math.ceil(len(terminals) / site_size)
    if sites * 256 > network.num_addresses:
        raise SimulatorError(f"{network} には {sites} か所分の /24 がありません。")
    for place, terminal in enumerate(terminals):
        site, seat = divmod(place, site_size)
        terminal.address = str(network.network_address + site * 256 + 1 + seat % 254)


async def _ends(work: Coroutine[Any, Any, None], stop: asyncio.Event, timeout: float | None) -> bool:
    """Whether the work came to its own end; else it is cancelled at the stop or after `timeout` seconds."""
    task = asyncio.create_task(work)
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait({task, stopped}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    ended = task.done()
    stopped.cancel()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    return ended


@contextmanager
def _stop_on_signal() -> Iterator[asyncio.Event]:
    """An event that SIGTERM and SIGINT set. Not loop.add_signal_handler: Windows has none."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(stop.set)

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
