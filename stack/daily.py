"""The daily backup: takes it at its time, keeps the newest and some older ones, restores one every week as a test, and
reports the results to the service, again until it has received them.

A machine that was off at that time takes the backup when it is back. A failed backup is tried again soon.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sys
import time as clocks
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from stack import backup, rehearsal, sealing
from stack.home import ROOT, Home, home
from stack.programs import BACKUPS_OFF, environment
from stack.watchdog import post_report, source

TOKYO = ZoneInfo("Asia/Tokyo")
# The other programs start first. The very first backup is taken at this time too, so that the operator sees at once
# that it works.
FIRST_BACKUP_DELAY = timedelta(minutes=2)
RETRY_DELAY = timedelta(minutes=15)
# With the daily backup of the same hour.
REHEARSAL_INTERVAL = timedelta(days=6, hours=12)
POLL_SECONDS = 20
MAX_KEEP = 1000
PREFIX = "daily-"
# Reports that the service has not received: a month of failures at most.
MAX_UNREPORTED = 3000


@dataclass(frozen=True)
class Settings:
    """`at`: time of day in Tokyo. Stored are the newest `keep` backups, and the newest of each of the last `weeks` and
    `months`."""

    at: time
    keep: int
    weeks: int
    months: int
    folder: Path
    source: str
    report_url: str
    token: str


def settings(environ: Mapping[str, str]) -> Settings:
    """Raises ValueError, with a message for the user, for invalid values."""
    at = environ["BACKUP_AT"]
    if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", at):
        raise ValueError(f"BACKUP_AT must be a time like 03:00, or {BACKUPS_OFF}, not {at!r}.")
    keep_newest, weeks, months = (
        _number(environ, name, least) for name, least in (("", 1), ("_WEEKS", 0), ("_MONTHS", 0))
    )
    sealing.parse_keys(environ.get("BACKUP_KEY", ""))
    folder = Path(environ.get("BACKUP_FOLDER") or ROOT / "backups")
    if not folder.is_absolute():
        raise ValueError(f"BACKUP_FOLDER must begin with a /, not {str(folder)!r}.")
    report_url = f"{environ['SERVICE_URL']}/api/core/backups"
    source_name, token = source(environ), environ["WATCHDOG_TOKEN"]
    return Settings(time.fromisoformat(at), keep_newest, weeks, months, folder, source_name, report_url, token)


def _number(environ: Mapping[str, str], suffix: str, minimum: int) -> int:
    name = f"BACKUP_KEEP{suffix}"
    if not environ[name].isdecimal() or not minimum <= int(environ[name]) <= MAX_KEEP:
        raise ValueError(f"{name} must be a number from {minimum} to {MAX_KEEP}, not {environ[name]!r}.")
    return int(environ[name])


TIMESTAMPS = ("succeeded", "tried", "rehearsed")


@dataclass
class Memory:
    """Stored state: when the last backup succeeded, was tried and was restored as a test, and the reports that were not
    sent yet."""

    file: Path
    succeeded: datetime | None = None
    tried: datetime | None = None
    rehearsed: datetime | None = None
    untold: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def of(cls, file: Path) -> Memory:
        """An unreadable file counts as none: one backup too many is taken."""
        try:
            stored = json.loads(file.read_text())
            # An earlier version did not store all of them.
            values = {**dict.fromkeys(TIMESTAMPS), **stored}
            timestamps = {name: datetime.fromisoformat(values[name]) if values[name] else None for name in TIMESTAMPS}
            return cls(file, untold=list(stored["untold"]), **timestamps)
        except (OSError, ValueError, KeyError, TypeError):
            return cls(file)

    def keep(self) -> None:
        values: dict[str, Any] = {name: timestamp and timestamp.isoformat() for name, timestamp in self._timestamps()}
        values["untold"] = self.untold[-MAX_UNREPORTED:]
        partial_file = self.file.with_suffix(".part")
        partial_file.write_text(json.dumps(values))
        partial_file.rename(self.file)

    def _timestamps(self) -> list[tuple[str, datetime | None]]:
        return [(name, getattr(self, name)) for name in TIMESTAMPS]


def next_backup_at(at: time, started_at: datetime, succeeded: datetime | None, tried: datetime | None) -> datetime:
    """When to take the next backup. `started_at`: when this program started."""
    earliest = started_at + FIRST_BACKUP_DELAY
    if tried is not None and tried != succeeded:
        earliest = max(earliest, tried + RETRY_DELAY)
    return earliest if succeeded is None else max(earliest, _next(at, succeeded))


def _next(at: time, after: datetime) -> datetime:
    local = after.astimezone(TOKYO)
    same_day = datetime.combine(local.date(), at, TOKYO)
    return same_day if same_day > local else same_day + timedelta(days=1)


def take_backup(config: Settings, home: Home, environ: dict[str, str], memory: Memory) -> None:
    """Takes one backup; success or failure is reported."""
    started_at, clock_start = datetime.now(UTC), clocks.monotonic()
    delete_unfinished(config.folder)
    size = None
    with backup.print_errors():
        folder = config.folder / f"{PREFIX}{started_at.astimezone(TOKYO):%Y%m%d-%H%M%S}"
        backup.write_backup(home, environ, folder)
        size = sum(file.stat().st_size for file in folder.iterdir())
        memory.succeeded = started_at
        print(f"backed up to {folder}, {size} bytes", flush=True)
    memory.tried = started_at
    stored_count = delete_old(config)
    seconds = round(clocks.monotonic() - clock_start, 1)
    memory.untold.append(
        {"at": started_at.isoformat(), "seconds": seconds, "ok": size is not None, "bytes": size, "kept": stored_count}
    )
    memory.keep()
    encryption_keys = sealing.parse_keys(environ.get("BACKUP_KEY", ""))
    # What a public key has encrypted can only be decrypted elsewhere.
    if (
        size is not None
        and environ.get("DATABASE_REHEARSAL_URL")
        and (encryption_keys is None or encryption_keys.secret)
    ):
        _rehearse(folder, size, home, environ, memory)


def _rehearse(folder: Path, size: int, home: Home, environ: dict[str, str], memory: Memory) -> None:
    """Restores the new backup as a test, if the last test was a week ago. A failed test is repeated with the next
    backup."""
    started_at, clock_start = datetime.now(UTC), clocks.monotonic()
    if memory.rehearsed is not None and started_at - memory.rehearsed < REHEARSAL_INTERVAL:
        return
    restored = None
    with backup.print_errors():
        restored = rehearsal.rehearse(home, environ, folder)
        memory.rehearsed = started_at
        print(f"restored {folder} to see that it can be: {restored} rows, all the same", flush=True)
    seconds = round(clocks.monotonic() - clock_start, 1)
    report = {"kind": "rehearsal", "at": started_at.isoformat(), "seconds": seconds, "kept": 0}
    memory.untold.append(report | {"ok": restored is not None, "bytes": size if restored is not None else None})
    memory.keep()


def complete_backups(folder: Path) -> list[Path]:
    """The complete daily backups, the oldest first; backups that an operator made by hand are not included."""
    folders = folder.glob(f"{PREFIX}{'[0-9]' * 8}-*") if folder.is_dir() else []
    return sorted(
        path
        for path in folders
        if (path / backup.CHECKSUMS).is_file() and not path.name.endswith(backup.PARTIAL_SUFFIX)
    )


def delete_old(config: Settings) -> int:
    """Deletes old backups; returns how many remain."""
    backups = complete_backups(config.folder)
    kept_names = names_to_keep([path.name for path in backups], config.keep, config.weeks, config.months)
    for path in backups:
        if path.name not in kept_names:
            shutil.rmtree(path, ignore_errors=True)
    return len(complete_backups(config.folder))


def names_to_keep(names: list[str], keep: int, weeks: int, months: int) -> set[str]:
    """The names to keep, given the oldest first: the newest ones, and the newest of each of the last weeks (which begin
    on Monday) and months that have one. Weeks and months without backups are not counted, so the last backup is never
    deleted."""
    kept_names = set(names[-keep:])
    for count, period_of in ((weeks, _week), (months, _month)):
        newest = {period_of(name): name for name in names}  # A later backup of the same period replaces it.
        kept_names |= set(list(newest.values())[-count:] if count else ())
    return kept_names


def _week(name: str) -> tuple[int, int]:
    return datetime.strptime(_day(name), "%Y%m%d").isocalendar()[:2]  # noqa: DTZ007  # a day, as it is in Tokyo


def _month(name: str) -> str:
    return _day(name)[:6]


def _day(name: str) -> str:
    return name.removeprefix(PREFIX)[:8]


def delete_unfinished(folder: Path) -> None:
    for path in folder.glob(f"{PREFIX}*{backup.PARTIAL_SUFFIX}"):
        shutil.rmtree(path, ignore_errors=True)


def report_all(config: Settings, memory: Memory) -> str:
    """Sends the reports that the service has not received, the oldest first. Returns why it could not, or ""."""
    while memory.untold:
        error = post_report(
            config.report_url, config.token, {"source": config.source} | memory.untold[0], timeout_seconds=10
        )
        if error:
            return error
        del memory.untold[0]
        memory.keep()
    return ""


def main() -> int:
    # A normal termination during a backup leaves no partial folder behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    genba_home = home()
    genba_home.prepare()
    environ = environment(genba_home)
    try:
        config = settings(environ)
    except ValueError as error:
        print(error)
        return 1
    memory, started_at, last_error = Memory.of(genba_home.path / "daily-backup.json"), datetime.now(UTC), ""
    os.umask(0o077)
    while True:
        if datetime.now(UTC) >= next_backup_at(config.at, started_at, memory.succeeded, memory.tried):
            take_backup(config, genba_home, environ, memory)
        report_error = report_all(config, memory)
        if report_error != last_error:
            print(f"telling the service: {report_error or 'ok'}", flush=True)
        last_error = report_error
        clocks.sleep(POLL_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
