"""A real streaming replica: a hot standby from pg_basebackup of a running server."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg

from stack import servers
from stack.home import ROOT, Home, server_account
from tests.processes import child_command, make_temporary_folder
from tests.waiting import wait_for


@dataclass
class Replica:
    """`primary`: the home of the primary server, whose roles and passwords the replica has; `source`: the URL of the
    primary."""

    primary: Home
    source: str
    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    def url(self, role: str, database: str = servers.DATABASE) -> str:
        user = servers.ROLES.get(role, "postgres")
        password = quote(self.primary.secrets()[role])
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        command: list[str | Path] = [servers.bin_dir(self.primary) / "postgres", "-D", self.folder / "data"]
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            # Replay cancels conflicting queries at once, so that a test need not wait half a minute.
            "max_standby_streaming_delay": "0",
            "hot_standby_feedback": "off",
            # A standby refuses to start with fewer connections than its primary.
            "max_connections": "200",
            # Small, because a test runs other servers at the same time.
            "shared_buffers": "32MB",
        }
        command += [f"--{name}={value}" for name, value in settings.items()]
        with (self.folder / "replica.log").open("ab") as log:
            self.process = subprocess.Popen(
                child_command(command, "INT", as_server=True), cwd=ROOT, stdout=log, stderr=log
            )
        wait_for(
            lambda: self.query("SELECT true"),
            lambda: (self.folder / "replica.log").read_text()[-2000:],
            60,
            passing=psycopg.OperationalError,
        )

    def end(self, by: signal.Signals = signal.SIGINT) -> None:
        assert self.process is not None
        self.process.send_signal(by)
        self.process.wait(30)

    def query(self, statement: str) -> object:
        """Execute the statement as superuser. Returns the first column of the first row."""
        with psycopg.connect(self.url("superuser", "postgres"), autocommit=True) as connection:
            row = connection.execute(statement).fetchone()
        return row[0] if row else None

    def catch_up(self) -> None:
        with psycopg.connect(self.source, autocommit=True) as connection:
            row = connection.execute("SELECT pg_current_wal_flush_lsn()").fetchone()
        assert row is not None
        caught_up = f"SELECT pg_last_wal_replay_lsn() >= '{row[0]}'"
        wait_for(lambda: self.query(caught_up), "the replica does not catch up")

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Pause replay: changes of the primary arrive when the block ends."""
        self.catch_up()
        self.query("SELECT pg_wal_replay_pause()")
        wait_for(lambda: self.query("SELECT pg_get_wal_replay_pause_state()") == "paused")
        try:
            yield
        finally:
            self.query("SELECT pg_wal_replay_resume()")


@contextmanager
def replica_of(primary: Home, port: int, source: str = "") -> Iterator[Replica]:
    """`source`: the URL of the primary if not its socket."""
    folder = make_temporary_folder("replica")
    replica = Replica(primary, source or servers.url(primary, "superuser", "postgres"), folder, port)
    account = server_account()
    if account:
        shutil.chown(folder, account.pw_uid, account.pw_gid)
    command: list[str | Path] = [servers.bin_dir(primary) / "pg_basebackup", "--dbname", replica.source]
    command += ["--pgdata", folder / "data", "--write-recovery-conf", "--wal-method", "stream"]
    try:
        backup = subprocess.run(
            child_command([*command, "--checkpoint", "fast", "--no-sync"], as_server=True),
            cwd=ROOT,
            capture_output=True,
        )
        assert backup.returncode == 0, backup.stderr.decode()
        replica.start()
        yield replica
    finally:
        if replica.process is not None and replica.process.poll() is None:
            replica.end()
        shutil.rmtree(folder, ignore_errors=True)
