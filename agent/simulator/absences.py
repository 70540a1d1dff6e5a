"""Who is away when: a site in one outage, terminals that come and go."""

import random


class Outage:
    """The first terminals lose the service together, and are back together."""

    def __init__(self, terminals: int, after: float, lasting: float, within: float) -> None:
        """`after`: seconds from the start; they come back `lasting` seconds later, each within so many seconds."""
        self._terminals = terminals
        self._after = after
        self._lasting = lasting
        self._within = within

    def until(self, place: int, elapsed: float) -> float | None:
        """The end of the outage, a little different for each."""
        ends = self._after + self._lasting
        if place >= self._terminals or not self._after <= elapsed < ends:
            return None
        return ends + random.uniform(0, self._within)


class Flapping:
    """The first terminals are there for a while and away for a while, again and again, each with a phase of its own."""

    def __init__(self, terminals: int, up: float, down: float) -> None:
        self._terminals = terminals
        self._up = up
        self._down = down

    def until(self, place: int, elapsed: float) -> float | None:
        """The end of this time away."""
        if place >= self._terminals:
            return None
        period = self._up + self._down
        here = (elapsed + period * place / self._terminals) % period
        return None if here < self._up else elapsed + period - here
