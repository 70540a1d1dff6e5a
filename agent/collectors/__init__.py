"""One reading of the facts for a heartbeat. One module per fact; each may fail independently."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from agent import __version__
from agent.collectors import cpu, disk, memory, terminal
from agent.config import Settings
from agent.line import SharedLine

MAX_ERROR_CHARACTERS = 500


@dataclass(frozen=True)
class Reading:
    """The facts at one time. Usages are percent, None when they could not be read."""

    taken_at: datetime
    cpu_usage: float | None
    memory_usage: float | None
    disk_usage: float | None
    firmware_version: str | None
    terminal_connected: bool
    error: str | None
    terminal_serial: str | None = None
    # The reason for a reading outside the interval: "started", "shutdown", "plugged", "unplugged".
    event: str | None = None

    def heartbeat(self, known_firmware: str) -> dict[str, Any]:
        """The reading as the body of a heartbeat, without stream and sequence.

        `known_firmware` is used when the terminal could not be read. The service accepts only numbers, so a usage that
        could not be read is sent as 0; `error` says so.
        """
        return {
            "cpu_usage": self.cpu_usage or 0.0,
            "memory_usage": self.memory_usage or 0.0,
            "disk_usage": self.disk_usage or 0.0,
            "firmware_version": self.firmware_version or known_firmware,
            "agent_version": __version__,
            "terminal_connected": self.terminal_connected,
            "terminal_serial": self.terminal_serial,
            "error": self.error,
            "event": self.event,
            "sent_at": self.taken_at.isoformat(),
        }


def collect(settings: Settings, serial_number: str, line: SharedLine, event: str | None = None) -> Reading:
    """Call every collector; a failing one leaves None and its message in `error`, and does not stop the others.

    `serial_number`: of the terminal that this store PC is enrolled for.
    """
    errors: list[str] = []

    def usage(name: str, read: Callable[[], float]) -> float | None:
        try:
            return round(min(100.0, max(0.0, read())), 1)
        except Exception as error:
            errors.append(f"{name}を取得できません（{type(error).__name__}）")
            return None

    taken_at = datetime.now(UTC)
    cpu_usage = usage("CPU使用率", cpu.usage)
    memory_usage = usage("メモリ使用率", memory.usage)
    disk_usage = usage("ディスク使用率", lambda: disk.usage(settings.disk_path))
    try:
        facts = terminal.read(line, serial_number)
    except Exception as error:
        facts = terminal.Facts(False, None, f"TC-200を確認できません（{type(error).__name__}）")
    if facts.error:
        # The terminal's error comes first: support needs it, and the end may be cut off.
        errors.insert(0, facts.error)
    return Reading(
        taken_at=taken_at,
        cpu_usage=cpu_usage,
        memory_usage=memory_usage,
        disk_usage=disk_usage,
        firmware_version=facts.firmware_version,
        terminal_connected=facts.connected,
        error="、".join(errors)[:MAX_ERROR_CHARACTERS] or None,
        terminal_serial=facts.serial_number,
        event=event,
    )
