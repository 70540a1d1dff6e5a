"""Notices the cable between the heartbeats: a look at the port every few seconds, nothing is opened."""

from time import monotonic

from agent.line import SharedLine

# A loose contact must not become a flood: what changes back within this time was never told.
MIN_SECONDS_BETWEEN_EVENTS = 15.0


class Plug:
    """Whether the TC-200's port came or went since it was last told."""

    def __init__(self, line: SharedLine, poll_seconds: float) -> None:
        self._line = line
        self._poll_seconds = poll_seconds
        self._told = line.present()
        self._quiet_until = 0.0
        self.next_look = monotonic() + poll_seconds

    def look(self) -> str | None:
        """ "plugged" or "unplugged" when that is news, else None."""
        now = monotonic()
        self.next_look = now + self._poll_seconds
        present = self._line.present()
        if present == self._told or now < self._quiet_until or self._line.absence_expected():
            return None
        self._told = present
        self._quiet_until = now + MIN_SECONDS_BETWEEN_EVENTS
        return "plugged" if present else "unplugged"
