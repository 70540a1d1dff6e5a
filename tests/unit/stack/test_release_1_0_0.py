"""A database of release 1.0.0, which came to its schema by 39 migrations that this release does not have.

genba-1.0.0.tar.xz is a backup that 1.0.0 itself wrote (commit 3e3e8214: `alembic upgrade head`, a few rows in each
area, `stack.backup.make`), so it has the schema of those migrations and no other.
"""

from __future__ import annotations

import itertools
import os
import random
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from service.migrations import baseline
from stack import backup, contents, migrations, servers
from stack.home import ROOT, Home
from tests.cluster import drop_database

BACKUP = Path(__file__).parent / "genba-1.0.0.tar.xz"
# The rows that the migrations add, those alone that no release and no clock changes.
ADDED_ROWS = (
    *("kept_tables", "agencies_choices", "agencies_options", "agencies_carrier_fields", "loaners_sites"),
    *("loaners_models", "loaners_forms", "loaners_views", "reservations_chores"),
)
ROWS = "SELECT to_jsonb(t) - '{{created_at,updated_at,published_at}}'::text[] FROM {} t ORDER BY 1"

RECOGNISED = "the database is 1.0.0's: its schema was compared, and nothing in it was changed"

_numbers = itertools.count(1)


class Database:
    """A database, and the addresses of the roles that migrate, back up and look behind row-level security."""

    def __init__(self, home: Home, name: str) -> None:
        self.home, self.name, self.owner = home, name, servers.url(home, "owner", name)

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(servers.url(self.home, "superuser", self.name)) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def revision(self) -> str:
        return str(self.query(contents.REVISION)[0][0])

    def figures(self) -> dict[str, dict[str, Any]]:
        with psycopg.connect(servers.url(self.home, "backup", self.name)) as reader:
            return contents.table_figures(reader)

    def migrate(self) -> str:
        return migrations.migrate(os.environ | {"DATABASE_OWNER_URL": self.owner})

    def migrate_to_baseline(self) -> None:
        command = [sys.executable, "-m", "alembic", "upgrade", baseline.REVISION]
        environ = os.environ | {"DATABASE_OWNER_URL": self.owner}
        subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, check=True)

    def schema(self) -> list[str]:
        """As pg_dump writes it, without the partitions of a day or a month."""
        dump = self.run("pg_dump", "--schema-only", "--restrict-key=none", "--exclude-table=*_p20*")
        return dump.decode().splitlines()

    def run(self, program: str, *options: str, stdin: bytes = b"") -> bytes:
        url = servers.url(self.home, "superuser", self.name)
        command = [str(servers.bin_dir(self.home) / program), *options, "--dbname", url]
        return subprocess.run(command, input=stdin, capture_output=True, check=True).stdout


