"""Backup and restore on real databases: compared to the last value, refused when anything is wrong."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.orm import Session

from stack import backup, contents, sealing, servers
from stack.home import ROOT, Home
from tests import factories
from tests.conftest import committed_database

_numbers = itertools.count(1)


class Place:
    """A database with data, and a way to run the commands against it or another."""

    def __init__(self, home: Home, source: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.home, self.source, self.folder, self._patch = home, source, folder, monkeypatch
        self.files = folder / "files"

    def connect_to(self, database: str, *, backup_role: str = "backup") -> None:
        for role, name in (("app", "DATABASE_URL"), ("owner", "DATABASE_OWNER_URL")):
            self._patch.setenv(name, servers.url(self.home, role, database))
        self._patch.setenv("DATABASE_BACKUP_URL", servers.url(self.home, backup_role, database))

    def seal_with(self, *keys: str) -> None:
        self._patch.setenv("BACKUP_KEY", ",".join(keys))

    def back_up(self, **options: str) -> tuple[int, Path]:
        to = self.folder / f"backup{next(_numbers)}"
        self.connect_to(self.source, **options)
        self._patch.setenv("FILES_URL", self.files.as_uri())
        return backup.backup(self.home, to), to

    def restore_to(self, database: str, folder: Path) -> int:
        self.connect_to(database)
        self._patch.setenv("FILES_URL", (self.folder / database / "files").as_uri())
        return backup.restore(self.home, folder)

    def rows(self, database: str, statement: str) -> list[tuple[object, ...]]:
        with psycopg.connect(servers.url(self.home, "backup", database)) as connection:
            return connection.execute(statement).fetchall()


@contextmanager
def database_with_data(home: Home, folder: Path, patch: pytest.MonkeyPatch) -> Iterator[Place]:
    name = f"genba_kept_{next(_numbers)}"
    with committed_database(home, name):
        _fill(home, name)
        made = Place(home, name, folder, patch)
        (made.files / "ab").mkdir(parents=True)
        (made.files / "ab" / "写真.bin").write_bytes(bytes(range(256)) * 40)
        yield made


@pytest.fixture(scope="module")
def shared(running_servers: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Place, Path]]:
    """Data that no test changes, and a backup of it."""
    patch = pytest.MonkeyPatch()
    with database_with_data(running_servers, tmp_path_factory.mktemp("shared"), patch) as made:
        done, folder = made.back_up()
        patch.undo()
        assert done == 0
        yield made, folder


@pytest.fixture
def place(shared: tuple[Place, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    made = Place(shared[0].home, shared[0].source, tmp_path, monkeypatch)
    shutil.copytree(shared[0].files, made.files)
    return made


@pytest.fixture
def folder(shared: tuple[Place, Path], place: Place) -> Path:
    """A copy of the backup, to be spoilt."""
    return shutil.copytree(shared[1], place.folder / "backup")


def _fill(home: Home, database: str) -> None:
    from sqlalchemy import create_engine

    from service.core.database.session import SYSTEM, set_scopes, sqlalchemy_url

    engine = create_engine(sqlalchemy_url(servers.url(home, "app", database)))
    with Session(engine) as session, session.begin():
        set_scopes(session, SYSTEM)
        for number in range(3):
            factories.terminal(session, factories.customer(session), f"TC200-KEEP{number}")
    engine.dispose()


@pytest.fixture
def empty(running_servers: Home) -> Iterator[str]:
    name = f"genba_empty_{next(_numbers)}"
    servers.create_database(running_servers, name)
    yield name
    servers.drop_database(running_servers, name)


def test_what_was_backed_up_comes_back_to_the_last_value(
    place: Place, folder: Path, empty: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert place.restore_to(empty, folder) == 0, capsys.readouterr().out

    with (
        psycopg.connect(servers.url(place.home, "backup", place.source)) as before,
        psycopg.connect(servers.url(place.home, "backup", empty)) as after,
    ):
        assert contents.table_figures(after) == contents.table_figures(before)
    assert place.rows(empty, "SELECT count(*) FROM fleet_terminals") == [(3,)]
    assert (place.folder / empty / "files" / "ab" / "写真.bin").read_bytes() == bytes(range(256)) * 40


OWNERS_AND_LOCKS = """
SELECT relname, relkind, pg_get_userbyid(relowner), relrowsecurity, relforcerowsecurity, relacl::text,
       (SELECT array_agg(polname || pg_get_expr(polqual, polrelid) ORDER BY polname) FROM pg_policy
        WHERE polrelid = c.oid AND polqual IS NOT NULL)
