"""The terminals of a simulated fleet: their identities, saved in one file so that a restart continues, and their
enrolment."""

import asyncio
import json
import os
import random
import sqlite3
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from agent.command import Command
from agent.simulator import MAX_TERMINALS, SimulatorError
from agent.simulator.client import FleetClient
from agent.simulator.terminal import FIRMWARE_VERSION, FleetTerminal
from agent.state import StateError, make_state_dir

FILE_NAME = "fleet.db"
DEFAULT_TERMINALS = 10
# After a killed run the last sequences are unknown. The service requires only that they increase, so a jump is safe.
SEQUENCE_JUMP = 1_000_000
_MAX_CONCURRENT_ENROLMENTS = 16
_BATCH = 256
_LOCK_WAIT_SECONDS = 1.0

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS terminal (serial_number TEXT PRIMARY KEY, terminal_id INTEGER NOT NULL,"
    " token TEXT NOT NULL, stream_id TEXT NOT NULL, sequence INTEGER NOT NULL)",
    # Commands that were accepted and not executed yet: the service does not send them again.
    "CREATE TABLE IF NOT EXISTS command (id INTEGER PRIMARY KEY, serial_number TEXT NOT NULL, name TEXT NOT NULL,"
    " arguments TEXT NOT NULL)",
)
# Columns that files of earlier versions do not have.
_ADDED_COLUMNS = ("firmware_version", "next_token")


@dataclass(frozen=True)
class Store:
    """A terminal to simulate."""

    serial_number: str
    store_name: str | None


class FleetFile:
    """Tokens, stream ids and sequences of the simulated terminals. Only one simulation at a time can open it."""

    def __init__(self, state_dir: Path) -> None:
        """Open or create the file, for its owner only. Raises SimulatorError."""
        path = state_dir / FILE_NAME
        try:
            make_state_dir(state_dir)
            with suppress(FileExistsError):
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            self._db = sqlite3.connect(path, timeout=_LOCK_WAIT_SECONDS, isolation_level=None)
            self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._db.execute("BEGIN EXCLUSIVE")
            for statement in _SCHEMA:
                self._db.execute(statement)
            columns = {row[1] for row in self._db.execute("PRAGMA table_info(terminal)")}
            for column in _ADDED_COLUMNS:
                if column not in columns:
                    self._db.execute(f"ALTER TABLE terminal ADD COLUMN {column} TEXT")
            if self._db.execute("PRAGMA user_version").fetchone() == (1,):
                self._db.execute("UPDATE terminal SET sequence = sequence + ?", (SEQUENCE_JUMP,))
            self._db.execute("PRAGMA user_version = 1")
            self._db.execute("COMMIT")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise SimulatorError(f"{state_dir} は別のシミュレーションが使用中です。") from error
            raise SimulatorError(f"{path} を開けません（{error}）。") from error
        except (StateError, sqlite3.DatabaseError, OSError) as error:
            raise SimulatorError(f"{path} を開けません（{error}）。") from error

    def load(self) -> dict[str, FleetTerminal]:
        """The enrolled terminals by serial number."""
        rows = self._db.execute(
            "SELECT serial_number, token, stream_id, sequence, firmware_version, next_token FROM terminal"
        ).fetchall()
        terminals = {}
        for serial, token, stream_id, sequence, firmware, next_token in rows:
            saved = {"firmware_version": firmware or FIRMWARE_VERSION, "next_token": next_token}
            terminals[serial] = FleetTerminal(serial, token, stream_id, sequence, random.Random(serial), **saved)
        return terminals

    def add(self, serial_number: str, terminal_id: int, token: str) -> None:
        """Save a newly enrolled terminal."""
        self._db.execute(
            "INSERT INTO terminal (serial_number, terminal_id, token, stream_id, sequence) VALUES (?, ?, ?, ?, 0)",
            (serial_number, terminal_id, token, str(uuid.uuid4())),
        )

    def save(self, terminal: FleetTerminal) -> None:
        """Save what a command changed: tokens and firmware."""
        self._db.execute(
            "UPDATE terminal SET token = ?, next_token = ?, firmware_version = ? WHERE serial_number = ?",
            (terminal.token, terminal.next_token, terminal.firmware_version, terminal.serial_number),
        )

    def add_command(self, terminal: FleetTerminal, command: Command) -> None:
        """Save a command until it is reported."""
        self._db.execute(
            "INSERT OR IGNORE INTO command (id, serial_number, name, arguments) VALUES (?, ?, ?, ?)",
            (command.id, terminal.serial_number, command.name, json.dumps(dict(command.arguments))),
        )

    def delete_command(self, command: Command) -> None:
        """Delete a command that was reported."""
        self._db.execute("DELETE FROM command WHERE id = ?", (command.id,))

    def pending_commands(self) -> dict[str, list[Command]]:
        """The unfinished commands of an earlier run, by serial number."""
        commands: dict[str, list[Command]] = {}
        for serial, command_id, name, arguments in self._db.execute(
            "SELECT serial_number, id, name, arguments FROM command ORDER BY id"
        ):
            commands.setdefault(serial, []).append(Command(command_id, name, json.loads(arguments)))
        return commands

    def begin(self) -> None:
        """Begin a transaction for several `add`s."""
        self._db.execute("BEGIN")

    def commit(self) -> None:
        """Commit what was added since `begin`."""
        self._db.execute("COMMIT")

    def close(self, terminals: Sequence[FleetTerminal]) -> None:
        """Save the sequences and close the file; the next run continues where this one ended."""
        self._db.execute("BEGIN")
        self._db.executemany(
            "UPDATE terminal SET sequence = ? WHERE serial_number = ?",
            [(terminal.sequence, terminal.serial_number) for terminal in terminals],
        )
        self._db.execute("PRAGMA user_version = 0")
        self._db.execute("COMMIT")
        self._db.close()


