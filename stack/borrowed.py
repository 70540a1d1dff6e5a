"""The embedded PostgreSQL for commands that need only the database, whether Genba runs or not."""

from __future__ import annotations

import contextlib
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import psycopg

from stack import servers
from stack.home import Home, server_account
from stack.lock import single_launcher
from stack.supervise import end_leftovers


@contextlib.contextmanager
def running_postgres(home: Home) -> Iterator[None]:
    """Uses the running server, or starts one while the block runs, with roles and database if they are missing.

    Raises:
        RuntimeError: with a message for the user, when no server can be found or started.
    """
    if _is_running(home):
        yield
        return
    with single_launcher(home) as is_only:
        if not is_only:
            raise RuntimeError("Genba is just starting or stopping here; try again in a moment.")
        end_leftovers(home)
        servers.initialise(home)
        account = server_account()
        account_options: dict[str, Any] = (
            {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if account else {}
        )
        # A session of its own: Ctrl-C ends the command, which then stops the server cleanly.
        with (home.logs / "postgres.log").open("ab") as log:
            process = subprocess.Popen(
                servers.postgres_command(home),
                cwd="/",
                stdout=log,
                stderr=log,
                start_new_session=True,
                **account_options,
            )
        try:
            servers.await_postgres(home)
            servers.create_roles(home)
            servers.create_database(home)
            yield
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)


def _is_running(home: Home) -> bool:
    try:
        servers.await_postgres(home, 0)
    except (psycopg.OperationalError, FileNotFoundError):
        return False
    return True
