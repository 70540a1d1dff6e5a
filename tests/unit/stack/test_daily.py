"""The daily backup on a real database: when it is due, which backups are kept, and what is reported to the service."""

from __future__ import annotations

import json
import os
import re
import time as clocks
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import psycopg
import pytest

from stack import backup, contents, daily, rehearsal, sealing, servers
from stack.daily import FIRST_BACKUP_DELAY, RETRY_DELAY, Memory, next_backup_at
from stack.drill import drill
from stack.home import Home
from stack.programs import environment
from tests import cluster
from tests.conftest import Service, committed_database

AT = time(3, 0)
THREE = datetime(2026, 11, 21, 3, 0, tzinfo=daily.TOKYO)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def test_the_first_backup_is_taken_soon_after_the_start() -> None:
    assert next_backup_at(AT, THREE, None, None) == THREE + FIRST_BACKUP_DELAY


@pytest.mark.parametrize("taken", [THREE + MINUTE, THREE + 15 * HOUR, THREE + DAY - MINUTE])
def test_the_next_backup_is_taken_at_three_oclock_in_tokyo(taken: datetime) -> None:
    assert next_backup_at(AT, THREE, taken.astimezone(UTC), taken) == THREE + DAY


def test_a_missed_backup_is_taken_after_the_start() -> None:
    started_at = THREE + 6 * HOUR

    assert next_backup_at(AT, started_at, THREE - DAY, THREE - DAY) == started_at + FIRST_BACKUP_DELAY


