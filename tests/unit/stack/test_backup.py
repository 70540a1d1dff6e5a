"""Backup and restore on real databases: all values are compared, and a damaged backup is refused."""

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
from tests import cluster, factories
from tests.conftest import committed_database

_numbers = itertools.count(1)


class BackupEnvironment:
    """A database with data, and methods that run the commands against it or another database."""

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
        target = self.folder / f"backup{next(_numbers)}"
        self.connect_to(self.source, **options)
        self._patch.setenv("FILES_URL", self.files.as_uri())
        return backup.backup(self.home, target), target

    def restore_to(self, database: str, folder: Path) -> int:
        self.connect_to(database)
        self._patch.setenv("FILES_URL", (self.folder / database / "files").as_uri())
        return backup.restore(self.home, folder)

    def rows(self, database: str, statement: str) -> list[tuple[object, ...]]:
        with psycopg.connect(servers.url(self.home, "backup", database)) as connection:
            return connection.execute(statement).fetchall()


@contextmanager
def database_with_data(home: Home, folder: Path, patch: pytest.MonkeyPatch) -> Iterator[BackupEnvironment]:
    name = f"genba_kept_{next(_numbers)}"
    with committed_database(home, name):
        _insert_rows(home, name)
        created = BackupEnvironment(home, name, folder, patch)
        (created.files / "ab").mkdir(parents=True)
        (created.files / "ab" / "写真.bin").write_bytes(bytes(range(256)) * 40)
        yield created


@pytest.fixture(scope="module")
def shared_backup(
    running_servers: Home, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[BackupEnvironment, Path]]:
    """A database that no test changes, and a backup of it."""
    patch = pytest.MonkeyPatch()
    with database_with_data(running_servers, tmp_path_factory.mktemp("shared"), patch) as created:
        code, folder = created.back_up()
        patch.undo()
        assert code == 0
        yield created, folder


