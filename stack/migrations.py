"""The migrations as `make up`, `make restart` and a container run them: also by a release that comes after a newer one.

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


def known() -> list[str]:
    """Every revision that this release knows, the newest first."""
    return [script.revision for script in ScriptDirectory(str(ROOT / "service" / "migrations")).walk_revisions()]


def migrate(environ: Mapping[str, str]) -> str:
    """What is to be known about it, in words, or nothing. A schema that a newer release has made suits this one, too
    (docs/upgrades.md).

    Raises:
        RuntimeError: what the migrations said.
    """
    at, ours = _revision(environ.get("DATABASE_OWNER_URL", "")), known()
    if at is not None and at not in ours:
        return f"the database is a newer release's ({at}); it is left as it is"
    if at == ours[0]:
        return ""  # alembic would need two seconds of a core to say so
    command = [sys.executable, "-m", "alembic", "upgrade", "head"]
    done = subprocess.run(command, cwd=ROOT, env=dict(environ), capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"The migrations failed:\n{done.stdout}{done.stderr}")
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
        told = migrate(with_secrets(os.environ))
    except (RuntimeError, ValueError, psycopg.Error) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Genba: {told}" if told else "Genba: the database is up to date")
    return 0


if __name__ == "__main__":
    sys.exit(main())
