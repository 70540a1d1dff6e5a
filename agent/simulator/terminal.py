"""One terminal of a simulated fleet."""

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from agent.collectors import Reading

FIRMWARE_VERSION = "1.0.0"


@dataclass
class FleetTerminal:
    """One enrolled terminal; its readings change slowly, as those of a shop PC."""

    serial_number: str
    token: str = field(repr=False)
    stream_id: str
    sequence: int
    rng: random.Random
    error: str | None = None
    firmware_version: str = FIRMWARE_VERSION
    # During a rotation, as with a real agent.
    next_token: str | None = field(default=None, repr=False)
    # The IP address of its shop, for X-Forwarded-For.
    address: str | None = None
    # Seconds by which its PC's clock is ahead.
    skew_seconds: float = 0.0
    # Its firmware did not start again: it sends nothing any more.
    is_dead: bool = False
    command_ids: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._cpu = self.rng.uniform(8, 35)
        self._memory = self.rng.uniform(35, 65)
        self._disk = self.rng.uniform(20, 70)

    def clock(self) -> datetime:
        """The time of its PC's clock."""
        return datetime.now(UTC) + timedelta(seconds=self.skew_seconds)

    def next_heartbeat(self) -> dict[str, Any]:
        """The next reading, with the next sequence."""
        self.sequence += 1
        self._cpu = _vary(self._cpu, self.rng.gauss(0, 3), 3, 70)
        self._memory = _vary(self._memory, self.rng.gauss(0, 1), 25, 78)
        self._disk = _vary(self._disk, self.rng.gauss(0.01, 0.05), 10, 85)
        reading = Reading(
            taken_at=self.clock(),
            cpu_usage=round(self._cpu, 1),
            memory_usage=round(self._memory, 1),
            disk_usage=round(self._disk, 1),
            firmware_version=self.firmware_version,
            terminal_connected=True,
            error=self.error,
            terminal_serial=self.serial_number,
        )
        return {**reading.heartbeat(self.firmware_version), "stream_id": self.stream_id, "sequence": self.sequence}


def _vary(value: float, step: float, lowest: float, highest: float) -> float:
    return min(highest, max(lowest, value + step))
