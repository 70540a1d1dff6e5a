"""The steady scenario: a fleet on an ordinary day, with a few terminals that give support something to see."""

import asyncio
import math
from collections.abc import Sequence
from time import monotonic

from agent.send import RowRefused, Unauthorised
from agent.simulator.client import FleetClient
from agent.simulator.fleet import Played

ERRORS = ("カードリーダー応答なし", "プリンター用紙切れ", "ICカード読み取りエラー")
_REPORT_SECONDS = 60.0


class Steady:
    """Phases spread evenly over the interval, so that the load is flat."""

    def __init__(self, interval: float, *, silent: int, erroring: int) -> None:
        """`interval`: seconds. The first `erroring` terminals report an error, the last `silent` ones fall silent."""
        self._interval = interval
        self._silent = silent
        self._erroring = erroring

    async def play(self, client: FleetClient, terminals: Sequence[Played]) -> None:
        """Send on and on."""
        # With a tiny fleet the erroring ones come first.
        silent = min(self._silent, max(0, len(terminals) - self._erroring))
        print(
            f"{len(terminals)} 台が {self._interval:g} 秒間隔で送信します"
            f"（異常 {min(self._erroring, len(terminals))} 台、沈黙 {silent} 台）。停止は Ctrl-C です。",
            flush=True,
        )
        started = monotonic()
        async with asyncio.TaskGroup() as group:
            for place, terminal in enumerate(terminals):
                terminal.error = ERRORS[place % len(ERRORS)] if place < self._erroring else None
                phase = started + self._interval * place / len(terminals)
                once = place >= len(terminals) - silent
                group.create_task(self._terminal(client, terminal, phase, once=once))
            group.create_task(self._progress(client))

    def report(self, client: FleetClient, terminals: Sequence[Played]) -> int:
        """Always 0: being stopped is how this scenario ends."""
        print(f"停止しました。{_summary(client)}", flush=True)
        return 0

    async def _terminal(self, client: FleetClient, terminal: Played, phase: float, *, once: bool) -> None:
        turn = 0
        while True:
            await asyncio.sleep(phase + turn * self._interval - monotonic())
            outcome = await client.deliver(terminal.token, terminal.next_heartbeat(), terminal.rng)
            if isinstance(outcome, Unauthorised):
                print(
                    f"{terminal.serial_number}: トークンが無効のため送信をやめます。"
                    "サービスのデータを作り直した場合は、--state-dir のフォルダーを削除してやり直してください。",
                    flush=True,
                )
                return
            if isinstance(outcome, RowRefused):
                print(f"{terminal.serial_number}: 受け付けられませんでした: {outcome.reason}", flush=True)
            if once:
                return
            # Turns missed while the service was away are not made up for.
            turn = max(turn + 1, math.ceil((monotonic() - phase) / self._interval))

    async def _progress(self, client: FleetClient) -> None:
        while True:
            await asyncio.sleep(_REPORT_SECONDS)
            print(_summary(client), flush=True)


def _summary(client: FleetClient) -> str:
    counts = "、".join(f"{status}: {count}" for status, count in sorted(client.statuses.items()))
    return f"応答の数 {counts or 'なし'}、再送 {client.retries} 回"
