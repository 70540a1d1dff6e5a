"""The vendors' state and the log, in one SQLite file: a restart loses nothing.

`messages`: what the vendors have received (mails, posts, SMS). `truth`: the log, each request with what was done and
what was answered; under a fault the two differ. Both tables keep the newest `MAX_ROWS` rows. `things`: objects that can
be read from a vendor later (calls, sessions). `agenda`: steps that a vendor still has to run. `scripts`: scripted
answers.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

MAX_ROWS = 10_000
# One reservation makes about a dozen objects: messages, calls, a session, keys.
MAX_OBJECTS = 60_000
# Longer texts are cut in the log, never in the messages.
MAX_LOGGED_CHARACTERS = 2_000

SCHEMA = """
CREATE TABLE IF NOT EXISTS messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    vendor TEXT NOT NULL,
    at TEXT NOT NULL,
    place INTEGER,          -- the order of appearing; none while it is held back
    identity TEXT NOT NULL, -- what marks a repeat: a Message-ID, an outbox key
    repeat INTEGER NOT NULL,-- how many of the same identity were there before
    content TEXT NOT NULL,
    words TEXT NOT NULL     -- what the search looks through
);
CREATE INDEX IF NOT EXISTS ix_messages_place ON messages (vendor, place);
CREATE INDEX IF NOT EXISTS ix_messages_order ON messages (place);
CREATE INDEX IF NOT EXISTS ix_messages_identity ON messages (vendor, identity);
CREATE TABLE IF NOT EXISTS truth (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,
    vendor TEXT NOT NULL,
    operation TEXT NOT NULL,
    request TEXT NOT NULL,
    faults TEXT NOT NULL,
    did TEXT NOT NULL,
    answer TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS faults (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    vendor TEXT NOT NULL,
    operation TEXT NOT NULL,
    kind TEXT NOT NULL,
    settings TEXT NOT NULL,
    remaining INTEGER,
    seen INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS webhooks (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    vendor TEXT NOT NULL,
    operation TEXT NOT NULL,
    url TEXT NOT NULL,
    body BLOB NOT NULL,
    due REAL NOT NULL,                -- seconds since 1970
    tries INTEGER NOT NULL DEFAULT 0,
    drawn INTEGER NOT NULL DEFAULT 0, -- whether the fault switches were asked
    held INTEGER NOT NULL DEFAULT 0,
    done INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS ix_webhooks_due ON webhooks (vendor, due) WHERE done = 0;
CREATE TABLE IF NOT EXISTS things (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    vendor TEXT NOT NULL,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    tag TEXT NOT NULL,                -- what it is looked for by, beside its id: a phone number, a payment
    content TEXT NOT NULL,
    UNIQUE (vendor, kind, id)
);
CREATE INDEX IF NOT EXISTS ix_things_tag ON things (vendor, kind, tag);
CREATE TABLE IF NOT EXISTS agenda (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    vendor TEXT NOT NULL,
    at REAL NOT NULL,                 -- by the sandbox's clock
    step TEXT NOT NULL,
    thing TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS ix_agenda_at ON agenda (at);
CREATE TABLE IF NOT EXISTS scripts (
    what TEXT NOT NULL,
    phone TEXT NOT NULL,
    next TEXT NOT NULL,
    afterwards TEXT,
    PRIMARY KEY (what, phone)
);
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


@dataclass(frozen=True)
class Message:
    id: int
    vendor: str
    at: str
    held: bool
    identity: str
    repeat: int
    content: dict[str, Any]


@dataclass(frozen=True)
class LogEntry:
    """One line of the log: the request, what was done about it, and what the caller received."""

    id: int
    at: str
    vendor: str
    operation: str
    request: dict[str, Any]
    faults: list[str]
    did: list[str]
    answer: str


def tokyo_timestamp() -> str:
    return f"{datetime.now(ZoneInfo('Asia/Tokyo')):%Y/%m/%d %H:%M:%S}"


class Wakeup:
    """Wakes the loops that wait for the next due time, because new work has come."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def notify(self) -> None:
        self._event.set()
        self._event = asyncio.Event()

    async def wait(self, seconds: float | None) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._event.wait(), None if seconds is None else max(seconds, 0))


class Store:
    def __init__(self, path: Path | str = ":memory:", max_rows: int = MAX_ROWS) -> None:
        self.sql = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self.sql.row_factory = sqlite3.Row
        self.sql.execute("PRAGMA journal_mode = WAL")
        self.sql.execute("PRAGMA synchronous = NORMAL")
        for table in ("truth", "faults", "webhooks"):
            with suppress(sqlite3.OperationalError):  # A file of 1.0.0 has the column's old name; others have not.
                self.sql.execute(f"ALTER TABLE {table} RENAME COLUMN door TO operation")
        self.sql.executescript(SCHEMA)
        self.sql.execute(
            "UPDATE faults SET settings = json_set(json_remove(settings, '$.door'), '$.operation', operation)"
        )
        self._max_rows = max_rows
        self.wakeup = Wakeup()

    def close(self) -> None:
        self.sql.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """A transaction, so that a process killed inside leaves no part of it. Do not await inside."""
        if self.sql.in_transaction:
            yield
            return
        self.sql.execute("BEGIN")
        try:
            yield
        except BaseException:
            self.sql.execute("ROLLBACK")
            raise
        self.sql.execute("COMMIT")

    def setting(self, name: str, default: Any) -> Any:
        row = self.sql.execute("SELECT value FROM settings WHERE name = ?", [name]).fetchone()
        return json.loads(row["value"]) if row else default

    def save_setting(self, name: str, value: Any) -> None:
        self.sql.execute(
            "INSERT INTO settings VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            [name, json.dumps(value, ensure_ascii=False)],
        )

    def add_message(
        self, vendor: str, identity: str, content: Mapping[str, Any], search_text: str, *, hold: bool = False
    ) -> int:
        """Adds a message that the vendor received. `hold`: it stays invisible until `release_held`."""
        row = self.sql.execute(
            """INSERT INTO messages (vendor, at, place, identity, repeat, content, words) VALUES (:vendor, :at,
            CASE WHEN :hold THEN NULL ELSE (SELECT coalesce(max(place), 0) + 1 FROM messages) END, :identity,
            (SELECT count(*) FROM messages WHERE vendor = :vendor AND identity = :identity), :content, :words)
            RETURNING id""",
            {
                "vendor": vendor,
                "at": tokyo_timestamp(),
                "hold": hold,
                "identity": identity,
                "content": json.dumps(content, ensure_ascii=False),
                "words": search_text.casefold(),
            },
        ).fetchone()
        self._trim("messages")
        return int(row["id"])

    def update_message(self, message_id: int, content: Mapping[str, Any], search_text: str) -> None:
        """The message keeps its place in the order."""
        self.sql.execute(
            "UPDATE messages SET content = ?, words = ? WHERE id = ?",
            [json.dumps(content, ensure_ascii=False), search_text.casefold(), message_id],
        )

    def release_held(self, vendor: str) -> int:
        """Makes held messages visible and sends held webhooks, both in reverse order. Returns the number of
        messages."""
        rows = self.sql.execute("SELECT id FROM messages WHERE vendor = ? AND place IS NULL ORDER BY id DESC", [vendor])
        message_ids = [row["id"] for row in rows]
        for message_id in message_ids:
            self.sql.execute(
                "UPDATE messages SET place = (SELECT coalesce(max(place), 0) + 1 FROM messages) WHERE id = ?",
                [message_id],
            )
        # Webhooks go out in the order in which they are due.
        self.sql.execute(
            "UPDATE webhooks SET held = 0, due = 1.0 / id WHERE vendor = ? AND held = 1 AND done = 0", [vendor]
        )
        self.wakeup.notify()
        return len(message_ids)

    def newest_messages(
        self, vendor: str | None = None, q: str = "", limit: int = 200, offset: int = 0
    ) -> list[Message]:
        """Visible messages, newest first."""
        rows = self.sql.execute(
            """SELECT * FROM messages WHERE place IS NOT NULL AND (:vendor IS NULL OR vendor = :vendor)
            AND instr(words, :q) > 0 ORDER BY place DESC LIMIT :limit OFFSET :offset""",
            {"vendor": vendor, "q": q.casefold(), "limit": limit, "offset": offset},
        )
        return [_message(row) for row in rows]

    def messages_with_field(self, vendor: str, field: str, value: str) -> list[Message]:
        """Visible messages with that value in their content, oldest first."""
        rows = self.sql.execute(
            """SELECT * FROM messages WHERE vendor = ? AND place IS NOT NULL
            AND json_extract(content, '$.' || ?) = ? ORDER BY place""",
            [vendor, field, value],
        )
        return [_message(row) for row in rows]

    def get_message(self, message_id: int) -> Message | None:
        row = self.sql.execute("SELECT * FROM messages WHERE id = ? AND place IS NOT NULL", [message_id]).fetchone()
        return _message(row) if row else None

    def count_messages(self, vendor: str | None = None, *, held: bool = False) -> int:
        row = self.sql.execute(
            """SELECT count(*) FROM messages WHERE (:vendor IS NULL OR vendor = :vendor)
            AND (place IS NULL) = :held""",
            {"vendor": vendor, "held": held},
        ).fetchone()
        return int(row[0])

    def add_log_entry(
        self,
        vendor: str,
        operation: str,
        request: Mapping[str, Any],
        faults: list[str],
        actions: list[str],
        answer: str,
    ) -> None:
        logged_request = {
            name: value[:MAX_LOGGED_CHARACTERS] if isinstance(value, str) else value for name, value in request.items()
        }
        self.sql.execute(
            "INSERT INTO truth (at, vendor, operation, request, faults, did, answer) VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                tokyo_timestamp(),
                vendor,
                operation,
                json.dumps(logged_request, ensure_ascii=False),
                json.dumps(faults, ensure_ascii=False),
                json.dumps(actions, ensure_ascii=False),
                answer,
            ],
        )
        self._trim("truth")

    def log_entries(self, vendor: str | None = None, q: str = "", limit: int = 200) -> list[LogEntry]:
        """The log, newest first."""
        rows = self.sql.execute(
            """SELECT * FROM truth WHERE (:vendor IS NULL OR vendor = :vendor)
            AND instr(lower(operation || request || did || answer), lower(:q)) > 0 ORDER BY id DESC LIMIT :limit""",
            {"vendor": vendor, "q": q, "limit": limit},
        )
        return [
            LogEntry(
                id=row["id"],
                at=row["at"],
                vendor=row["vendor"],
                operation=row["operation"],
                request=json.loads(row["request"]),
                faults=json.loads(row["faults"]),
                did=json.loads(row["did"]),
                answer=row["answer"],
            )
            for row in rows
        ]

    def clear(self) -> None:
        """Deletes the messages, the log, webhooks, objects, the agenda and scripts. Fault switches, the clock and
        settings stay."""
        with self.transaction():
            for table in ("messages", "truth", "webhooks", "things", "agenda", "scripts"):
                self.sql.execute(f"DELETE FROM {table}")

    def trim_webhooks(self) -> None:
        self._trim("webhooks")

    def _trim(self, table: str) -> None:
        self.sql.execute(f"DELETE FROM {table} WHERE id <= (SELECT max(id) FROM {table}) - ?", [self._max_rows])


def _message(row: sqlite3.Row) -> Message:
    return Message(
        id=row["id"],
        vendor=row["vendor"],
        at=row["at"],
        held=row["place"] is None,
        identity=row["identity"],
        repeat=row["repeat"],
        content=json.loads(row["content"]),
    )
