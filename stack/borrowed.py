"""The embedded PostgreSQL for a command that needs just that, whether or not Genba runs."""

from __future__ import annotations

import contextlib
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import psycopg

from stack import servers
from stack.home import Home, server_account
from stack.lock import only_one
from stack.supervise import end_leftovers


@contextlib.contextmanager
def running_postgres(home: Home) -> Iterator[None]:
    """The one that runs already, or one for as long as the block lasts, with roles and database where there are none.

    Raises:
        RuntimeError: in words, when it can be neither found nor started.
    """
    if _answers(home):
        yield
        return
    with only_one(home) as alone:
        if not alone:
            raise RuntimeError("Genba is just starting or stopping here; try again in a moment.")
        end_leftovers(home)
        servers.initialise(home)
        account = server_account()
        lent: dict[str, Any] = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if account else {}
        # A session of its own: Ctrl-C ends the command, which then stops the server in order.
        with (home.logs / "postgres.log").open("ab") as log:
            process = subprocess.Popen(
                servers.postgres_command(home), cwd="/", stdout=log, stderr=log, start_new_session=True, **lent
            )
        try:
            servers.await_postgres(home)
            servers.create_roles(home)
            servers.create_database(home)
            yield
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)


def _answers(home: Home) -> bool:
    try:
        servers.await_postgres(home, 0)
    except (psycopg.OperationalError, FileNotFoundError):
        return False
    return True
