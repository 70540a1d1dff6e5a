"""Commands that need a database while Genba does not run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from stack import backup, contents, servers
from stack.borrowed import running_postgres
from stack.home import Home
from stack.lock import single_launcher
from tests.conftest import committed_database
from tests.stack import temporary_folder


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name in ("DATABASE_URL", "DATABASE_OWNER_URL", "DATABASE_BACKUP_URL", "DATABASE_DIRECT_URL", "FILES_URL"):
        monkeypatch.delenv(name, raising=False)
    with temporary_folder() as created:
        yield created


@pytest.fixture
def source(running_servers: Home) -> Iterator[str]:
    name = "genba_borrowed"
    with committed_database(running_servers, name):
        yield name


@pytest.mark.deep
def test_a_backup_is_restored_on_a_machine_where_nothing_runs(
    running_servers: Home,
    source: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with monkeypatch.context() as patch:
        for role, name in (("app", "DATABASE_URL"), ("backup", "DATABASE_BACKUP_URL")):
            patch.setenv(name, servers.url(running_servers, role, source))
        assert backup.backup(running_servers, folder / "backup") == 0, capsys.readouterr().out
    home = Home(folder / "home")

    assert backup.restore(home, folder / "backup") == 0, capsys.readouterr().out
    assert backup.backup(home, folder / "again") == 0, capsys.readouterr().out
    assert backup.restore(home, folder / "backup") == 1

    assert "not empty" in capsys.readouterr().out
    assert not (home.postgres / "postmaster.pid").exists()
    with (
        running_postgres(home),
        psycopg.connect(servers.url(home, "backup")) as restored,
        psycopg.connect(servers.url(running_servers, "backup", source)) as before,
    ):
        assert contents.table_figures(restored) == contents.table_figures(before)


def test_no_postgres_starts_next_to_a_starting_launcher(folder: Path) -> None:
    home = Home(folder / "home")
    home.prepare()
    with single_launcher(home) as locked:
        assert locked
        with pytest.raises(RuntimeError, match="try again in a moment"), running_postgres(home):
            raise AssertionError("PostgreSQL was started beside a launcher")
    assert not home.postgres.exists()