def test_a_failed_backup_is_retried_and_a_restart_does_not_shorten_the_delay() -> None:
    failed_at = THREE + MINUTE

    assert next_backup_at(AT, THREE - DAY, THREE - DAY, failed_at) == failed_at + RETRY_DELAY
    assert next_backup_at(AT, failed_at + MINUTE, THREE - DAY, failed_at) == failed_at + RETRY_DELAY
    assert next_backup_at(AT, THREE - DAY, None, failed_at) == failed_at + RETRY_DELAY


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("BACKUP_AT", "25:00"), ("BACKUP_AT", "3am"), ("BACKUP_KEEP", "0"), ("BACKUP_FOLDER", "backups")),
        *(("BACKUP_KEEP_WEEKS", "x"), ("BACKUP_KEEP_MONTHS", "-1"), ("BACKUP_KEY", "secret")),
    ],
)
def test_invalid_settings_are_refused_by_name(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(ValueError, match=name):
        daily.settings(environment(Home(tmp_path)) | {name: value})


class Nightly:
    """A database with data, the service that receives the reports, and the functions of the program."""

    def __init__(self, home: Home, folder: Path, service: Service, patch: pytest.MonkeyPatch) -> None:
        patch.setenv("DATABASE_BACKUP_URL", servers.url(home, "backup", "genba_nightly"))
        patch.setenv("DATABASE_URL", servers.url(home, "app", "genba_nightly"))
        patch.setenv("DATABASE_OWNER_URL", servers.url(home, "owner", "genba_nightly"))
        # Only a few tests set it, because a restore takes seconds.
        patch.delenv("DATABASE_REHEARSAL_URL", raising=False)
        patch.setenv("BACKUP_FOLDER", str(folder / "kept"))
        patch.setenv("BACKUP_KEEP", "2")
        patch.setenv("SERVICE_URL", service.url)
        self.home, self.service, self.environ = home, service, environment(home)
        self.settings = daily.settings(self.environ)
        self.memory = Memory.of(folder / "daily.json")

    def take(self) -> None:
        daily.take_backup(self.settings, self.home, self.environ, self.memory)

    def reported(self) -> list[tuple[object, ...]]:
        return self.service.rows(
            "SELECT ok, bytes, kept FROM backups WHERE source = %s ORDER BY at", self.settings.source
        )


@pytest.fixture
def nightly(
    running_servers: Home, tmp_path: Path, service: Service, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Nightly]:
    monkeypatch.setenv("WATCHDOG_SOURCE", tmp_path.name)
    with committed_database(running_servers, "genba_nightly"):
        yield Nightly(running_servers, tmp_path, service, monkeypatch)


def test_the_newest_backups_are_kept_and_manual_ones_are_not_touched(
    nightly: Nightly, monkeypatch: pytest.MonkeyPatch
) -> None:
    backups = nightly.settings.folder
    manual, partial = backups / "genba-20261101-120000", backups / f"daily-20200101-030000{backup.PARTIAL_SUFFIX}"
    for folder in (manual, partial):
        folder.mkdir(parents=True)
        (folder / backup.CHECKSUMS).touch()
    for number in range(2):
        old = backups / f"daily-2020010{number + 1}-030000"
        old.mkdir()
        (old / backup.CHECKSUMS).touch()

    nightly.take()

    names = sorted(folder.name for folder in backups.iterdir())
    assert names[0] == "daily-20200102-030000"
    assert names[1].startswith("daily-20")
    assert names[2:] == [manual.name]
    newest = backups / names[1]
    assert {file.name for file in newest.iterdir()} >= {backup.CHECKSUMS, backup.MANIFEST, backup.DUMP}
    assert json.loads((newest / backup.MANIFEST).read_text())["tables"]["public.users"]["rows"] == 0
    assert newest.stat().st_mode & 0o077 == 0

    assert daily.report_all(nightly.settings, nightly.memory) == ""
    [(ok, size, kept)] = nightly.reported()
    assert (ok, kept) == (True, 2)
    assert size == sum(file.stat().st_size for file in newest.iterdir())


def test_a_failure_is_reported_and_the_old_backups_are_kept(nightly: Nightly) -> None:
    nightly.take()
    nightly.environ["DATABASE_BACKUP_URL"] = nightly.environ["DATABASE_URL"]

    nightly.take()

    assert len(daily.complete_backups(nightly.settings.folder)) == 1
    assert nightly.memory.tried != nightly.memory.succeeded
    assert daily.report_all(nightly.settings, nightly.memory) == ""
    assert [row[0] for row in nightly.reported()] == [True, False]


def test_an_undelivered_report_is_delivered_later_and_once(nightly: Nightly, monkeypatch: pytest.MonkeyPatch) -> None:
    unreachable = nightly.settings.__class__(
        **{**vars(nightly.settings), "report_url": "http://127.0.0.1:9/api/core/backups"}
    )
    nightly.take()
    assert "cannot be reached" in daily.report_all(unreachable, nightly.memory)

    reloaded = Memory.of(nightly.memory.file)
    assert (reloaded.succeeded, len(reloaded.untold)) == (nightly.memory.succeeded, 1)
    for _ in range(2):
        assert daily.report_all(nightly.settings, Memory.of(nightly.memory.file)) == ""
    assert daily.report_all(nightly.settings, reloaded) == ""
    assert len(nightly.reported()) == 1


@pytest.mark.parametrize("content", ["", "{", "[]", '{"succeeded": 5, "tried": null, "untold": []}'])
def test_an_unreadable_memory_file_counts_as_empty(tmp_path: Path, content: str) -> None:
    file = tmp_path / "daily.json"
    file.write_text(content)

    assert Memory.of(file) == Memory(file)


@pytest.fixture
def rehearsed(nightly: Nightly, running_servers: Home) -> Iterator[Nightly]:
    servers.create_database(running_servers, "genba_scratch")
    nightly.environ["DATABASE_REHEARSAL_URL"] = servers.url(running_servers, "owner", "genba_scratch")
    yield nightly
    cluster.drop_database(running_servers, "genba_scratch")


@pytest.mark.deep
def test_a_backup_is_restored_compared_and_deleted_once_a_week(rehearsed: Nightly) -> None:
    def rehearsals() -> list[bool]:
        return [report["ok"] for report in rehearsed.memory.untold if report.get("kind") == "rehearsal"]

    def take() -> None:
        clocks.sleep(1)  # the name of a backup contains the second
        rehearsed.take()

    take()
    take()

    assert rehearsals() == [True]
    with psycopg.connect(rehearsed.environ["DATABASE_REHEARSAL_URL"]) as scratch:
        assert contents.is_empty(scratch)
    assert rehearsed.memory.rehearsed is not None

    rehearsed.memory.rehearsed -= timedelta(days=7)
    take()

    assert rehearsals() == [True, True]


def test_a_rehearsal_never_touches_the_production_database(
    rehearsed: Nightly, capsys: pytest.CaptureFixture[str]
) -> None:
    rehearsed.environ["DATABASE_REHEARSAL_URL"] = rehearsed.environ["DATABASE_OWNER_URL"]

    rehearsed.take()

    assert rehearsed.memory.untold[-1]["ok"] is False
    assert "it needs its own" in capsys.readouterr().out
    with psycopg.connect(rehearsed.environ["DATABASE_OWNER_URL"]) as real:
        assert not contents.is_empty(real)


def test_the_newest_backups_of_days_weeks_and_months_are_kept() -> None:
    days = [datetime(2026, 9, 1) + n * DAY for n in range(83)]  # noqa: DTZ001  # for names; until Sunday 22 November
    names = [f"daily-{day:%Y%m%d}-030000" for day in days]

    kept = daily.names_to_keep(names, keep=3, weeks=3, months=3)

    assert sorted(name[6:14] for name in kept) == [
        *("20260930", "20261031"),  # the last days of those months
        *("20261108", "20261115"),  # Sundays
        *("20261120", "20261121", "20261122"),
    ]
    assert daily.names_to_keep(names, keep=3, weeks=0, months=0) == set(names[-3:])


def test_daily_deletion_keeps_the_same_backups_as_one_deletion_at_the_end() -> None:
    """No day deletes a backup that a later day has to keep."""
    days = [datetime(2026, 1, 1) + n * DAY for n in range(400)]  # noqa: DTZ001  # for names
    all_names = [f"daily-{day:%Y%m%d}-030000" for day in days]
    present: list[str] = []
    for name in all_names:
        kept = daily.names_to_keep([*present, name], keep=7, weeks=4, months=6)
        present = sorted(kept)

    assert present == sorted(daily.names_to_keep(all_names, keep=7, weeks=4, months=6))


def test_a_drill_restores_the_newest_backup_and_prints_the_minutes(
    rehearsed: Nightly, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BACKUP_KEY", sealing.generate_key()[0])
    rehearsed.environ |= {"BACKUP_KEY": os.environ["BACKUP_KEY"], "DATABASE_REHEARSAL_URL": ""}
    monkeypatch.setenv("DATABASE_REHEARSAL_URL", servers.url(rehearsed.home, "owner", "genba_scratch"))
    monkeypatch.setenv("WATCHDOG_TOKEN", rehearsed.settings.token)
    rehearsed.take()

    assert drill(rehearsed.home, None) == 0, capsys.readouterr().out

    assert re.search(r"Restored \d+ rows from .*daily-.* in \d+\.\d minutes, of 24 hours", capsys.readouterr().out)
    reports = rehearsed.service.rows(
        "SELECT kind, ok, seconds FROM backups WHERE source = %s", rehearsed.settings.source
    )
    assert [(kind, ok) for kind, ok, _ in reports] == [("rehearsal", True)]
    assert 0 < reports[0][2] < 60  # type: ignore[operator]


def test_a_failed_drill_is_reported_and_a_concurrent_one_is_refused(
    rehearsed: Nightly, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    scratch = servers.url(rehearsed.home, "owner", "genba_scratch")
    monkeypatch.setenv("DATABASE_REHEARSAL_URL", scratch)
    rehearsed.environ["DATABASE_REHEARSAL_URL"] = ""
    rehearsed.take()
    with psycopg.connect(scratch) as other:
        other.execute("SELECT pg_advisory_lock(%s)", [rehearsal.LOCK])
        assert drill(rehearsed.home, None) == 1
    assert "try again later" in capsys.readouterr().out

    (daily.complete_backups(rehearsed.settings.folder)[-1] / backup.DUMP).write_bytes(b"")
    assert drill(rehearsed.home, None) == 1

    assert "has changed since it was backed up" in capsys.readouterr().out
    reports = rehearsed.service.rows("SELECT kind, ok FROM backups WHERE source = %s", rehearsed.settings.source)
    assert reports == [("rehearsal", False)]