@pytest.fixture
def environment(
    shared_backup: tuple[BackupEnvironment, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> BackupEnvironment:
    created = BackupEnvironment(shared_backup[0].home, shared_backup[0].source, tmp_path, monkeypatch)
    shutil.copytree(shared_backup[0].files, created.files)
    return created


@pytest.fixture
def folder(shared_backup: tuple[BackupEnvironment, Path], environment: BackupEnvironment) -> Path:
    """A copy of the backup, which tests may damage."""
    return shutil.copytree(shared_backup[1], environment.folder / "backup")


def _insert_rows(home: Home, database: str) -> None:
    from sqlalchemy import create_engine

    from service.core.database.session import SYSTEM, set_scopes, sqlalchemy_url

    engine = create_engine(sqlalchemy_url(servers.url(home, "app", database)))
    with Session(engine) as session, session.begin():
        set_scopes(session, SYSTEM)
        for number in range(3):
            factories.terminal(session, factories.customer(session), f"TC200-KEEP{number}")
    engine.dispose()


@pytest.fixture
def empty_database(running_servers: Home) -> Iterator[str]:
    name = f"genba_empty_{next(_numbers)}"
    servers.create_database(running_servers, name)
    yield name
    cluster.drop_database(running_servers, name)


def test_a_restored_database_has_the_same_values(
    environment: BackupEnvironment, folder: Path, empty_database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert environment.restore_to(empty_database, folder) == 0, capsys.readouterr().out

    with (
        psycopg.connect(servers.url(environment.home, "backup", environment.source)) as before,
        psycopg.connect(servers.url(environment.home, "backup", empty_database)) as after,
    ):
        assert contents.table_figures(after) == contents.table_figures(before)
    assert environment.rows(empty_database, "SELECT count(*) FROM fleet_terminals") == [(3,)]
    assert (environment.folder / empty_database / "files" / "ab" / "写真.bin").read_bytes() == bytes(range(256)) * 40


OWNERS_AND_POLICIES = """
SELECT relname, relkind, pg_get_userbyid(relowner), relrowsecurity, relforcerowsecurity, relacl::text,
       (SELECT array_agg(polname || pg_get_expr(polqual, polrelid) ORDER BY polname) FROM pg_policy
        WHERE polrelid = c.oid AND polqual IS NOT NULL)
FROM pg_class c WHERE relnamespace = 'public'::regnamespace ORDER BY 1
"""


def test_owners_grants_and_row_level_security_are_restored(
    environment: BackupEnvironment, folder: Path, empty_database: str
) -> None:
    assert environment.restore_to(empty_database, folder) == 0

    restored = environment.rows(empty_database, OWNERS_AND_POLICIES)

    assert restored == environment.rows(environment.source, OWNERS_AND_POLICIES)
    assert {row[2] for row in restored} == {"genba_owner"}
    assert next(row for row in restored if row[0] == "fleet_customers")[3:5] == (True, True)
    with psycopg.connect(servers.url(environment.home, "app", empty_database)) as app:
        assert app.execute("SELECT count(*) FROM fleet_customers").fetchone() == (0,)
        app.execute(
            "INSERT INTO audit_entries (actor, address, area, action, subject, subject_id) "
            "VALUES ('x', '-', 'core', 'login', 'user', '1')"
        )


@pytest.fixture
def own_environment(
    running_servers: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[BackupEnvironment]:
    """An environment with its own data, for a test that changes them."""
    with database_with_data(running_servers, tmp_path, monkeypatch) as created:
        yield created


def test_a_backup_taken_while_rows_arrive_is_consistent(
    own_environment: BackupEnvironment, empty_database: str
) -> None:
    """The restore compares the dump with the manifest's figures: they agree only if both are of the same snapshot."""
    environment, stopping, written = own_environment, threading.Event(), 0

    def write() -> None:
        nonlocal written
        with psycopg.connect(servers.url(environment.home, "app", environment.source), autocommit=True) as app:
            while not stopping.is_set():
                app.execute(
                    "INSERT INTO audit_entries (actor, address, area, action, subject, subject_id) "
                    "SELECT 'x', '-', 'core', 'login', 'user', n::text FROM generate_series(1, 50) n"
                )
                written += 50

    writer = threading.Thread(target=write)
    writer.start()
    code, folder = environment.back_up()
    stopping.set()
    writer.join()

    tables = json.loads((folder / "manifest.json").read_text())["tables"]
    audit_rows = sum(table["rows"] for name, table in tables.items() if name.startswith("public.audit_entries"))
    assert code == 0
    assert 0 < audit_rows < written
    assert environment.restore_to(empty_database, folder) == 0


def flip_bit(name: str, position: int) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        content = bytearray((folder / name).read_bytes())
        content[position] ^= 1
        (folder / name).write_bytes(content)

    return change


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (flip_bit("database.dump", 5000), "has changed"),
        (flip_bit("files.tar", 600), "has changed"),
        (flip_bit("manifest.json", 20), "has changed"),
        (lambda folder: (folder / "database.dump").unlink(), "database.dump is missing"),
        (lambda folder: (folder / "SHA256SUMS").unlink(), "SHA256SUMS is missing"),
        (lambda folder: (folder / "SHA256SUMS").write_text(""), "does not name what it should"),
    ],
    ids=["dump", "files", "manifest", "no dump", "no sums", "empty sums"],
)
def test_one_changed_byte_or_a_missing_part_is_refused(
    environment: BackupEnvironment,
    folder: Path,
    empty_database: str,
    capsys: pytest.CaptureFixture[str],
    damage: Callable[[Path], None],
    message: str,
) -> None:
    damage(folder)

    assert environment.restore_to(empty_database, folder) == 1

    assert message in capsys.readouterr().out
    assert environment.rows(empty_database, contents.TABLES) == []


def test_nothing_is_restored_over_data(
    environment: BackupEnvironment, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = environment.rows(environment.source, "SELECT id, company_name FROM fleet_customers ORDER BY id")

    assert environment.restore_to(environment.source, folder) == 1

    assert "not empty" in capsys.readouterr().out
    assert environment.rows(environment.source, "SELECT id, company_name FROM fleet_customers ORDER BY id") == before


def test_no_file_is_overwritten(
    environment: BackupEnvironment, folder: Path, empty_database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    existing = environment.folder / empty_database / "files" / "precious.txt"
    existing.parent.mkdir(parents=True)
    existing.write_text("keep me")

    assert environment.restore_to(empty_database, folder) == 1

    assert "no file is ever overwritten" in capsys.readouterr().out
    assert environment.rows(empty_database, contents.TABLES) == []


@pytest.mark.parametrize("role", ["app", "owner"])
def test_a_role_that_does_not_see_all_rows_cannot_back_up(
    environment: BackupEnvironment, capsys: pytest.CaptureFixture[str], role: str
) -> None:
    code, folder = environment.back_up(backup_role=role)

    assert code == 1
    assert "genba_backup" in capsys.readouterr().out
    assert list(folder.parent.glob("backup*")) == []


def test_the_backup_role_is_no_superuser(environment: BackupEnvironment) -> None:
    assert environment.rows(
        environment.source, "SELECT rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user"
    ) == [(False, True)]


@pytest.mark.parametrize(
    ("revision", "way"),
    [
        ("9999_newer", "Restore it with that version or a newer one."),
        ("0020_fleet_history", "Restore it with 1.0.0, start that once, and back up again."),
    ],
)
def test_a_backup_of_another_version_is_refused_with_the_version_that_restores_it(
    environment: BackupEnvironment,
    empty_database: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    revision: str,
    way: str,
) -> None:
    monkeypatch.setattr(contents, "REVISION", f"SELECT '{revision}'")
    _, folder = environment.back_up()

    assert environment.restore_to(empty_database, folder) == 1

    assert f"{revision}, which this version does not know. {way}" in capsys.readouterr().out


def test_differences_of_a_restored_database_are_listed_by_table() -> None:
    expected = {"a": {"rows": 1, "content": "5"}, "b": {"rows": 2, "content": "7"}, "c": {"rows": 0, "content": "0"}}
    actual = {"a": {"rows": 1, "content": "6"}, "b": {"rows": 1, "content": "7"}, "d": {"rows": 0, "content": "0"}}

    assert contents.differences(expected, actual) == [
        "a: the same number of rows, but other values",
        "b: 1 rows instead of 2",
        "c: is missing",
        "d: was not in the backup",
    ]
    assert contents.differences(expected, expected) == []


def test_only_its_owner_can_read_a_backup(shared_backup: tuple[BackupEnvironment, Path]) -> None:
    _, folder = shared_backup

    assert folder.stat().st_mode & 0o077 == 0
    assert [file.name for file in folder.iterdir() if file.stat().st_mode & 0o077] == []


@pytest.fixture
def sealed_backup(environment: BackupEnvironment) -> tuple[str, Path]:
    """A key, and a backup that is sealed with it."""
    secret, _ = sealing.generate_key()
    environment.seal_with(secret)
    code, folder = environment.back_up()
    assert code == 0
    return secret, folder


def test_a_sealed_backup_is_unreadable_and_is_restored_with_its_key(
    environment: BackupEnvironment,
    sealed_backup: tuple[str, Path],
    empty_database: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    secret, folder = sealed_backup
    assert {file.name for file in folder.iterdir()} == {
        *("SHA256SUMS", "manifest.json.age", "database.dump.age", "files.tar.age")
    }
    content = b"".join(file.read_bytes() for file in folder.iterdir())
    assert b"fleet_terminals" not in content
    assert bytes(range(256)) not in content
    # An old key still works after a new one.
    environment.seal_with(sealing.generate_key()[0], secret)

    assert environment.restore_to(empty_database, folder) == 0, capsys.readouterr().out

    assert environment.rows(empty_database, "SELECT count(*) FROM fleet_terminals") == [(3,)]
    assert (environment.folder / empty_database / "files" / "ab" / "写真.bin").read_bytes() == bytes(range(256)) * 40


@pytest.mark.production
def test_the_documented_commands_open_a_sealed_backup_without_genba(
    environment: BackupEnvironment, sealed_backup: tuple[str, Path], empty_database: str
) -> None:
    """With the program age, for an administrator who has only the backup and the key."""
    secret, folder = sealed_backup
    document = (ROOT / "docs" / "recovery.md").read_text(encoding="utf-8")
    [commands] = re.findall(r"```sh\n(sha256sum .*?)```", document, re.DOTALL)
    files = environment.folder / "without"
    files.mkdir()
    (folder / "key.txt").write_text(f"{secret}\n")
    for shipped, replacement in (
        ("postgresql://genba_owner@…/genba", servers.url(environment.home, "owner", empty_database)),
        ("/var/lib/genba/files", str(files)),
        ("pg_restore", str(servers.bin_dir(environment.home) / "pg_restore")),
    ):
        assert shipped in commands
        commands = commands.replace(shipped, replacement)
    result = subprocess.run(["bash", "-euo", "pipefail", "-c", commands], cwd=folder, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr

    tables = []
    for database in (environment.source, empty_database):
        with psycopg.connect(servers.url(environment.home, "backup", database)) as reader:
            tables.append(contents.table_figures(reader))
    assert contents.differences(*tables) == []
    assert (files / "ab" / "写真.bin").read_bytes() == bytes(range(256)) * 40


def test_a_wrong_or_missing_key_is_refused_with_a_message(
    environment: BackupEnvironment,
    sealed_backup: tuple[str, Path],
    empty_database: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    secret, folder = sealed_backup
    other, public = sealing.generate_key()
    for key, message in ((other, "does not open"), (public, "can only seal"), ("", "is sealed. Set BACKUP_KEY")):
        environment.seal_with(key)
        assert environment.restore_to(empty_database, folder) == 1
        output = capsys.readouterr().out
        assert message in output
        assert secret not in output
    assert environment.rows(empty_database, contents.TABLES) == []


@pytest.mark.parametrize("name", ["database.dump.age", "files.tar.age", "manifest.json.age"])
def test_a_sealed_file_that_was_changed_together_with_its_sum_is_refused(
    environment: BackupEnvironment,
    sealed_backup: tuple[str, Path],
    empty_database: str,
    capsys: pytest.CaptureFixture[str],
    name: str,
) -> None:
    _, folder = sealed_backup
    flip_bit(name, 700)(folder)
    sums = (folder / "SHA256SUMS").read_text().splitlines()
    changed_sums = [line for line in sums if not line.endswith(name)] + [f"{backup._sha256(folder / name)}  {name}"]
    (folder / "SHA256SUMS").write_text("\n".join(changed_sums) + "\n")

    assert environment.restore_to(empty_database, folder) == 1

    assert "has changed since it was backed up" in capsys.readouterr().out
    if name != "files.tar.age":
        assert environment.rows(empty_database, contents.TABLES) == []


def test_an_invalid_key_stops_the_backup_before_it_starts(
    environment: BackupEnvironment, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.seal_with("no-key-of-age")

    code, folder = environment.back_up()

    assert code == 1
    assert "BACKUP_KEY must be a key of age" in capsys.readouterr().out
    assert list(folder.parent.glob("backup*")) == []
