"""Which commands were taken, and what came of them: one small file, so that each is done once whatever is killed."""

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from threading import Condition
from typing import Any

from agent.commands import Command
from agent.state import write_private

FILE_NAME = "commands.json"
KEPT = 200

log = logging.getLogger("agent")


@dataclass(frozen=True)
class Entry:
    """A command taken. `report`: what is to be told at the end, None while it is to be done."""

    id: int
    name: str
    arguments: Mapping[str, Any]
    report: Mapping[str, Any] | None = None
    delivered: bool = False


class Book:
    """The commands of one store PC, oldest first. Safe for several threads."""

    def __init__(self, state_dir: Path) -> None:
        """Read what is there; a file that cannot be read counts as none: what is still wanted will be asked again."""
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
        """Keep those not known yet, durably. One that is known and finished, and asked for again, is reported again."""
        with self._changed:
            entries = dict(self._entries)
            for command in commands:
                known = entries.get(command.id)
                # The same id for something else: the service began its numbers anew.
                if known is None or (known.name, known.arguments) != (command.name, command.arguments):
                    entries[command.id] = Entry(command.id, command.name, command.arguments)
                elif known.delivered:
                    entries[command.id] = replace(known, delivered=False)
            if entries != self._entries:
                self._keep(entries, "コマンドを受け付けられません")

    def wait(self, wanted: Callable[[Entry], bool], seconds: float) -> Entry | None:
        """The oldest entry that is not delivered yet and wanted; waits up to `seconds` for one."""

        def found() -> Entry | None:
            rows = (entry for _, entry in sorted(self._entries.items()))
            return next((entry for entry in rows if not entry.delivered and wanted(entry)), None)

        with self._changed:
            self._changed.wait_for(lambda: self._closed or found(), seconds)
            return None if self._closed else found()

    def close(self) -> None:
        """The agent ends: nobody waits any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def finish(self, command_id: int, report: Mapping[str, Any]) -> None:
        """The command is done or failed; from now on it is only reported. Raises OSError when that cannot be kept."""
        with self._changed:
            self._write({**self._entries, command_id: replace(self._entries[command_id], report=report)})

    def delivered(self, command_id: int) -> None:
        """The service knows the end of it."""
        with self._changed:
            entries = {**self._entries, command_id: replace(self._entries[command_id], delivered=True)}
            over = sorted(number for number, entry in entries.items() if entry.delivered)[:-KEPT]
            for number in over:
                del entries[number]
            self._keep(entries, "コマンドの記録を保存できません")

    def figures(self) -> list[dict[str, Any]]:
        """For the bundle: each command with its state, without arguments."""
        with self._changed:
            return [
                {"id": entry.id, "name": entry.name, "report": entry.report, "delivered": entry.delivered}
                for entry in self._entries.values()
            ]

    def _keep(self, entries: dict[int, Entry], words: str) -> None:
        try:
            self._write(entries)
        except OSError as error:
            # Nothing is lost: the service repeats a command until it has been reported on.
            log.error("%s（%s）。ディスクの空き容量を確認してください。", words, error.strerror)

    def _write(self, entries: dict[int, Entry]) -> None:
        write_private(self._path, json.dumps([asdict(entry) for entry in entries.values()], ensure_ascii=False))
        self._entries = entries
        self._changed.notify_all()


def forget(state_dir: Path) -> None:
    """Another terminal takes this PC over; the commands were for the one before. Raises OSError."""
    (state_dir / FILE_NAME).unlink(missing_ok=True)