FROM pg_class c WHERE relnamespace = 'public'::regnamespace ORDER BY 1
"""


def test_owners_grants_and_row_level_security_come_back(place: Place, folder: Path, empty: str) -> None:
    assert place.restore_to(empty, folder) == 0

    restored = place.rows(empty, OWNERS_AND_LOCKS)

    assert restored == place.rows(place.source, OWNERS_AND_LOCKS)
    assert {row[2] for row in restored} == {"genba_owner"}
    assert next(row for row in restored if row[0] == "fleet_customers")[3:5] == (True, True)
    with psycopg.connect(servers.url(place.home, "app", empty)) as app:
        assert app.execute("SELECT count(*) FROM fleet_customers").fetchone() == (0,)
        app.execute(
            "INSERT INTO audit_entries (actor, address, area, action, subject, subject_id) "
            "VALUES ('x', '-', 'core', 'login', 'user', '1')"
        )


@pytest.fixture
def busy(running_servers: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """Data of its own, for a test that changes them."""
    with database_with_data(running_servers, tmp_path, monkeypatch) as made:
        yield made


def test_a_backup_taken_while_rows_arrive_is_of_one_moment(busy: Place, empty: str) -> None:
    """The dump and the manifest's figures are compared by the restore: they agree only if both saw the same moment."""
    place, stopping, written = busy, threading.Event(), 0

    def write() -> None:
        nonlocal written
        with psycopg.connect(servers.url(place.home, "app", place.source), autocommit=True) as app:
            while not stopping.is_set():
                app.execute(
                    "INSERT INTO audit_entries (actor, address, area, action, subject, subject_id) "
                    "SELECT 'x', '-', 'core', 'login', 'user', n::text FROM generate_series(1, 50) n"
                )
                written += 50

    writer = threading.Thread(target=write)
    writer.start()
    done, folder = place.back_up()
    stopping.set()
    writer.join()

    kept = json.loads((folder / "manifest.json").read_text())["tables"]
    audited = sum(table["rows"] for name, table in kept.items() if name.startswith("public.audit_entries"))
    assert done == 0
    assert 0 < audited < written
    assert place.restore_to(empty, folder) == 0


def damage(name: str, at: int) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        content = bytearray((folder / name).read_bytes())
        content[at] ^= 1
        (folder / name).write_bytes(content)

    return change


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (damage("database.dump", 5000), "has changed"),
        (damage("files.tar", 600), "has changed"),
        (damage("manifest.json", 20), "has changed"),
        (lambda folder: (folder / "database.dump").unlink(), "database.dump is missing"),
        (lambda folder: (folder / "SHA256SUMS").unlink(), "SHA256SUMS is missing"),
        (lambda folder: (folder / "SHA256SUMS").write_text(""), "does not name what it should"),
    ],
    ids=["dump", "files", "manifest", "no dump", "no sums", "empty sums"],
)
def test_one_changed_byte_or_a_missing_part_is_refused(
    place: Place,
    folder: Path,
    empty: str,
    capsys: pytest.CaptureFixture[str],
    spoil: Callable[[Path], None],
    said: str,
) -> None:
    spoil(folder)

    assert place.restore_to(empty, folder) == 1

    assert said in capsys.readouterr().out
    assert place.rows(empty, contents.TABLES) == []