@pytest.fixture(scope="module")
def original(running_servers: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """The backup, restored with this release's command. No test changes it."""
    folder, name = tmp_path_factory.mktemp("release"), "genba_release"
    servers.create_database(running_servers, name)
    roles = {"DATABASE_URL": "app", "DATABASE_OWNER_URL": "owner", "DATABASE_BACKUP_URL": "backup"}
    with tarfile.open(BACKUP) as archive, pytest.MonkeyPatch.context() as patch:
        archive.extractall(folder, filter="data")
        for variable, role in roles.items():
            patch.setenv(variable, servers.url(running_servers, role, name))
        assert backup.restore(running_servers, folder / "genba-1.0.0") == 0
    yield Database(running_servers, name)
    drop_database(running_servers, name)


@pytest.fixture
def restored(original: Database) -> Iterator[Database]:
    """A copy, for tests that change it."""
    copy = Database(original.home, f"{original.name}_{next(_numbers)}")
    with psycopg.connect(servers.url(copy.home, "superuser", "postgres"), autocommit=True) as connection:
        connection.execute(
            f"CREATE DATABASE {copy.name} OWNER genba_owner TEMPLATE {original.name} STRATEGY FILE_COPY".encode()
        )
    yield copy
    drop_database(copy.home, copy.name)


def test_a_restored_backup_of_1_0_0_is_recognised_and_nothing_in_it_is_changed(
    restored: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As if no migration followed the baseline.
    monkeypatch.setattr(migrations, "release_revisions", lambda: [baseline.REVISION])
    figures, schema_before = restored.figures(), restored.schema()
    assert restored.revision() == baseline.RELEASE_REVISION
    assert backup.count_rows(figures) == 339

    assert restored.migrate() == RECOGNISED

    assert restored.revision() == baseline.REVISION
    assert contents.differences(figures, restored.figures()) == [
        "public.alembic_version: the same number of rows, but other values"
    ]
    assert restored.schema() == schema_before
    assert restored.migrate() == ""


def test_a_database_of_1_0_0_goes_on_to_the_newest_migration(restored: Database) -> None:
    assert restored.migrate() == RECOGNISED

    assert restored.revision() == migrations.release_revisions()[0]
    [[what]] = restored.query("SELECT what FROM reservations_chores WHERE code = 'vulnerabilities'")
    assert "make audit" in what


@pytest.fixture
def made_and_restored(running_servers: Home) -> Iterator[Database]:
    """A database that the baseline has made, backed up and restored too: that changes how PostgreSQL writes some
    constraints."""
    made, database = (Database(running_servers, f"genba_made_{next(_numbers)}") for _ in range(2))
    for new in (made, database):
        servers.create_database(running_servers, new.name)
    made.migrate_to_baseline()
    database.run("pg_restore", "--exit-on-error", stdin=made.run("pg_dump", "--format=custom"))
    drop_database(made.home, made.name)
    yield database
    drop_database(database.home, database.name)


def test_the_baseline_makes_the_schema_and_the_rows_of_1_0_0_to_the_letter(
    original: Database, made_and_restored: Database
) -> None:
    assert made_and_restored.schema() == original.schema()
    for table in ADDED_ROWS:
        assert made_and_restored.query(ROWS.format(table)) == original.query(ROWS.format(table)), table


# A change to the schema of 1.0.0, and how the refusal begins to name it.
CHANGES = [
    ("DROP INDEX ix_fleet_alerts_open", "index ix_fleet_alerts_open: is missing"),
    (
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_tasks_open'::regclass",
        "index ix_tasks_open: ",
    ),
    ("CREATE TABLE mine (id int)", "table mine: does not belong there"),
    (
        "ALTER TABLE fleet_customers ALTER contact_phone TYPE varchar(30)",
        'column fleet_customers.contact_phone: character varying(30) not null "default", instead of: '
        'character varying(20) not null "default"',
    ),
    (
        "ALTER TABLE files DROP CONSTRAINT ck_files_size, ADD CONSTRAINT ck_files_size CHECK (size >= 0)",
        "constraint files.ck_files_size: CHECK ((size >= 0)), instead of: CHECK ((size > 0))",
    ),
    (
        "ALTER TABLE files DROP CONSTRAINT pk_files CASCADE, ADD CONSTRAINT pk_files PRIMARY KEY (id, area)",
        "constraint files.pk_files: PRIMARY KEY (id, area), instead of: PRIMARY KEY (id)",
    ),
    (
        "GRANT UPDATE ON audit_entries TO genba_app",
        "rights table audit_entries: genba_app INSERT, genba_app SELECT, genba_app UPDATE, "
        "instead of: genba_app INSERT, genba_app SELECT",
    ),
    ("GRANT EXECUTE ON FUNCTION expire_rows TO PUBLIC", "rights function expire_rows(text,"),
    ("DROP POLICY isolation ON files", "policy files.isolation: is missing"),
    (
        "ALTER TABLE files NO FORCE ROW LEVEL SECURITY",
        "table files: owner genba_owner, persistence p, row-level security, instead of: "
        "owner genba_owner, persistence p, row-level security, forced",
    ),
    (
        "ALTER TABLE calendar_version ADD mine int",
        "order of columns in calendar_version: id version mine, instead of: id version",
    ),
    ("ALTER TABLE holidays DISABLE TRIGGER renew_calendar_version", "trigger holidays.renew_calendar_version: "),
    (
        "CREATE OR REPLACE FUNCTION renew_calendar_version() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN END'",
        "function renew_calendar_version(): ",
    ),
]


def test_a_database_whose_schema_is_another_one_is_refused_with_all_that_differs(restored: Database) -> None:
    for change, _ in CHANGES:
        restored.query(change)

    with pytest.raises(RuntimeError) as refusal:
        restored.migrate()

    named = [line.strip() for line in str(refusal.value).splitlines()]
    assert [change for change, difference in CHANGES if not any(line.startswith(difference) for line in named)] == []
    assert restored.revision() == baseline.RELEASE_REVISION
    assert restored.query("SELECT 1 FROM pg_namespace WHERE nspname = 'genba_baseline'") == []


def test_one_of_these_changes_alone_is_refused(restored: Database) -> None:
    change, difference = random.choice(CHANGES)
    restored.query(change)

    with pytest.raises(RuntimeError) as refusal:
        restored.migrate()

    assert f"\n  {difference}" in str(refusal.value), change


def test_old_partitions_and_what_administrators_add_are_no_difference(restored: Database) -> None:
    restored.query(
        "CREATE SCHEMA reports; CREATE TABLE reports.mine (id int); GRANT SELECT ON users TO pg_monitor;"
        "ALTER TABLE fleet_alerts SET (autovacuum_vacuum_scale_factor = 0.1); CREATE EXTENSION pg_trgm;"
        "CREATE TABLE fleet_heartbeats_p20200101 PARTITION OF fleet_heartbeats"
        " FOR VALUES FROM ('2020-01-01') TO ('2020-01-02')"
    )

    assert restored.migrate() == RECOGNISED


def test_a_database_from_before_1_0_0_is_refused_with_the_way_to_go(restored: Database) -> None:
    restored.query("UPDATE alembic_version SET version_num = '0020_fleet_history'")

    with pytest.raises(RuntimeError, match=r"0020_fleet_history, from before 1\.0\.0.* Put release 1\.0\.0 in place"):
        restored.migrate()

    assert restored.revision() == "0020_fleet_history"
