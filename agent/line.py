"""The serial line to the TC-200 as all of the agent shares it: one user at a time, and no alarm about a restart it was
asked for."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from time import monotonic, sleep

from serial.tools import list_ports

from agent.tc200 import PortUnavailable, Terminal

# An update gives the line back every two seconds; whoever waits longer than this has met something stuck.
PATIENCE_SECONDS = 15.0
COURTESY_SECONDS = 0.05


class SharedLine:
    """Used by all threads."""

    def __init__(self, port: str, timeout: float) -> None:
        """`timeout`: seconds per attempt of a request."""
        self.port = port
        self.timeout = timeout
        self._turn = Lock()
        self._waiting = 0
        self._counting = Lock()
        self._absence_until = 0.0

    @contextmanager
    def open(self) -> Iterator[Terminal]:
        """The open line, for this thread alone. Raises TerminalError."""
        self._take_turn()
        try:
            with Terminal(self.port, self.timeout) as terminal:
                yield terminal
        finally:
            self._turn.release()
            if self._waiting:
                # A lock goes to whoever comes first: an update that comes back at once would starve the readings.
                sleep(COURTESY_SECONDS)

    def _take_turn(self) -> None:
        with self._counting:
            self._waiting += 1
        try:
            if not self._turn.acquire(timeout=PATIENCE_SECONDS):
                raise PortUnavailable(f"TC-200のポートは使用中です（{self.port}）")
        finally:
            with self._counting:
                self._waiting -= 1

    def present(self) -> bool:
        """Whether the port is there, without touching it."""
        if os.name == "posix":
            return os.path.exists(self.port)
        return any(port.device.upper() == self.port.upper() for port in list_ports.comports())

    def expect_absence(self, seconds: float) -> None:
        """The TC-200 was asked to restart: for so long its silence is no fault. 0 ends it."""
        self._absence_until = monotonic() + seconds

    def absence_expected(self) -> bool:
        """Whether the TC-200 may be away just now."""
        return monotonic() < self._absence_until