def test_nothing_is_restored_over_data(place: Place, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = place.rows(place.source, "SELECT id, company_name FROM fleet_customers ORDER BY id")

    assert place.restore_to(place.source, folder) == 1

    assert "not empty" in capsys.readouterr().out
    assert place.rows(place.source, "SELECT id, company_name FROM fleet_customers ORDER BY id") == before


def test_no_file_is_overwritten(place: Place, folder: Path, empty: str, capsys: pytest.CaptureFixture[str]) -> None:
    there = place.folder / empty / "files" / "precious.txt"
    there.parent.mkdir(parents=True)
    there.write_text("keep me")

    assert place.restore_to(empty, folder) == 1

    assert "no file is ever overwritten" in capsys.readouterr().out
    assert place.rows(empty, contents.TABLES) == []


@pytest.mark.parametrize("role", ["app", "owner"])
def test_a_role_that_sees_only_a_part_cannot_back_up(
    place: Place, capsys: pytest.CaptureFixture[str], role: str
) -> None:
    done, folder = place.back_up(backup_role=role)

    assert done == 1
    assert "genba_backup" in capsys.readouterr().out
    assert list(folder.parent.glob("backup*")) == []


def test_the_backup_role_is_no_superuser(place: Place) -> None:
    assert place.rows(place.source, "SELECT rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user") == [
        (False, True)
    ]


def test_a_backup_of_a_newer_version_is_refused(
    place: Place, empty: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contents, "REVISION", "SELECT '9999_newer'")
    _, folder = place.back_up()

    assert place.restore_to(empty, folder) == 1

    assert "9999_newer, which this version does not know" in capsys.readouterr().out


def test_a_restored_database_that_differs_is_said_table_by_table() -> None:
    wanted = {"a": {"rows": 1, "content": "5"}, "b": {"rows": 2, "content": "7"}, "c": {"rows": 0, "content": "0"}}
    found = {"a": {"rows": 1, "content": "6"}, "b": {"rows": 1, "content": "7"}, "d": {"rows": 0, "content": "0"}}

    assert contents.differences(wanted, found) == [
        "a: the same number of rows, but other values",
        "b: 1 rows instead of 2",
        "c: is missing",
        "d: was not in the backup",
    ]
    assert contents.differences(wanted, wanted) == []


def test_only_its_owner_can_read_a_backup(shared: tuple[Place, Path]) -> None:
    _, folder = shared

    assert folder.stat().st_mode & 0o077 == 0
    assert [file.name for file in folder.iterdir() if file.stat().st_mode & 0o077] == []


@pytest.fixture
def sealed(place: Place) -> tuple[str, Path]:
    """The key, and what was sealed with it."""
    secret, _ = sealing.generate_key()
    place.seal_with(secret)
    done, folder = place.back_up()
    assert done == 0
    return secret, folder


def test_a_sealed_backup_shows_nothing_and_comes_back_with_its_key(
    place: Place, sealed: tuple[str, Path], empty: str, capsys: pytest.CaptureFixture[str]
) -> None:
    secret, folder = sealed
    assert {file.name for file in folder.iterdir()} == {
        *("SHA256SUMS", "manifest.json.age", "database.dump.age", "files.tar.age")
    }
    shown = b"".join(file.read_bytes() for file in folder.iterdir())
    assert b"fleet_terminals" not in shown
    assert bytes(range(256)) not in shown
    # The key goes on being known when a new one stands before it.
    place.seal_with(sealing.generate_key()[0], secret)

    assert place.restore_to(empty, folder) == 0, capsys.readouterr().out

    assert place.rows(empty, "SELECT count(*) FROM fleet_terminals") == [(3,)]
    assert (place.folder / empty / "files" / "ab" / "写真.bin").read_bytes() == bytes(range(256)) * 40


@pytest.mark.production
def test_the_documents_own_lines_open_a_sealed_backup_without_genba(
    place: Place, sealed: tuple[str, Path], empty: str
) -> None:
    """With age's own program, as whoever has nothing but the backup and the key would."""
    secret, folder = sealed
    document = (ROOT / "docs" / "recovery.md").read_text(encoding="utf-8")
    [lines] = re.findall(r"```sh\n(sha256sum .*?)```", document, re.DOTALL)
    files = place.folder / "without"
    files.mkdir()
    (folder / "key.txt").write_text(f"{secret}\n")
    for shipped, ours in (
        ("postgresql://genba_owner@…/genba", servers.url(place.home, "owner", empty)),
        ("/var/lib/genba/files", str(files)),
        ("pg_restore", str(servers.bin_dir(place.home) / "pg_restore")),
    ):
        assert shipped in lines
        lines = lines.replace(shipped, ours)
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", lines], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

    tables = []
    for database in (place.source, empty):
        with psycopg.connect(servers.url(place.home, "backup", database)) as reader:
            tables.append(contents.table_figures(reader))
    assert contents.differences(*tables) == []
    assert (files / "ab" / "写真.bin").read_bytes() == bytes(range(256)) * 40


def test_the_wrong_key_and_none_are_refused_in_words(
    place: Place, sealed: tuple[str, Path], empty: str, capsys: pytest.CaptureFixture[str]
) -> None:
    secret, folder = sealed
    other, public = sealing.generate_key()
    for key, said in ((other, "does not open"), (public, "can only seal"), ("", "is sealed. Set BACKUP_KEY")):
        place.seal_with(key)
        assert place.restore_to(empty, folder) == 1
        told = capsys.readouterr().out
        assert said in told
        assert secret not in told
    assert place.rows(empty, contents.TABLES) == []


@pytest.mark.parametrize("name", ["database.dump.age", "files.tar.age", "manifest.json.age"])
def test_a_sealed_file_that_was_changed_together_with_its_sum_is_refused(
    place: Place, sealed: tuple[str, Path], empty: str, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    _, folder = sealed
    damage(name, 700)(folder)
    sums = (folder / "SHA256SUMS").read_text().splitlines()
    changed = [line for line in sums if not line.endswith(name)] + [f"{backup._sha256(folder / name)}  {name}"]
    (folder / "SHA256SUMS").write_text("\n".join(changed) + "\n")

    assert place.restore_to(empty, folder) == 1

    assert "has changed since it was backed up" in capsys.readouterr().out
    if name != "files.tar.age":
        assert place.rows(empty, contents.TABLES) == []


def test_a_key_that_is_none_stops_the_backup_before_it_begins(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.seal_with("no-key-of-age")

    done, folder = place.back_up()

    assert done == 1
    assert "BACKUP_KEY must be a key of age" in capsys.readouterr().out
    assert list(folder.parent.glob("backup*")) == []
