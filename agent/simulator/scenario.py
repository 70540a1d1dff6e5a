"""The common part of all fleet scenarios: enrol, run until done or stopped, save the state."""

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
from agent.simulator.fleet import FleetFile, choose_stores, enrol_missing
from agent.simulator.obey import CommandRunner, UpdateBehaviour
from agent.simulator.terminal import FleetTerminal


@dataclass(frozen=True)
class FleetOptions:
    """The terminals of a simulated fleet, and the service."""

    service_url: str
    code: str
    state_dir: Path
    terminals: int | None
    prefix: str
    stores_file: Path | None
    manners: UpdateBehaviour = field(default_factory=UpdateBehaviour)
    # X-Forwarded-For: every site of `site_size` terminals gets the next /24 of this network.
    network: IPv4Network | None = None
    site_size: int = 1


class Scenario(Protocol):
    """A behaviour of the fleet."""

    async def play(self, client: FleetClient, terminals: Sequence[FleetTerminal]) -> None:
        """Run until done; may be cancelled at any time."""

    def report(self, client: FleetClient, terminals: Sequence[FleetTerminal]) -> int:
        """Print what happened. Returns the exit code."""


def run(options: FleetOptions, scenario: Scenario, *, keep_alive: bool, seconds: float) -> int:
    """Enrol the terminals and run until done, until SIGTERM or SIGINT, or until `seconds` have passed (0: no limit).

    Returns the scenario's exit code. Raises SimulatorError.
    """
    return asyncio.run(_run(options, scenario, keep_alive=keep_alive, seconds=seconds))


async def _run(options: FleetOptions, scenario: Scenario, *, keep_alive: bool, seconds: float) -> int:
    stores = choose_stores(options.terminals, options.prefix, options.stores_file)
    async with FleetClient(options.service_url, keep_alive=keep_alive) as client:
        file = FleetFile(options.state_dir)
        terminals: list[FleetTerminal] = []
        try:
            with _stop_on_signal() as stop:
                if not await _run_until(enrol_missing(stores, terminals, file, client, options.code), stop, None):
                    return 0
                runner = CommandRunner(client, file, options.manners)
                client.on_commands = runner.take
                runner.resume(terminals)
                _assign_addresses(terminals, options.network, options.site_size)
                await _run_until(scenario.play(client, terminals), stop, seconds or None)
            for outcome, count in sorted(runner.outcomes.items()):
                print(f"コマンド {outcome}: {count} 件")
            return scenario.report(client, terminals)
        except EnrolmentRefused as error:
            raise SimulatorError(f"端末を登録できません: {error}") from error
        finally:
            file.close(terminals)


def _assign_addresses(terminals: Sequence[FleetTerminal], network: IPv4Network | None, site_size: int) -> None:
    if network is None:
        return
    sites = math.ceil(len(terminals) / site_size)
    if sites * 256 > network.num_addresses:
        raise SimulatorError(f"{network} には {sites} か所分の /24 がありません。")
    for index, terminal in enumerate(terminals):
        site, offset = divmod(index, site_size)
        terminal.address = str(network.network_address + site * 256 + 1 + offset % 254)


async def _run_until(coroutine: Coroutine[Any, Any, None], stop: asyncio.Event, timeout: float | None) -> bool:
    """Runs the work. Returns whether it ended by itself; else it is cancelled at `stop` or after `timeout` seconds."""
    task = asyncio.create_task(coroutine)
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait({task, stopped}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    has_ended = task.done()
    stopped.cancel()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    return has_ended


@contextmanager
def _stop_on_signal() -> Iterator[asyncio.Event]:
    """An event that SIGTERM and SIGINT set. Not loop.add_signal_handler: Windows has none."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(stop.set)

    previous = {number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
