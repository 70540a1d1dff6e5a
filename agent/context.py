"""State that the threads of a running agent share."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Event
from typing import Any

from agent.command_book import Book
from agent.config import Settings
from agent.line import SharedLine
from agent.spool import Spool
from agent.state import Credentials
from agent.tokens import Tokens

MAX_RECENT_READINGS = 50


@dataclass
class Recent:
    """Recent readings and clock skew, for diagnosis and bundle. Written by the loop, read by the commands."""

    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    readings: deque[Mapping[str, Any]] = field(default_factory=lambda: deque(maxlen=MAX_RECENT_READINGS))
    # Seconds by which this PC's clock is ahead of the service's; None before the first answer.
    clock_skew: float | None = None


class Context:
    """One store PC's agent: settings, identity, spool, serial line, accepted commands."""

    def __init__(self, settings: Settings, credentials: Credentials, spool: Spool, stop: Event | None = None) -> None:
        """`stop` ends every thread at its next step."""
        self.settings = settings
        self.serial_number = credentials.serial_number
        self.tokens = Tokens(settings.state_dir, credentials)
        self.spool = spool
        self.stop = stop or Event()
        self.line = SharedLine(settings.serial_port, settings.serial_timeout_seconds)
        self.book = Book(settings.state_dir)
        self.recent = Recent()
