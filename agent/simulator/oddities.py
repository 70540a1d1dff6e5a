"""Days on which something is wrong with the terminals themselves: clocks that are off, tokens that two agents use."""

import uuid
from collections.abc import Sequence
from dataclasses import replace
from random import Random

from agent.simulator.client import FleetClient
from agent.simulator.fleet import Played
from agent.simulator.steady import Steady


class ClockSkew(Steady):
    """The first terminals' PCs have the wrong time."""

    def __init__(self, interval: float, terminals: int, seconds: float) -> None:
        """`seconds`: how far ahead; negative: behind."""
        super().__init__(interval)
        self._terminals = terminals
        self._seconds = seconds

    async def play(self, client: FleetClient, terminals: Sequence[Played]) -> None:
        """Send on and on."""
        for terminal in terminals[: self._terminals]:
            terminal.skew_seconds = self._seconds
        await super().play(client, terminals)


class ClonedToken(Steady):
    """The first terminals' PCs were cloned with their state folders: a twin each, same token, another spool."""

    def __init__(self, interval: float, terminals: int) -> None:
        super().__init__(interval)
        self._terminals = terminals

    async def play(self, client: FleetClient, terminals: Sequence[Played]) -> None:
        """Send on and on."""
        twins = [
            replace(terminal, stream_id=str(uuid.uuid4()), sequence=0, rng=Random(), taken=set())
            for terminal in terminals[: self._terminals]
        ]
        await super().play(client, [*terminals, *twins])
