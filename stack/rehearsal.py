"""The restore test (rehearsal): once a week, and with `make drill`, the newest backup is restored into a separate
database, every table and file is compared with the backup, and the database is emptied again."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from stack import attachments, backup, contents, servers
from stack.home import Home
from stack.programs import REHEARSAL, is_embedded

# The only advisory lock in the rehearsal database.
LOCK = 1


class Busy(backup.Refused):
    """Another restore test is running; the backup may be good."""


def rehearse(home: Home, environ: dict[str, str], folder: Path) -> int:
    """Returns how many rows were restored. Raises the errors that `backup.print_errors` prints."""
    owner = environ["DATABASE_REHEARSAL_URL"]
    manifest = backup.verify_backup(folder, environ)
    with backup.running_database(home, environ):
        if is_embedded(environ, home)[0]:
            servers.create_database(home, REHEARSAL)
        _refuse_production_database(owner, environ["DATABASE_OWNER_URL"])
        with _exclusive_lock(owner):
            # The remains of a test that was killed.
            _drop_tables(owner)
            try:
                tables = backup.restore_dump(home, environ, owner, _backup_role_url(owner, environ), folder, manifest)
            finally:
                _drop_tables(owner)
    if manifest["files"]:
        with backup.open_backup_file(folder, backup.FILES, environ) as source:
            attachments.verify(manifest["files"], source)
    return backup.count_rows(tables)


def _backup_role_url(owner: str, environ: dict[str, str]) -> str:
    """The URL of the same database for the role that bypasses row-level security."""
    account = conninfo_to_dict(environ["DATABASE_BACKUP_URL"])
    parameters: dict[str, Any] = {
        **conninfo_to_dict(owner),
        "user": account["user"],
        "password": account.get("password"),
    }
    return make_conninfo(**parameters)


def _refuse_production_database(owner: str, production_owner: str) -> None:
    with psycopg.connect(owner) as connection, psycopg.connect(production_owner) as production_connection:
        if contents.database_identity(connection) == contents.database_identity(production_connection):
            raise backup.Refused(
                "DATABASE_REHEARSAL_URL leads to the database that Genba works with; it needs its own."
            )


@contextlib.contextmanager
def _exclusive_lock(owner: str) -> Iterator[None]:
    """Two restore tests at the same time would empty each other's database."""
    with psycopg.connect(owner, autocommit=True) as connection:
        row = connection.execute("SELECT pg_try_advisory_lock(%s)", [LOCK]).fetchone()
        if row != (True,):
            raise Busy("A backup is being restored into DATABASE_REHEARSAL_URL already; try again later.")
        yield


def _drop_tables(owner: str) -> None:
    with psycopg.connect(owner) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
