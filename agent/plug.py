"""Detects between heartbeats that the cable is plugged or unplugged: polls every few seconds whether the port exists,
without opening it."""

from time import monotonic

from agent.line import SharedLine

# Debounce for a loose contact: a change that reverts within this time is not reported.
MIN_SECONDS_BETWEEN_EVENTS = 15.0


class Plug:
    """Whether the TC-200's port appeared or disappeared since the last report."""

    def __init__(self, line: SharedLine, poll_seconds: float) -> None:
        self._line = line
        self._poll_seconds = poll_seconds
        self._last_reported = line.present()
        self._quiet_until = 0.0
        self.next_poll = monotonic() + poll_seconds

    def look(self) -> str | None:
        """ "plugged" or "unplugged" when that has changed, else None."""
        now = monotonic()
        self.next_poll = now + self._poll_seconds
        present = self._line.present()
        if present == self._last_reported or now < self._quiet_until or self._line.absence_expected():
            return None
        self._last_reported = present
        self._quiet_until = now + MIN_SECONDS_BETWEEN_EVENTS
        return "plugged" if present else "unplugged"
