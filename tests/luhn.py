"""Searches logs and committed rows of a test run for card numbers, which must not be there."""

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
from tests.rls_bypass import rls_bypass_url

# Tables that must never contain a card number.
WATCHED_TABLES = (
    *("audit_entries", "outbox_messages", "outbox_attempts", "tasks"),
    *("agencies_requests", "agencies_comments", "agencies_sites", "agencies_drafts", "agencies_corporations"),
)
# A column of bytes in a dump: \x, and in COPY's text \\x.
_BYTES = re.compile(r"\\x((?:[0-9a-f]{2})+)")


def card_numbers(text: str) -> list[str]:
    """The card numbers in the text, each once: as users write them, or inside of bytes that are not encrypted."""
    # Imported here: the product's settings are read once, and conftest sets them first.
    from service.agencies.fields.rules import find_card_numbers

    stored = (bytes.fromhex(match[1]).decode("latin-1") for match in _BYTES.finditer(text))
    return list(dict.fromkeys(number for part in (_BYTES.sub("", text), *stored) for number in find_card_numbers(part)))


@pytest.fixture(autouse=True)
def nothing_of_a_card() -> Iterator[None]:
    """Checks in every test that messages in the outbox and tasks contain no card number."""
    from service.core.outbox.records import OutboxMessage
    from service.core.tasks.records import Task

    numbers: list[str] = []

    def check_new_rows(session: Session, *_: Any) -> None:
        for row in session.new:
            if isinstance(row, OutboxMessage | Task):
                numbers.extend(card_numbers(json.dumps(vars(row), ensure_ascii=False, default=str)))

    event.listen(Session, "before_flush", check_new_rows)
    yield
    event.remove(Session, "before_flush", check_new_rows)
    assert numbers == [], "a card number in a message or a task"


def leaked_card_numbers(home: Home, database_names: Collection[str]) -> dict[str, list[str]]:
    """Card numbers by place: in a log of the home, or in a watched table of one of the named databases that still
    exist."""
    texts = {str(path): path.read_text(errors="replace") for path in home.logs.rglob("*") if path.is_file()}
    with psycopg.connect(rls_bypass_url(servers.url(home, "app", "postgres"))) as connection:
        names = connection.execute(
            "SELECT datname FROM pg_database WHERE datname = ANY(%s)", [list(database_names)]
        ).fetchall()
    for (name,) in names:
        with psycopg.connect(rls_bypass_url(servers.url(home, "app", name)), autocommit=True) as connection:
            for table in WATCHED_TABLES:
                rows = connection.execute(f"SELECT to_jsonb(t)::text FROM {table} t").fetchall()
                texts[f"{name}.{table}"] = "\n".join(row for (row,) in rows)
    by_place = {place: card_numbers(text) for place, text in texts.items()}
    return {place: numbers for place, numbers in by_place.items() if numbers}
