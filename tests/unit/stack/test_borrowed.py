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
from tests.stack import some_folder


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name in ("DATABASE_URL", "DATABASE_OWNER_URL", "DATABASE_BACKUP_URL", "DATABASE_DIRECT_URL", "FILES_URL"):
        monkeypatch.delenv(name, raising=False)
    with some_folder() as folder:
        yield folder


@pytest.fixture
def source(running_servers: Home) -> Iterator[str]:
    name = "genba_borrowed"
    with committed_database(running_servers, name):
        yield name


@pytest.mark.deep
def test_a_backup_comes_back_on_a_machine_where_nothing_runs(
    running_servers: Home, source: str, fresh: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as elsewhere:
        for role, name in (("app", "DATABASE_URL"), ("backup", "DATABASE_BACKUP_URL")):
            elsewhere.setenv(name, servers.url(running_servers, role, source))
        assert backup.backup(running_servers, fresh / "backup") == 0, capsys.readouterr().out
    place = Home(fresh / "home")

    assert backup.restore(place, fresh / "backup") == 0, capsys.readouterr().out
    assert backup.backup(place, fresh / "again") == 0, capsys.readouterr().out
    assert backup.restore(place, fresh / "backup") == 1

    assert "not empty" in capsys.readouterr().out
    assert not (place.postgres / "postmaster.pid").exists()
    with (
        running_postgres(place),
        psycopg.connect(servers.url(place, "backup")) as restored,
        psycopg.connect(servers.url(running_servers, "backup", source)) as before,
    ):
        assert contents.table_figures(restored) == contents.table_figures(before)


def test_a_launcher_that_is_just_starting_is_not_disturbed(fresh: Path) -> None:
    place = Home(fresh / "home")
    place.prepare()
    with single_launcher(place) as alone:
        assert alone
        with pytest.raises(RuntimeError, match="try again in a moment"), running_postgres(place):
            raise AssertionError("PostgreSQL was started beside a launcher")
    assert not place.postgres.exists()
