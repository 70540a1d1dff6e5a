"""The contents of a database as figures, to compare two databases."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import sql

Connection = psycopg.Connection[tuple[Any, ...]]

# How values are converted to text: the same on every server and for every role.
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


def table_figures(connection: Connection) -> dict[str, dict[str, Any]]:
    """Each table (partitions, not their parents) with its row count and a checksum of all values that does not depend
    on the order of rows. The role must bypass row-level security."""
    for name, value in AS_TEXT.items():
        connection.execute("SELECT set_config(%s, %s, true)", [name, value])
    figures = {}
    for schema, table in connection.execute(TABLES).fetchall():
        count = sql.SQL(
            "SELECT count(*), coalesce(sum(('x' || left(md5(t::text), 16))::bit(64)::bigint::numeric), 0)::text "
            "FROM ONLY {} t"
        )
        row = connection.execute(count.format(sql.Identifier(schema, table))).fetchone()
        assert row is not None  # An aggregate without GROUP BY has one row.
        figures[f"{schema}.{table}"] = {"rows": row[0], "content": row[1]}
    return figures


def is_empty(connection: Connection) -> bool:
    return not connection.execute(TABLES).fetchall()


def bypasses_row_security(connection: Connection) -> bool:
    """Whether this role bypasses row-level security."""
    row = connection.execute("SELECT rolbypassrls OR rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()
    return bool(row and row[0])


def database_identity(connection: Connection) -> tuple[Any, ...] | None:
    """Equal for two connections to the same database, over any address and as any role."""
    return connection.execute(
        "SELECT oid, datname, pg_postmaster_start_time() FROM pg_database WHERE datname = current_database()"
    ).fetchone()


def differences(expected: dict[str, dict[str, Any]], actual: dict[str, dict[str, Any]]) -> list[str]:
    """As text, table by table; empty when both are the same."""
    lines = []
    for name in sorted(expected.keys() | actual.keys()):
        before, after = expected.get(name), actual.get(name)
        if before == after:
            continue
        if before is None or after is None:
            lines.append(f"{name}: {'is missing' if after is None else 'was not in the backup'}")
        elif before["rows"] != after["rows"]:
            lines.append(f"{name}: {after['rows']} rows instead of {before['rows']}")
        else:
            lines.append(f"{name}: the same number of rows, but other values")
    return lines
