"""When terminals are disconnected: an outage of a site, and terminals that disconnect repeatedly."""

import random


class Outage:
    """The first terminals lose the service at the same time, and come back at the same time."""

    def __init__(self, terminals: int, after: float, lasting: float, within: float) -> None:
        """`after`: seconds from the start. They come back `lasting` seconds later, spread over `within` seconds."""
        self._terminals = terminals
        self._after = after
        self._lasting = lasting
        self._within = within

    def until(self, index: int, elapsed: float) -> float | None:
        """The end of the outage, slightly different for each terminal."""
        end = self._after + self._lasting
        if index >= self._terminals or not self._after <= elapsed < end:
            return None
        return end + random.uniform(0, self._within)


class Flapping:
    """The first terminals are connected and disconnected in turn, each with its own phase."""

    def __init__(self, terminals: int, up: float, down: float) -> None:
        self._terminals = terminals
        self._up = up
        self._down = down

    def until(self, index: int, elapsed: float) -> float | None:
        """The end of the current disconnection."""
        if index >= self._terminals:
            return None
        period = self._up + self._down
        position = (elapsed + period * index / self._terminals) % period
        return None if position < self._up else elapsed + period - position
