"""Point-in-time recovery with the commands of docs/recovery.md, on a PostgreSQL of its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from datetime import datetime
from pathlib import Path

import psycopg
import pytest

from stack import contents, servers
from stack.home import ROOT, Home, server_account
from tests.load.environment import migrate, running_servers
from tests.processes import child_command
from tests.stack import temporary_folder
from tests.waiting import wait_for

pytestmark = pytest.mark.production

DOCUMENT = (ROOT / "docs" / "recovery.md").read_text()


def settings(number: int, **changes: str) -> list[str]:
    """One of the document's postgresql.conf blocks, with other folders and times."""
    block: str = re.findall(r"```ini\n(.*?)```", DOCUMENT, re.DOTALL)[number]
    for documented, replacement in changes.items():
        assert documented in block
        block = block.replace(documented, replacement)
    return block.splitlines()


def run_as_server(command: list[str]) -> None:
    result = subprocess.run(child_command(command, as_server=True), cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def make_server_folder(folder: Path) -> Path:
    folder.mkdir(mode=0o700)
    if account := server_account():
        os.chown(folder, account.pw_uid, account.pw_gid)
    return folder


def figures(home: Home) -> dict[str, dict[str, object]]:
    with psycopg.connect(servers.url(home, "backup")) as reader:
        return contents.table_figures(reader)


def test_the_database_goes_back_to_the_time_before_a_loss() -> None:
    with temporary_folder() as folder:
        home = Home(folder / "home")
        home.prepare()
        servers.initialise(home)
        wal, base = make_server_folder(folder / "wal"), folder / "base"
        conf = home.postgres / "postgresql.conf"
        conf.write_text("\n".join([conf.read_text(), *settings(0, **{"/mnt/wal": str(wal)})]) + "\n")

        with running_servers(home):
            servers.create_roles(home)
            servers.create_database(home)
            migrate(os.environ | {"DATABASE_OWNER_URL": servers.url(home, "owner")})
            documented = re.search(r"^pg_basebackup (.*)$", DOCUMENT, re.MULTILINE)
            assert documented is not None
            options = documented[1].replace("/mnt/base/$(date +%Y%m%d)", str(make_server_folder(base))).split()
            url = servers.url(home, "superuser", "postgres")
            run_as_server([str(servers.bin_dir(home) / "pg_basebackup"), f"--dbname={url}", *options])
            with psycopg.connect(servers.url(home, "superuser"), autocommit=True) as connection:
                # After the base backup: only the WAL has these rows.
                connection.execute(
                    "INSERT INTO fleet_customers (company_name, contact_person, contact_email, contact_phone) "
                    "SELECT '顧客' || n, '担当', 'a@example.com', '03' FROM generate_series(1, 1000) n"
                )
                figures_before = figures(home)
                [[recovery_time]] = connection.execute("SELECT clock_timestamp()").fetchall()
                assert isinstance(recovery_time, datetime)
                connection.execute("DELETE FROM fleet_customers")
                connection.execute("DROP TABLE audit_entries CASCADE")
                [[last_segment]] = connection.execute("SELECT pg_walfile_name(pg_switch_wal())").fetchall()
                wait_for(lambda: (wal / str(last_segment)).exists(), "the WAL was not archived")
            assert figures_before["public.fleet_customers"]["rows"] == 1000

        shutil.rmtree(home.postgres)
        base.rename(home.postgres)
        changes = {"/mnt/wal": str(wal), "2026-11-22 14:05:00+09": recovery_time.isoformat()}
        conf.write_text("\n".join([conf.read_text(), *settings(1, **changes)]) + "\n")
        (home.postgres / "recovery.signal").touch()
        started_at = time.monotonic()
        with running_servers(home), psycopg.connect(servers.url(home, "superuser"), autocommit=True) as connection:
            wait_for(
                lambda: connection.execute("SELECT pg_is_in_recovery()").fetchone() == (False,), "it is not back", 60
            )
            print(f"back at {recovery_time} in {time.monotonic() - started_at:.1f} s")
            assert contents.differences(figures_before, figures(home)) == []
