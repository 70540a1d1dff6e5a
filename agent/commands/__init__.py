"""What the service asks this store PC to do: taken once, done beside the heartbeats, reported until it is known there.

heartbeat's answer -> book.py (durable) -> worker.py -> diagnose | bundle | rotate | firmware -> report.py
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MAX_COMMANDS = 50


@dataclass(frozen=True)
class Command:
    """One order of the service; the id is its own and never used twice."""

    id: int
    name: str
    arguments: Mapping[str, Any]


class CommandFailed(Exception):
    """The command cannot be done; the message is Japanese. `code` and `facts` go into the result."""

    def __init__(self, code: str, message: str, **facts: Any) -> None:
        super().__init__(message)
        self.code = code
        self.facts = facts


class Cancelled(Exception):
    """The service wants no more of this command."""


class Stopped(Exception):
    """The agent is ending; the command goes on after the next start."""


def read_commands(listed: object) -> tuple[Command, ...]:
    """The orders of a heartbeat's answer; what is not in their form is skipped, and comes again if it is one."""
    found = []
    for row in listed[:MAX_COMMANDS] if isinstance(listed, list) else ():
        if not isinstance(row, dict):
            continue
        number, name, arguments = row.get("id"), row.get("name"), row.get("arguments") or {}
        if type(number) is int and isinstance(name, str) and isinstance(arguments, dict):
            found.append(Command(number, name, arguments))
    return tuple(found)
