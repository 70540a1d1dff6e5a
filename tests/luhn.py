"""Looks for card numbers where none may be: in what a test run left behind of logs and database dumps."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from typing import Any

import psycopg
import pytest
from sqlalchemy import event
from sqlalchemy.orm import Session

from stack import servers
from stack.home import Home
from tests.rls_bypass import seeing_all

# Where none may be, ever.
WATCHED = (
    *("audit_entries", "outbox_messages", "outbox_attempts", "tasks"),
    *("agencies_requests", "agencies_comments", "agencies_sites", "agencies_drafts", "agencies_corporations"),
)
# A column of bytes in a dump: \x, and in COPY's text \\x.
_BYTES = re.compile(r"\\x((?:[0-9a-f]{2})+)")


def card_numbers(text: str) -> list[str]:
    """Each number once: written out as people write it, or inside of bytes that are not sealed."""
    # Not above: the product's settings are read once, and conftest decides them first.
    from service.agencies.fields.rules import find_card_numbers

    stored = (bytes.fromhex(found[1]).decode("latin-1") for found in _BYTES.finditer(text))
    return list(dict.fromkeys(number for part in (_BYTES.sub("", text), *stored) for number in find_card_numbers(part)))


@pytest.fixture(autouse=True)
def nothing_of_a_card() -> Iterator[None]:
    """Watches every test: what it writes into the trail, into messages that leave and into tasks."""
    from service.core.outbox.records import OutboxMessage
    from service.core.tasks.records import Task

    found: list[str] = []

    def look(session: Session, *_: Any) -> None:
        for row in session.new:
            if isinstance(row, OutboxMessage | Task):
                found.extend(card_numbers(json.dumps(vars(row), ensure_ascii=False, default=str)))

    event.listen(Session, "before_flush", look)
    yield
    event.remove(Session, "before_flush", look)
    assert found == [], "a card number in a message or a task"


def left_behind(home: Home, made: Collection[str]) -> dict[str, list[str]]:
    """Card numbers in any log of the home, and in whatever tests committed to one of the databases that were made and
    are still there: by where it lies."""
    texts = {str(path): path.read_text(errors="replace") for path in home.logs.rglob("*") if path.is_file()}
    with psycopg.connect(seeing_all(servers.url(home, "app", "postgres"))) as connection:
        names = connection.execute("SELECT datname FROM pg_database WHERE datname = ANY(%s)", [list(made)]).fetchall()
    for (name,) in names:
        with psycopg.connect(seeing_all(servers.url(home, "app", name)), autocommit=True) as connection:
            for table in WATCHED:
                rows = connection.execute(f"SELECT to_jsonb(t)::text FROM {table} t").fetchall()
                texts[f"{name}.{table}"] = "\n".join(row for (row,) in rows)
    found = {place: card_numbers(text) for place, text in texts.items()}
    return {place: numbers for place, numbers in found.items() if numbers}
