"""The accepted commands and their results: one small file, so that each is executed once, even if the agent is
killed."""

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from threading import Condition
from typing import Any

from agent.command import Command
from agent.state import write_private

FILE_NAME = "commands.json"
MAX_ENTRIES = 200

log = logging.getLogger("agent")


@dataclass(frozen=True)
class Entry:
    """An accepted command. `report`: its final report, None until it is executed."""

    id: int
    name: str
    arguments: Mapping[str, Any]
    report: Mapping[str, Any] | None = None
    delivered: bool = False


class Book:
    """The commands of one store PC, oldest first. Safe for several threads."""

    def __init__(self, state_dir: Path) -> None:
        """Load the file. A file that cannot be read counts as empty: the service repeats commands without a report."""
        self._path = state_dir / FILE_NAME
        self._changed = Condition()
        self._closed = False
        self._entries: dict[int, Entry] = {}
        try:
            rows = json.loads(self._path.read_text(encoding="utf-8"))
            self._entries = {int(row["id"]): Entry(**row) for row in rows}
        except FileNotFoundError:
            pass
        except (OSError, ValueError, TypeError, KeyError) as error:
            log.warning("コマンドの記録を読めないため、新しく始めます（%s）。", type(error).__name__)

    def take(self, commands: Iterable[Command]) -> None:
        """Store new commands durably. A command that was reported already, and is received again, is reported again."""
        with self._changed:
            entries = dict(self._entries)
            for command in commands:
                existing = entries.get(command.id)
                # The same id for another command: the service has started its ids again.
                if existing is None or (existing.name, existing.arguments) != (command.name, command.arguments):
                    entries[command.id] = Entry(command.id, command.name, command.arguments)
                elif existing.delivered:
                    entries[command.id] = replace(existing, delivered=False)
            if entries != self._entries:
                self._try_write(entries, "コマンドを受け付けられません")

    def wait(self, matches: Callable[[Entry], bool], seconds: float) -> Entry | None:
        """The oldest entry that is not delivered yet and that `matches`; waits up to `seconds` for one."""

        def oldest_match() -> Entry | None:
            rows = (entry for _, entry in sorted(self._entries.items()))
            return next((entry for entry in rows if not entry.delivered and matches(entry)), None)

        with self._changed:
            self._changed.wait_for(lambda: self._closed or oldest_match(), seconds)
            return None if self._closed else oldest_match()

    def close(self) -> None:
        """Ends all waits, when the agent shuts down."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def finish(self, command_id: int, report: Mapping[str, Any]) -> None:
        """Store the final report of a command; from now on it is only reported. Raises OSError when that fails."""
        with self._changed:
            self._write({**self._entries, command_id: replace(self._entries[command_id], report=report)})

    def delivered(self, command_id: int) -> None:
        """The service has the final report."""
        with self._changed:
            entries = {**self._entries, command_id: replace(self._entries[command_id], delivered=True)}
            expired = sorted(entry_id for entry_id, entry in entries.items() if entry.delivered)[:-MAX_ENTRIES]
            for entry_id in expired:
                del entries[entry_id]
            self._try_write(entries, "コマンドの記録を保存できません")

    def figures(self) -> list[dict[str, Any]]:
        """For the bundle: each command with its state, without arguments."""
        with self._changed:
            return [
                {"id": entry.id, "name": entry.name, "report": entry.report, "delivered": entry.delivered}
                for entry in self._entries.values()
            ]

    def _try_write(self, entries: dict[int, Entry], text: str) -> None:
        try:
            self._write(entries)
        except OSError as error:
            # Nothing is lost: the service repeats a command until it is reported.
            log.error("%s（%s）。ディスクの空き容量を確認してください。", text, error.strerror)

    def _write(self, entries: dict[int, Entry]) -> None:
        write_private(self._path, json.dumps([asdict(entry) for entry in entries.values()], ensure_ascii=False))
        self._entries = entries
        self._changed.notify_all()


def forget(state_dir: Path) -> None:
    """Delete the commands of the previous terminal, when this PC is enrolled for another one. Raises OSError."""
    (state_dir / FILE_NAME).unlink(missing_ok=True)
