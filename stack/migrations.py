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

from stack import contents
from stack.home import ROOT
from stack.secrets import with_secrets


def release_revisions() -> list[str]:
    """Every revision of this release, the newest first."""
    return [script.revision for script in ScriptDirectory(str(ROOT / "service" / "migrations")).walk_revisions()]


def migrate(environ: Mapping[str, str]) -> str:
    """Migrates to this release. Returns a message, or "". The schema of a newer release stays as it is, and works with
    this release (docs/upgrades.md).

    Raises:
        RuntimeError: the output of a failed migration.
    """
    current, known_revisions = _revision(environ.get("DATABASE_OWNER_URL", "")), release_revisions()
    if current is not None and current not in known_revisions:
        return f"the database is a newer release's ({current}); it is left as it is"
    if current == known_revisions[0]:
        return ""  # Saves two seconds of CPU time that alembic needs to find that out.
    command = [sys.executable, "-m", "alembic", "upgrade", "head"]
    result = subprocess.run(command, cwd=ROOT, env=dict(environ), capture_output=True, text=True)
    if result.returncode:
        raise RuntimeError(f"The migrations failed:\n{result.stdout}{result.stderr}")
    return ""


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
