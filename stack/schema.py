"""The schema of a database in words, compared with the one that this release's baseline makes.

The baseline is made once more in a schema of its own, in a transaction that is rolled back. So both are described by
the same server, whatever its version, and no list of what the baseline makes has to be kept.
"""

from __future__ import annotations

import contextlib
from typing import Any

import psycopg
from psycopg import sql

from service.migrations import baseline
from stack import servers
from stack.home import ROOT

Connection = psycopg.Connection[tuple[Any, ...]]
Description = dict[str, str]

PUBLIC, REHEARSED = "public", "genba_baseline"
DESCRIBE = (ROOT / "stack" / "schema.sql").read_text()
# As alembic makes it.
ALEMBIC_TABLE = (
    "CREATE TABLE alembic_version (version_num varchar(32) NOT NULL, "
    "CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
)
# Longer definitions, of functions, are not printed.
PRINTED_LENGTH = 300


def differences_from_baseline(connection: Connection) -> list[str]:
    """As text, one object a line; empty when the schema is the one that the baseline makes. Changes nothing: the
    owner's connection is in a transaction, and what is made in it is rolled back."""
    actual = describe(connection, PUBLIC)
    with connection.transaction(force_rollback=True):
        connection.execute("SET LOCAL lock_timeout = '5s'")
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(REHEARSED)))
        _search_only(connection, REHEARSED)
        connection.execute(ALEMBIC_TABLE)
        for area in baseline.FILES:
            for text in baseline.read_sql(area):
                connection.execute(text.replace("search_path = public", f"search_path = {REHEARSED}").encode())
        expected = describe(connection, REHEARSED)
        if differences(expected, actual):
            _restore_definitions(connection, expected, actual)
            expected = describe(connection, REHEARSED)
    return differences(expected, actual)


def describe(connection: Connection, schema: str) -> Description:
    """Each object of the schema with its definition, neither of which names the schema."""
    _search_only(connection, schema)
    rows = connection.execute(DESCRIBE, {"schema": schema, "roles": list(servers.ROLES.values())}).fetchall()
    return {f"{kind} {name}": _without(schema, definition) for kind, name, definition in rows}


def differences(expected: Description, actual: Description) -> list[str]:
    lines = []
    for name in sorted(expected.keys() | actual.keys()):
        before, after = expected.get(name), actual.get(name)
        if before == after:
            continue
        if after is None:
            lines.append(f"{name}: is missing")
        elif before is None:
            lines.append(f"{name}: does not belong there")
        elif len(before + after) > PRINTED_LENGTH:
            lines.append(f"{name}: is not the same")
        else:
            lines.append(f"{name}: {after}, instead of: {before}")
    return lines


def _restore_definitions(connection: Connection, expected: Description, actual: Description) -> None:
    """Makes constraints and indexes that differ again from their own definitions, as a backup does that is restored:
    PostgreSQL then writes `status IN ('a', 'b')` with other casts, and `a AND b AND c` with other parentheses."""
    for key in [key for key in expected if actual.get(key, expected[key]) != expected[key]]:
        kind, name = key.split(" ", 1)
        names = [sql.Identifier(part) for part in name.split(".")]
        if kind == "index":
            change = sql.SQL("DROP INDEX {0}; {1}")
        elif kind == "constraint":
            change = sql.SQL("ALTER TABLE {0} DROP CONSTRAINT {1}, ADD CONSTRAINT {1} {2}")
        else:
            continue
        # What others depend on, as foreign keys on a primary key, stays as it was made: it is written in one way only.
        with contextlib.suppress(psycopg.Error), connection.transaction():
            connection.execute(change.format(*names, sql.SQL(expected[key])))


def _search_only(connection: Connection, schema: str) -> None:
    connection.execute("SELECT set_config('search_path', %s, true)", [schema])


def _without(schema: str, definition: str) -> str:
    """PostgreSQL names the schema in some definitions all the same, and functions set their search path to it."""
    return definition.replace(f"'{schema}'", f"'{PUBLIC}'").replace(f"{schema}.", "")
