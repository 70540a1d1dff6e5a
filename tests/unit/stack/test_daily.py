"""The daily backup: when it is due, what stays, and what the service hears of it, on a real database."""

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
from tests.conftest import Service, committed_database

AT = time(3, 0)
THREE = datetime(2026, 11, 21, 3, 0, tzinfo=daily.TOKYO)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def test_the_first_one_is_taken_as_soon_as_everything_is_up() -> None:
    assert next_backup_at(AT, THREE, None, None) == THREE + FIRST_BACKUP_DELAY


@pytest.mark.parametrize("taken", [THREE + MINUTE, THREE + 15 * HOUR, THREE + DAY - MINUTE])
def test_the_next_one_is_taken_at_the_next_three_oclock_of_tokyo(taken: datetime) -> None:
    assert next_backup_at(AT, THREE, taken.astimezone(UTC), taken) == THREE + DAY


def test_a_machine_that_was_off_at_that_time_makes_up_for_it() -> None:
    begun = THREE + 6 * HOUR

    assert next_backup_at(AT, begun, THREE - DAY, THREE - DAY) == begun + FIRST_BACKUP_DELAY


def test_one_that_failed_is_tried_again_soon_and_a_restart_does_not_hurry_it() -> None:
    failed = THREE + MINUTE

    assert next_backup_at(AT, THREE - DAY, THREE - DAY, failed) == failed + RETRY_DELAY
    assert next_backup_at(AT, failed + MINUTE, THREE - DAY, failed) == failed + RETRY_DELAY
    assert next_backup_at(AT, THREE - DAY, None, failed) == failed + RETRY_DELAY


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("BACKUP_AT", "25:00"), ("BACKUP_AT", "3am"), ("BACKUP_KEEP", "0"), ("BACKUP_FOLDER", "backups")),
        *(("BACKUP_KEEP_WEEKS", "x"), ("BACKUP_KEEP_MONTHS", "-1"), ("BACKUP_KEY", "secret")),
    ],
)
def test_settings_that_cannot_be_are_refused_by_name(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(ValueError, match=name):
        daily.settings(environment(Home(tmp_path)) | {name: value})


class Nightly:
    """A database with data, the service that is told, and the program's own functions."""

    def __init__(self, home: Home, folder: Path, service: Service, patch: pytest.MonkeyPatch) -> None:
        patch.setenv("DATABASE_BACKUP_URL", servers.url(home, "backup", "genba_nightly"))
        patch.setenv("DATABASE_URL", servers.url(home, "app", "genba_nightly"))
        patch.setenv("DATABASE_OWNER_URL", servers.url(home, "owner", "genba_nightly"))
        # One test asks for it: to restore takes seconds.
        patch.delenv("DATABASE_REHEARSAL_URL", raising=False)
        patch.setenv("BACKUP_FOLDER", str(folder / "kept"))
        patch.setenv("BACKUP_KEEP", "2")
        patch.setenv("SERVICE_URL", service.url)
        self.home, self.service, self.environ = home, service, environment(home)
        self.how = daily.settings(self.environ)
        self.memory = Memory.of(folder / "daily.json")

    def take(self) -> None:
        daily.take_backup(self.how, self.home, self.environ, self.memory)

    def told(self) -> list[tuple[object, ...]]:
        return self.service.rows("SELECT ok, bytes, kept FROM backups WHERE source = %s ORDER BY at", self.how.source)


@pytest.fixture
def nightly(
    running_servers: Home, tmp_path: Path, service: Service, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Nightly]:
    monkeypatch.setenv("WATCHDOG_SOURCE", tmp_path.name)
    with committed_database(running_servers, "genba_nightly"):
        yield Nightly(running_servers, tmp_path, service, monkeypatch)


def test_backups_are_whole_the_newest_stay_and_a_persons_own_are_left_alone(
    nightly: Nightly, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = nightly.how.folder
    mine, half = kept / "genba-20261101-120000", kept / f"daily-20200101-030000{backup.PARTIAL_SUFFIX}"
    for folder in (mine, half):
        folder.mkdir(parents=True)
        (folder / backup.CHECKSUMS).touch()
    for number in range(2):
        old = kept / f"daily-2020010{number + 1}-030000"
        old.mkdir()
        (old / backup.CHECKSUMS).touch()

    nightly.take()

    names = sorted(folder.name for folder in kept.iterdir())
    assert names[0] == "daily-20200102-030000"
    assert names[1].startswith("daily-20")
    assert names[2:] == [mine.name]
    newest = kept / names[1]
    assert {file.name for file in newest.iterdir()} >= {backup.CHECKSUMS, backup.MANIFEST, backup.DUMP}
    assert json.loads((newest / backup.MANIFEST).read_text())["tables"]["public.users"]["rows"] == 0
    assert newest.stat().st_mode & 0o077 == 0

    assert daily.report_all(nightly.how, nightly.memory) == ""
    [(ok, size, left)] = nightly.told()
    assert (ok, left) == (True, 2)
    assert size == sum(file.stat().st_size for file in newest.iterdir())


def test_a_failure_is_told_and_the_old_ones_stay(nightly: Nightly) -> None:
    nightly.take()
    nightly.environ["DATABASE_BACKUP_URL"] = nightly.environ["DATABASE_URL"]

    nightly.take()

    assert len(daily.complete_backups(nightly.how.folder)) == 1
    assert nightly.memory.tried != nightly.memory.succeeded
    assert daily.report_all(nightly.how, nightly.memory) == ""
    assert [row[0] for row in nightly.told()] == [True, False]


def test_what_the_service_did_not_hear_is_told_later_and_once(
    nightly: Nightly, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = nightly.how.__class__(**{**vars(nightly.how), "report_url": "http://127.0.0.1:9/api/core/backups"})
    nightly.take()
    assert "cannot be reached" in daily.report_all(away, nightly.memory)

    again = Memory.of(nightly.memory.file)
    assert (again.succeeded, len(again.untold)) == (nightly.memory.succeeded, 1)
    for _ in range(2):
        assert daily.report_all(nightly.how, Memory.of(nightly.memory.file)) == ""
    assert daily.report_all(nightly.how, again) == ""
    assert len(nightly.told()) == 1


@pytest.mark.parametrize("content", ["", "{", "[]", '{"succeeded": 5, "tried": null, "untold": []}'])
def test_a_memory_that_cannot_be_read_is_as_good_as_none(tmp_path: Path, content: str) -> None:
    file = tmp_path / "daily.json"
    file.write_text(content)

    assert Memory.of(file) == Memory(file)


@pytest.fixture
def rehearsed(nightly: Nightly, running_servers: Home) -> Iterator[Nightly]:
    servers.create_database(running_servers, "genba_scratch")
    nightly.environ["DATABASE_REHEARSAL_URL"] = servers.url(running_servers, "owner", "genba_scratch")
    yield nightly
    servers.drop_database(running_servers, "genba_scratch")


@pytest.mark.deep
def test_a_backup_is_restored_once_a_week_compared_and_cleared_away(rehearsed: Nightly) -> None:
    def rehearsals() -> list[bool]:
        return [one["ok"] for one in rehearsed.memory.untold if one.get("kind") == "rehearsal"]

    def take() -> None:
        clocks.sleep(1)  # a backup's name tells its second
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


def test_a_rehearsal_never_touches_the_database_that_genba_works_with(
    rehearsed: Nightly, capsys: pytest.CaptureFixture[str]
) -> None:
    rehearsed.environ["DATABASE_REHEARSAL_URL"] = rehearsed.environ["DATABASE_OWNER_URL"]

    rehearsed.take()

    assert rehearsed.memory.untold[-1]["ok"] is False
    assert "it needs its own" in capsys.readouterr().out
    with psycopg.connect(rehearsed.environ["DATABASE_OWNER_URL"]) as real:
        assert not contents.is_empty(real)


def test_the_newest_ones_stay_and_the_newest_of_some_weeks_and_months() -> None:
    days = [datetime(2026, 9, 1) + n * DAY for n in range(83)]  # noqa: DTZ001  # names of days; until Sunday 22 November
    names = [f"daily-{day:%Y%m%d}-030000" for day in days]

    stay = daily.names_to_keep(names, keep=3, weeks=3, months=3)

    assert sorted(name[6:14] for name in stay) == [
        *("20260930", "20261031"),  # the last days of those months
        *("20261108", "20261115"),  # Sundays
        *("20261120", "20261121", "20261122"),
    ]
    assert daily.names_to_keep(names, keep=3, weeks=0, months=0) == set(names[-3:])


def test_what_stays_day_by_day_is_what_stays_at_the_end() -> None:
    """Nothing that a later day needs was cleared away by an earlier one."""
    days = [datetime(2026, 1, 1) + n * DAY for n in range(400)]  # noqa: DTZ001  # names of days
    every = [f"daily-{day:%Y%m%d}-030000" for day in days]
    there: list[str] = []
    for name in every:
        stay = daily.names_to_keep([*there, name], keep=7, weeks=4, months=6)
        there = sorted(stay)

    assert there == sorted(daily.names_to_keep(every, keep=7, weeks=4, months=6))


def test_a_drill_restores_the_newest_and_tells_the_minutes(
    rehearsed: Nightly, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BACKUP_KEY", sealing.generate_key()[0])
    rehearsed.environ |= {"BACKUP_KEY": os.environ["BACKUP_KEY"], "DATABASE_REHEARSAL_URL": ""}
    monkeypatch.setenv("DATABASE_REHEARSAL_URL", servers.url(rehearsed.home, "owner", "genba_scratch"))
    monkeypatch.setenv("WATCHDOG_TOKEN", rehearsed.how.token)
    rehearsed.take()

    assert drill(rehearsed.home, None) == 0, capsys.readouterr().out

    assert re.search(r"Restored \d+ rows from .*daily-.* in \d+\.\d minutes, of 24 hours", capsys.readouterr().out)
    told = rehearsed.service.rows("SELECT kind, ok, seconds FROM backups WHERE source = %s", rehearsed.how.source)
    assert [(kind, ok) for kind, ok, _ in told] == [("rehearsal", True)]
    assert 0 < told[0][2] < 60  # type: ignore[operator]


def test_a_drill_that_fails_is_told_and_one_beside_another_is_refused(
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

    (daily.complete_backups(rehearsed.how.folder)[-1] / backup.DUMP).write_bytes(b"")
    assert drill(rehearsed.home, None) == 1

    assert "has changed since it was backed up" in capsys.readouterr().out
    told = rehearsed.service.rows("SELECT kind, ok FROM backups WHERE source = %s", rehearsed.how.source)
    assert told == [("rehearsal", False)]
