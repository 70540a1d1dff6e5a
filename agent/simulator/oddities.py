"""Scenarios with faulty terminals: wrong clocks, and tokens that two agents use."""

import uuid
from collections.abc import Sequence
from dataclasses import replace
from random import Random

from agent.simulator.client import FleetClient
from agent.simulator.steady import Steady
from agent.simulator.terminal import FleetTerminal


class ClockSkew(Steady):
    """The clocks of the first terminals' PCs are wrong."""

    def __init__(self, interval: float, terminals: int, seconds: float) -> None:
        """`seconds`: how far the clocks are ahead; negative: behind."""
        super().__init__(interval)
        self._terminals = terminals
        self._seconds = seconds

    async def play(self, client: FleetClient, terminals: Sequence[FleetTerminal]) -> None:
        """Send on and on."""
        for terminal in terminals[: self._terminals]:
            terminal.skew_seconds = self._seconds
        await super().play(client, terminals)


class ClonedToken(Steady):
    """The first terminals' PCs were cloned with their state folders: each has a twin with the same token and another
    spool."""

    def __init__(self, interval: float, terminals: int) -> None:
        super().__init__(interval)
        self._terminals = terminals

    async def play(self, client: FleetClient, terminals: Sequence[FleetTerminal]) -> None:
        """Send on and on."""
        twins = [
            replace(terminal, stream_id=str(uuid.uuid4()), sequence=0, rng=Random(), command_ids=set())
            for terminal in terminals[: self._terminals]
        ]
        await super().play(client, [*terminals, *twins])
