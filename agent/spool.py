"""Heartbeats that the service has not acknowledged yet, in one SQLite file that survives a power cut.

Commits are WAL with synchronous=FULL: a shop PC may be switched off at the wall. After a lost commit the spool would
give the same sequence to another reading, which the service would treat as a repeat and not store. One sync per
heartbeat costs nothing at one heartbeat in five minutes.

The file is also the lock that excludes a second agent (locking_mode=EXCLUSIVE; released when the process ends, also by
kill -9).
"""

import json
import sqlite3
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import RLock
from typing import Any

FILE_NAME = "spool.db"
MAX_REJECTED = 100
_LOCK_WAIT_SECONDS = 1.0

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS stream (stream_id TEXT NOT NULL, last_sequence INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS heartbeat (sequence INTEGER PRIMARY KEY, body TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS rejected (sequence INTEGER PRIMARY KEY, body TEXT NOT NULL, reason TEXT NOT NULL,"
    " rejected_at TEXT NOT NULL)",
)


class SpoolError(Exception):
    """The spool cannot be used; the message is Japanese and says what to do."""


class SpoolBusy(SpoolError):
    """Another agent has locked the spool."""


@dataclass(frozen=True)
class SpooledHeartbeat:
    """One spooled heartbeat as it is sent, with stream and sequence."""

    sequence: int
    body: Mapping[str, Any]


class Spool:
    """The open spool of one store PC. Safe for several threads."""

    def __init__(self, path: Path, limit: int) -> None:
        """Open or create the file; `limit` is the most heartbeats that are stored. Raises SpoolError.

        A file that SQLite cannot read is renamed, and a new spool (a new stream) is created: an agent that never
        reports again is worse than the loss of heartbeats that cannot be read anyway.
        """
        self.path = path
        self.set_aside: Path | None = None
        self._limit = limit
        self._lock = RLock()
        try:
            if not self._open():
                self.close()
                self.set_aside = set_aside(path)
                self._open()
        except (sqlite3.Error, OSError) as error:
            self.close()
            if getattr(error, "sqlite_errorcode", None) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise SpoolBusy("別のエージェントが動作中です。先に停止してから、もう一度実行してください。") from error
            raise SpoolError(f"{path} を開けません（{error}）。空き容量と権限を確認してください。") from error

    def _open(self) -> bool:
        """Returns False when the file is damaged. Raises sqlite3.OperationalError when it is busy, read-only, the disk
        is full…"""
        self._db = sqlite3.connect(self.path, timeout=_LOCK_WAIT_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            if self._db.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
                return False
            with self._transaction():
                self.stream_id = self._load_stream()
        except sqlite3.OperationalError:
            raise
        except (sqlite3.DatabaseError, ValueError):
            return False
        return True

    def _load_stream(self) -> str:
        for statement in _SCHEMA:
            self._db.execute(statement)
        row = self._db.execute("SELECT stream_id FROM stream").fetchone()
        if row is None:
            row = (str(uuid.uuid4()),)
            self._db.execute("INSERT INTO stream VALUES (?, 0)", row)
        return str(uuid.UUID(row[0]))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def put(self, body: Mapping[str, Any]) -> tuple[int, int]:
        """Store one heartbeat durably. Returns its sequence, and how many of the oldest were deleted for it.

        Raises sqlite3.Error; then nothing is stored and no sequence is used.
        """
        with self._transaction():
            (sequence,) = self._db.execute(
                "UPDATE stream SET last_sequence = last_sequence + 1 RETURNING last_sequence"
            ).fetchone()
            self._db.execute("INSERT INTO heartbeat VALUES (?, ?)", (sequence, json.dumps(body, ensure_ascii=False)))
            dropped = self._db.execute(
                "DELETE FROM heartbeat WHERE sequence NOT IN"
                " (SELECT sequence FROM heartbeat ORDER BY sequence DESC LIMIT ?)",
                (self._limit,),
            ).rowcount
        return sequence, dropped

    def oldest(self) -> SpooledHeartbeat | None:
        """The heartbeat to send next. Raises sqlite3.Error."""
        with self._lock:
            row = self._db.execute("SELECT sequence, body FROM heartbeat ORDER BY sequence LIMIT 1").fetchone()
        if row is None:
            return None
        return SpooledHeartbeat(row[0], {**json.loads(row[1]), "stream_id": self.stream_id, "sequence": row[0]})

    def acknowledged(self, sequence: int) -> None:
        """Delete a heartbeat that the service has stored. Raises sqlite3.Error."""
        with self._lock:
            self._db.execute("DELETE FROM heartbeat WHERE sequence = ?", (sequence,))

    def reject(self, sequence: int, reason: str) -> None:
        """Move a heartbeat that the service will never accept to the rejected ones, of which the newest 100 are stored.
        Raises sqlite3.Error."""
        with self._transaction():
            self._db.execute(
                "INSERT OR REPLACE INTO rejected SELECT sequence, body, ?, ? FROM heartbeat WHERE sequence = ?",
                (reason, datetime.now(UTC).isoformat(), sequence),
            )
            self._db.execute("DELETE FROM heartbeat WHERE sequence = ?", (sequence,))
            self._db.execute(
                "DELETE FROM rejected WHERE sequence NOT IN"
                " (SELECT sequence FROM rejected ORDER BY sequence DESC LIMIT ?)",
                (MAX_REJECTED,),
            )

    def rejected(self) -> list[tuple[int, str]]:
        """Sequence and reason of the rejected heartbeats, oldest first. Raises sqlite3.Error."""
        with self._lock:
            return self._db.execute("SELECT sequence, reason FROM rejected ORDER BY sequence").fetchall()

    def count(self) -> int:
        """The number of spooled heartbeats. Raises sqlite3.Error."""
        with self._lock:
            return int(self._db.execute("SELECT count(*) FROM heartbeat").fetchone()[0])

    def close(self) -> None:
        """Close the file and release its lock."""
        with suppress(AttributeError, sqlite3.Error):
            self._db.close()


def set_aside(path: Path) -> Path:
    """Rename a spool (and its WAL), so that a new one can be created. Returns the new path. Raises OSError."""
    new_path = path.with_name(f"{path.name}.{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}")
    for suffix in ("", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(new_path.with_name(new_path.name + suffix))
    return new_path
