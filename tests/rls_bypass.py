"""Connections of tests that look at rows behind the doors: they see every area, as the product's jobs do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import psycopg

from service.core.database.session import SYSTEM, Scopes

_SEE = "SELECT set_config('genba.areas', %s, true), set_config('genba.tenants', %s, true)"
_OPTIONS = " ".join(f"-c {name}={value}" for name, value in SYSTEM.as_settings().items())


def seeing_all(url: str) -> str:
    """A URL of PostgreSQL, libpq's or SQLAlchemy's, whose connections row-level security hides nothing from."""
    return f"{url}{'&' if '?' in url else '?'}options={quote(_OPTIONS, safe='')}"


@contextmanager
def connected(url: str) -> Iterator[psycopg.Connection]:
    """Each statement is a transaction of its own."""
    with psycopg.connect(seeing_all(url), autocommit=True) as connection:
        yield connection


def rows(url: str, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
    """What a statement finds, by a connection of its own."""
    with connected(url) as connection:
        cursor = connection.execute(statement, list(parameters))
        return cursor.fetchall() if cursor.description else []


def scopes_of(raw: psycopg.Connection) -> Callable[[Scopes], None]:
    """see(scopes) says what the statements of this connection see from now on. They are told only when one comes that
    has need of it: most of the hundred thousand transactions of a run say themselves what they see."""
    wanted: Scopes | None = None
    seen: Scopes | None = None
    unsaid: dict[str, Scopes | None] = {}

    def see(scopes: Scopes) -> None:
        nonlocal wanted
        wanted = scopes

    def before(query: Any) -> None:
        nonlocal wanted, seen
        verb, _, rest = query.partition(" ") if isinstance(query, str) else ("", "", "")
        if verb == "SAVEPOINT":
            unsaid[rest] = wanted if wanted != seen else None
        elif verb == "ROLLBACK":  # to a savepoint: what was said since then is forgotten
            wanted, seen = unsaid.get(rest.rpartition(" ")[2]), None
        elif rest.startswith("set_config('genba."):
            wanted = seen = None
        elif verb != "RELEASE" and wanted is not None and wanted != seen:
            psycopg.Cursor(raw).execute(_SEE, list(wanted.as_settings().values()))
            seen = wanted

    class Seeing(psycopg.Cursor[Any]):
        def execute(self, query: Any, *given: Any, **options: Any) -> Any:
            before(query)
            return super().execute(query, *given, **options)

        def executemany(self, query: Any, *given: Any, **options: Any) -> None:
            before(query)
            super().executemany(query, *given, **options)

    raw.cursor_factory = Seeing
    return see
