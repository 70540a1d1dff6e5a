"""What a database holds, as figures that two databases can be compared by."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import sql

Connection = psycopg.Connection[tuple[Any, ...]]

# How values are written as text: the same wherever and whoever reads them.
AS_TEXT = {
    "timezone": "UTC",
    "datestyle": "ISO, YMD",
    "intervalstyle": "postgres",
    "bytea_output": "hex",
    "extra_float_digits": "1",
}
TABLES = """
SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' ORDER BY 1, 2
"""
ROLES = "SELECT rolname FROM pg_roles WHERE rolname = ANY (%s)"
REVISION = "SELECT version_num FROM public.alembic_version"


def tables(connection: Connection) -> dict[str, dict[str, Any]]:
    """Each table (a partition is one, its parent is none) with the number of its rows and a figure that changes with
    any value in any of them, but not with their order. The role must bypass row-level security."""
    for name, value in AS_TEXT.items():
        connection.execute("SELECT set_config(%s, %s, true)", [name, value])
    found = {}
    for schema, table in connection.execute(TABLES).fetchall():
        count = sql.SQL(
            "SELECT count(*), coalesce(sum(('x' || left(md5(t::text), 16))::bit(64)::bigint::numeric), 0)::text "
            "FROM ONLY {} t"
        )
        row = connection.execute(count.format(sql.Identifier(schema, table))).fetchone()
        assert row is not None  # an aggregate without GROUP BY
        found[f"{schema}.{table}"] = {"rows": row[0], "content": row[1]}
    return found


def is_empty(connection: Connection) -> bool:
    return not connection.execute(TABLES).fetchall()


def sees_everything(connection: Connection) -> bool:
    """Whether row-level security hides nothing from this role."""
    row = connection.execute("SELECT rolbypassrls OR rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()
    return bool(row and row[0])


def identity(connection: Connection) -> tuple[Any, ...] | None:
    """The same for two connections to the same database, by whatever way and as whatever role."""
    return connection.execute(
        "SELECT oid, datname, pg_postmaster_start_time() FROM pg_database WHERE datname = current_database()"
    ).fetchone()


def differences(wanted: dict[str, dict[str, Any]], found: dict[str, dict[str, Any]]) -> list[str]:
    """In words, table by table; empty when both are the same."""
    words = []
    for name in sorted(wanted.keys() | found.keys()):
        before, after = wanted.get(name), found.get(name)
        if before == after:
            continue
        if before is None or after is None:
            words.append(f"{name}: {'is missing' if after is None else 'was not in the backup'}")
        elif before["rows"] != after["rows"]:
            words.append(f"{name}: {after['rows']} rows instead of {before['rows']}")
        else:
            words.append(f"{name}: the same number of rows, but other values")
    return words
