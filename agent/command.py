"""A command of the service to this store PC, and how its execution can end."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MAX_COMMANDS = 50


@dataclass(frozen=True)
class Command:
    """One command of the service; its id is unique."""

    id: int
    name: str
    arguments: Mapping[str, Any]


class CommandFailed(Exception):
    """The command cannot be executed; the message is Japanese. `code` and `facts` go into the result."""

    def __init__(self, code: str, message: str, **facts: Any) -> None:
        super().__init__(message)
        self.code = code
        self.facts = facts


class Cancelled(Exception):
    """The service has cancelled this command."""


class Stopped(Exception):
    """The agent is shutting down; the command continues after the next start."""


def read_commands(rows: object) -> tuple[Command, ...]:
    """The commands of a heartbeat's answer. Invalid ones are skipped; the service repeats a command until it is
    reported."""
    commands = []
    for row in rows[:MAX_COMMANDS] if isinstance(rows, list) else ():
        if not isinstance(row, dict):
            continue
        command_id, name, arguments = row.get("id"), row.get("name"), row.get("arguments") or {}
        if type(command_id) is int and isinstance(name, str) and isinstance(arguments, dict):
            commands.append(Command(command_id, name, arguments))
    return tuple(commands)