def choose_stores(count: int | None, prefix: str, stores_file: Path | None) -> list[Store]:
    """The terminals to simulate: first those of the file, then numbered ones up to `count`. Raises SimulatorError."""
    stores = _read_stores(stores_file) if stores_file else []
    if count is None:
        count = len(stores) or DEFAULT_TERMINALS
    if count > MAX_TERMINALS:
        raise SimulatorError(f"端末は {MAX_TERMINALS} 台までです。")
    # The service requires a store name for a new terminal.
    numbered = [Store(f"{prefix}-{number:06d}", f"模擬店舗 {number}番") for number in range(1, count - len(stores) + 1)]
    return (stores + numbered)[:count]


def _read_stores(path: Path) -> list[Store]:
    try:
        rows = json.loads(path.read_text(encoding="utf-8-sig"))
        stores = [Store(str(row["serial_number"]), row.get("store_name")) for row in rows]
    except OSError as error:
        raise SimulatorError(f"{path} を読めません（{error.strerror}）。") from error
    except (ValueError, KeyError, TypeError, AttributeError):
        raise SimulatorError(
            f'{path} は [{{"serial_number": "…", "store_name": "…"}}, …] の形のJSONにしてください。'
        ) from None
    if not stores or len({store.serial_number for store in stores}) != len(stores):
        raise SimulatorError(f"{path} の端末が空か、シリアル番号が重複しています。")
    return stores


async def enrol_missing(
    stores: Sequence[Store], terminals: list[FleetTerminal], file: FleetFile, client: FleetClient, code: str
) -> None:
    """Fill `terminals` in order; those not enrolled yet enrol through the service's enrolment endpoint.

    Raises EnrolmentRefused; terminals that were enrolled before stay saved.
    """
    saved = file.load()
    missing = [store for store in stores if store.serial_number not in saved]
    if missing:
        print(f"{len(missing)} 台を登録しています…", flush=True)
    limit = asyncio.Semaphore(_MAX_CONCURRENT_ENROLMENTS)

    async def enrol(store: Store) -> None:
        async with limit:
            enrolment = await client.enrol(code, store.serial_number, store.store_name)
        file.add(store.serial_number, enrolment.terminal_id, enrolment.token)

    for first in range(0, len(missing), _BATCH):
        file.begin()
        try:
            results = await asyncio.gather(*map(enrol, missing[first : first + _BATCH]), return_exceptions=True)
        finally:
            file.commit()
        for result in results:
            if isinstance(result, BaseException):
                raise result
    enrolled = file.load()
    terminals += [enrolled[store.serial_number] for store in stores]
