"""A backup that was never restored is a hope. Once a week, and whenever somebody asks (`make drill`), the newest one is
restored into a database of its own, every table and file is compared with what was backed up, and the database is
emptied again."""

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

# Of the advisory locks in the database for rehearsals, the only one.
LOCK = 1


class Busy(backup.Refused):
    """Another one is under way, which says nothing of the backup."""


def rehearse(place: Home, environ: dict[str, str], folder: Path) -> int:
    """How many rows came back as they were. Raises what `backup.in_words` prints."""
    owner = environ["DATABASE_REHEARSAL_URL"]
    manifest = backup.checked(folder, environ)
    with backup.database(place, environ):
        if is_embedded(environ, place)[0]:
            servers.create_database(place, REHEARSAL)
        _refuse_the_real_one(owner, environ["DATABASE_OWNER_URL"])
        with _alone(owner):
            # What one that was killed has left.
            _empty(owner)
            try:
                found = backup.fill(place, environ, owner, _read_by_backup(owner, environ), folder, manifest)
            finally:
                _empty(owner)
    if manifest["files"]:
        with backup.opened(folder, backup.FILES, environ) as source:
            attachments.verify(manifest["files"], source)
    return backup.rows(found)


def _read_by_backup(owner: str, environ: dict[str, str]) -> str:
    """The same database, as the role that bypasses row-level security."""
    account = conninfo_to_dict(environ["DATABASE_BACKUP_URL"])
    known: dict[str, Any] = {**conninfo_to_dict(owner), "user": account["user"], "password": account.get("password")}
    return make_conninfo(**known)


def _refuse_the_real_one(owner: str, real: str) -> None:
    with psycopg.connect(owner) as connection, psycopg.connect(real) as other:
        if contents.identity(connection) == contents.identity(other):
            raise backup.Refused(
                "DATABASE_REHEARSAL_URL leads to the database that Genba works with; it needs its own."
            )


@contextlib.contextmanager
def _alone(owner: str) -> Iterator[None]:
    """A drill by hand and the weekly one would empty the database under one another."""
    with psycopg.connect(owner, autocommit=True) as connection:
        row = connection.execute("SELECT pg_try_advisory_lock(%s)", [LOCK]).fetchone()
        if row != (True,):
            raise Busy("A backup is being restored into DATABASE_REHEARSAL_URL already; try again later.")
        yield


def _empty(owner: str) -> None:
    with psycopg.connect(owner) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
