"""The migrations for `make up`, `make restart` and containers; a release can also run on the schema of a newer one.

python -m stack.migrations
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping

import psycopg
from alembic.script import ScriptDirectory

from service.migrations import baseline
from stack import contents, schema
from stack.home import ROOT
from stack.secrets import with_secrets


def release_revisions() -> list[str]:
    """Every revision of this release, the newest first."""
    return [script.revision for script in ScriptDirectory(str(ROOT / "service" / "migrations")).walk_revisions()]


def is_too_old(revision: str) -> bool:
    """Whether this release has no way from this revision: it is one of those that led to 1.0.0. All begin with their
    number."""
    return revision < baseline.RELEASE_REVISION


def migrate(environ: Mapping[str, str]) -> str:
    """Migrates to this release. Returns a message, or "". The schema of a newer release stays as it is, and works with
    this release (docs/upgrades.md).

    Raises:
        RuntimeError: the output of a failed migration, or why there is no way from this database to this release.
    """
    url, message, known_revisions = environ.get("DATABASE_OWNER_URL", ""), "", release_revisions()
    current = _revision(url)
    if current is not None and is_too_old(current):
        raise RuntimeError(
            f"The database is at migration {current}, from before {baseline.RELEASE}, and this release does not know "
            f"it. Put release {baseline.RELEASE} in place first, which migrates it; then this one."
        )
    if current == baseline.RELEASE_REVISION:
        _recognise(url)
        current = baseline.REVISION
        message = f"the database is {baseline.RELEASE}'s: its schema was compared, and nothing in it was changed"
    if current is not None and current not in known_revisions:
        return f"the database is a newer release's ({current}); it is left as it is"
    if current == known_revisions[0]:
        return message  # Saves two seconds of CPU time that alembic needs to find that out.
    command = [sys.executable, "-m", "alembic", "upgrade", "head"]
    result = subprocess.run(command, cwd=ROOT, env=dict(environ), capture_output=True, text=True)
    if result.returncode:
        raise RuntimeError(f"The migrations failed:\n{result.stdout}{result.stderr}")
    return message


def _recognise(url: str) -> None:
    """Writes the baseline's revision into a database of 1.0.0 whose schema is the baseline's."""
    with psycopg.connect(url) as connection:
        differences = schema.differences_from_baseline(connection)
        if differences:
            raise RuntimeError(
                f"The database calls itself {baseline.RELEASE}'s, but its schema is another one; nothing was changed "
                "(docs/upgrades.md, From 1.0.0):\n  " + "\n  ".join(differences)
            )
        connection.execute(
            "UPDATE public.alembic_version SET version_num = %s WHERE version_num = %s",
            [baseline.REVISION, baseline.RELEASE_REVISION],
        )


def _revision(url: str) -> str | None:
    if not url:
        return None
    with psycopg.connect(url) as connection:
        if connection.execute("SELECT to_regclass('public.alembic_version')").fetchone() == (None,):
            return None
        row = connection.execute(contents.REVISION).fetchone()
        return str(row[0]) if row else None


def main() -> int:
    try:
        message = migrate(with_secrets(os.environ))
    except (RuntimeError, ValueError, psycopg.Error) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Genba: {message}" if message else "Genba: the database is up to date")
    return 0


if __name__ == "__main__":
    sys.exit(main())
