"""The serial line to the TC-200, shared by all threads of the agent: one user at a time, and no error while the TC-200
restarts for an update."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from time import monotonic, sleep

from serial.tools import list_ports

from agent.tc200 import PortUnavailable, Terminal

# An update releases the line every two seconds; a longer wait than this means that its user hangs.
PATIENCE_SECONDS = 15.0
YIELD_SECONDS = 0.05


class SharedLine:
    """Used by all threads."""

    def __init__(self, port: str, timeout: float) -> None:
        """`timeout`: seconds per attempt of a request."""
        self.port = port
        self.timeout = timeout
        self._lock = Lock()
        self._waiting = 0
        self._waiting_lock = Lock()
        self._absence_until = 0.0

    @contextmanager
    def open(self) -> Iterator[Terminal]:
        """The open line, exclusively for this thread. Raises TerminalError."""
        self._acquire()
        try:
            with Terminal(self.port, self.timeout) as terminal:
                yield terminal
        finally:
            self._lock.release()
            if self._waiting:
                # A lock is not fair: an update that acquires it again immediately would starve the readings.
                sleep(YIELD_SECONDS)

    def _acquire(self) -> None:
        with self._waiting_lock:
            self._waiting += 1
        try:
            if not self._lock.acquire(timeout=PATIENCE_SECONDS):
                raise PortUnavailable(f"TC-200のポートは使用中です（{self.port}）")
        finally:
            with self._waiting_lock:
                self._waiting -= 1

    def present(self) -> bool:
        """Whether the port exists, without opening it."""
        if os.name == "posix":
            return os.path.exists(self.port)
        return any(port.device.upper() == self.port.upper() for port in list_ports.comports())

    def expect_absence(self, seconds: float) -> None:
        """The TC-200 was told to restart: for this time its silence is not an error. 0 ends it."""
        self._absence_until = monotonic() + seconds

    def absence_expected(self) -> bool:
        """Whether the TC-200 may be restarting now."""
        return monotonic() < self._absence_until
