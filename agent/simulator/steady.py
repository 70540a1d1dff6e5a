"""The steady scenario: a fleet on an ordinary day, with a few terminals that report errors or become silent.

The other scenarios over time are the same, but some terminals are disconnected (`absence`).
"""

import asyncio
import math
import random
from collections.abc import Sequence
from time import monotonic
from typing import Protocol

from agent.send import Accepted, RowRefused, Unauthorised
from agent.simulator.client import FleetClient
from agent.simulator.terminal import FleetTerminal

ERRORS = ("カードリーダー応答なし", "プリンター用紙切れ", "ICカード読み取りエラー")
BACKLOG_LIMIT = 2000
_REPORT_SECONDS = 60.0


class Absence(Protocol):
    """When terminals cannot reach the service; their agents continue to take readings."""

    def until(self, index: int, elapsed: float) -> float | None:
        """Seconds from the start until the terminal with this index reconnects; None while it is connected."""


class Steady:
    """Heartbeats spread evenly over the interval, so that the load is constant."""

    def __init__(self, interval: float, *, silent: int = 0, erroring: int = 0, absence: Absence | None = None) -> None:
        """`interval`: seconds. The first `erroring` terminals report an error, the last `silent` ones send only one
        heartbeat."""
        self._interval = interval
        self._silent = silent
        self._erroring = erroring
        self._absence = absence

    async def play(self, client: FleetClient, terminals: Sequence[FleetTerminal]) -> None:
        """Send on and on."""
        # In a small fleet the erroring terminals have priority over the silent ones.
        silent = min(self._silent, max(0, len(terminals) - self._erroring))
        print(
            f"{len(terminals)} 台が {self._interval:g} 秒間隔で送信します"
            f"（異常 {min(self._erroring, len(terminals))} 台、沈黙 {silent} 台）。停止は Ctrl-C です。",
            flush=True,
        )
        started = monotonic()
        async with asyncio.TaskGroup() as group:
            for index, terminal in enumerate(terminals):
                terminal.error = ERRORS[index % len(ERRORS)] if index < self._erroring else None
                once = index >= len(terminals) - silent
                group.create_task(self._run_terminal(client, terminal, index, len(terminals), started, once=once))
            group.create_task(self._progress(client))

    def report(self, client: FleetClient, terminals: Sequence[FleetTerminal]) -> int:
        """Always returns 0: this scenario ends when it is stopped."""
        print(f"停止しました。{_summary(client)}", flush=True)
        return 0

    async def _run_terminal(
        self, client: FleetClient, terminal: FleetTerminal, index: int, count: int, started: float, *, once: bool
    ) -> None:
        phase = started + self._interval * index / count
        due = phase
        backlog: list[dict[str, object]] = []
        while True:
            await asyncio.sleep(due - monotonic())
            if terminal.is_dead:
                return
            backlog = [*backlog, terminal.next_heartbeat()][-BACKLOG_LIMIT:]
            reconnect_at = self._absence.until(index, monotonic() - started) if self._absence else None
            if reconnect_at is not None:
                due = min(self._next_due(phase), max(started + reconnect_at, monotonic()))
                continue
            if not await self._deliver(client, terminal, backlog) or once:
                return
            # Heartbeats that were missed while the service was unreachable are not sent later.
            due = self._next_due(phase)

    def _next_due(self, phase: float) -> float:
        """The next due time of this terminal; waking up slightly too early does not repeat a heartbeat."""
        return phase + self._interval * (math.floor((monotonic() - phase) / self._interval + 0.01) + 1)

    async def _deliver(self, client: FleetClient, terminal: FleetTerminal, backlog: list[dict[str, object]]) -> bool:
        """Send the backlog, oldest first, as an agent does after an outage. Returns False when the token is refused."""
        while backlog:
            outcome = await client.deliver(terminal, backlog[0])
            if isinstance(outcome, Unauthorised):
                print(
                    f"{terminal.serial_number}: トークンが無効のため送信をやめます。"
                    "サービスのデータを作り直した場合は、--state-dir のフォルダーを削除してやり直してください。",
                    flush=True,
                )
                return False
            if isinstance(outcome, RowRefused):
                print(f"{terminal.serial_number}: 受け付けられませんでした: {outcome.reason}", flush=True)
            del backlog[0]
            if backlog and isinstance(outcome, Accepted):
                await asyncio.sleep(random.uniform(0.25, 0.75))
        return True

    async def _progress(self, client: FleetClient) -> None:
        while True:
            await asyncio.sleep(_REPORT_SECONDS)
            print(_summary(client), flush=True)


def _summary(client: FleetClient) -> str:
    counts = "、".join(f"{status}: {count}" for status, count in sorted(client.statuses.items()))
    return f"応答の数 {counts or 'なし'}、再送 {client.retries} 回"
