"""The storm scenario: the whole fleet reconnects after an outage, each terminal on a new connection."""

import asyncio
import random
from collections.abc import Sequence
from time import monotonic

from agent.send import Accepted
from agent.simulator.client import FleetClient
from agent.simulator.terminal import FleetTerminal


class Storm:
    """One heartbeat per terminal at a random time in a short window, repeated until it is stored."""

    def __init__(self, within: float) -> None:
        """`within`: seconds in which all terminals reconnect."""
        self._within = within
        self._reconnect_seconds: list[float] = []
        self._delays: list[float] = []
        self._started = monotonic()

    async def play(self, client: FleetClient, terminals: Sequence[FleetTerminal]) -> None:
        """Run until every terminal has reconnected."""
        print(f"{len(terminals)} 台が {self._within:g} 秒以内に再接続します。", flush=True)
        self._started = monotonic()
        async with asyncio.TaskGroup() as group:
            for terminal in terminals:
                due = self._started + random.uniform(0, self._within)
                group.create_task(self._reconnect(client, terminal, due))

    async def _reconnect(self, client: FleetClient, terminal: FleetTerminal, due: float) -> None:
        await asyncio.sleep(due - monotonic())
        self._delays.append(monotonic() - due)
        outcome = await client.deliver(terminal, terminal.next_heartbeat())
        if isinstance(outcome, Accepted):
            self._reconnect_seconds.append(monotonic() - due)

    def report(self, client: FleetClient, terminals: Sequence[FleetTerminal]) -> int:
        """Returns 0 when every terminal has reconnected, else 1."""
        for status, count in sorted(client.statuses.items()):
            print(f"応答 {status}: {count} 件")
        print(f"再送: {client.retries} 回")
        print(f"応答時間: {_percentiles(client.seconds)}")
        print(f"復帰まで: {_percentiles(self._reconnect_seconds)}")
        # When this machine cannot start the requests in time, the load was lower than requested.
        print(f"発信の遅れ: {_percentiles(self._delays)}")
        print(
            f"復帰: {len(self._reconnect_seconds)} / {len(terminals)} 台（{monotonic() - self._started:.1f} 秒）",
            flush=True,
        )
        return 0 if len(self._reconnect_seconds) == len(terminals) else 1


def _percentiles(seconds: Sequence[float]) -> str:
    """p50, p99 and maximum in milliseconds."""
    if not seconds:
        return "なし"
    ordered = sorted(seconds)
    p50, p99 = (ordered[min(len(ordered) - 1, int(len(ordered) * share))] for share in (0.5, 0.99))
    return f"p50 {p50 * 1000:.0f} ms、p99 {p99 * 1000:.0f} ms、最大 {ordered[-1] * 1000:.0f} ms"
