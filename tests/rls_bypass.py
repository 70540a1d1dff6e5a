"""Connections for tests that read rows directly: row-level security shows them every area, as it does to jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import psycopg

from service.core.database.session import SYSTEM, Scopes

_SET_SCOPES = "SELECT set_config('genba.areas', %s, true), set_config('genba.tenants', %s, true)"
_OPTIONS = " ".join(f"-c {name}={value}" for name, value in SYSTEM.as_settings().items())


def rls_bypass_url(url: str) -> str:
    """The PostgreSQL URL, for libpq or SQLAlchemy, with options so that row-level security hides no rows."""
    return f"{url}{'&' if '?' in url else '?'}options={quote(_OPTIONS, safe='')}"


@contextmanager
def open_connection(url: str) -> Iterator[psycopg.Connection]:
    """A connection that sees all rows, in autocommit mode."""
    with psycopg.connect(rls_bypass_url(url), autocommit=True) as connection:
        yield connection


def fetch_rows(url: str, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
    """The rows of a statement, on a new connection."""
    with open_connection(url) as connection:
        cursor = connection.execute(statement, list(parameters))
        return cursor.fetchall() if cursor.description else []


def scope_setter(raw: psycopg.Connection) -> Callable[[Scopes], None]:
    """Returns set_scopes(scopes), which sets the row-level security scopes for the next statements of this connection.
    They are sent lazily, before the first statement that needs them: most of the hundred thousand transactions of a run
    set their scopes themselves."""
    requested: Scopes | None = None
    current: Scopes | None = None
    unsent_by_savepoint: dict[str, Scopes | None] = {}

    def set_scopes(scopes: Scopes) -> None:
        nonlocal requested
        requested = scopes

    def apply_scopes(query: Any) -> None:
        nonlocal requested, current
        verb, _, rest = query.partition(" ") if isinstance(query, str) else ("", "", "")
        if verb == "SAVEPOINT":
            unsent_by_savepoint[rest] = requested if requested != current else None
        elif verb == "ROLLBACK":  # to a savepoint: settings that were made since then are lost
            requested, current = unsent_by_savepoint.get(rest.rpartition(" ")[2]), None
        elif rest.startswith("set_config('genba."):
            requested = current = None
        elif verb != "RELEASE" and requested is not None and requested != current:
            psycopg.Cursor(raw).execute(_SET_SCOPES, list(requested.as_settings().values()))
            current = requested

    class ScopedCursor(psycopg.Cursor[Any]):
        def execute(self, query: Any, *parameters: Any, **options: Any) -> Any:
            apply_scopes(query)
            return super().execute(query, *parameters, **options)

        def executemany(self, query: Any, *parameters: Any, **options: Any) -> None:
            apply_scopes(query)
            super().executemany(query, *parameters, **options)

    raw.cursor_factory = ScopedCursor
    return set_scopes
