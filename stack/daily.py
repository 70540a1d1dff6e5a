"""The daily backup: taken at its time, the newest ones and some older ones kept, once a week restored to see that it
can be, and the service told how it went, until it has heard it.

A machine that was off at that time makes up for it when it is back. A backup that fails is tried again soon.
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
from stack.watchdog import source, tell

TOKYO = ZoneInfo("Asia/Tokyo")
# The others come up first. The very first backup is taken then too: nobody has to wait a night to see that it works.
FIRST_AFTER = timedelta(minutes=2)
AGAIN_AFTER = timedelta(minutes=15)
# With the daily one of the same hour.
REHEARSED_EVERY = timedelta(days=6, hours=12)
LOOK_SECONDS = 20
MOST_KEPT = 1000
PREFIX = "daily-"
# What the service has not heard of yet: a month of failures at most.
MOST_UNTOLD = 3000


@dataclass(frozen=True)
class Settings:
    """`at`: time of day in Tokyo. Of the newest `keep` stay, and of each of so many weeks and months the newest one."""

    at: time
    keep: int
    weeks: int
    months: int
    folder: Path
    source: str
    tell_to: str
    token: str


def settings(environ: Mapping[str, str]) -> Settings:
    """Raises ValueError, in words, for what cannot be."""
    at = environ["BACKUP_AT"]
    if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", at):
        raise ValueError(f"BACKUP_AT must be a time like 03:00, or {BACKUPS_OFF}, not {at!r}.")
    keep, weeks, months = (_number(environ, name, least) for name, least in (("", 1), ("_WEEKS", 0), ("_MONTHS", 0)))
    sealing.keys(environ.get("BACKUP_KEY", ""))
    folder = Path(environ.get("BACKUP_FOLDER") or ROOT / "backups")
    if not folder.is_absolute():
        raise ValueError(f"BACKUP_FOLDER must begin with a /, not {str(folder)!r}.")
    tell_to = f"{environ['SERVICE_URL']}/api/core/backups"
    who, token = source(environ), environ["WATCHDOG_TOKEN"]
    return Settings(time.fromisoformat(at), keep, weeks, months, folder, who, tell_to, token)


def _number(environ: Mapping[str, str], of: str, least: int) -> int:
    name = f"BACKUP_KEEP{of}"
    if not environ[name].isdecimal() or not least <= int(environ[name]) <= MOST_KEPT:
        raise ValueError(f"{name} must be a number from {least} to {MOST_KEPT}, not {environ[name]!r}.")
    return int(environ[name])


MOMENTS = ("succeeded", "tried", "rehearsed")


@dataclass
class Memory:
    """What outlives a restart: when the last one succeeded, when one was tried last, when one was last restored, and
    what is not told yet."""

    file: Path
    succeeded: datetime | None = None
    tried: datetime | None = None
    rehearsed: datetime | None = None
    untold: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def of(cls, file: Path) -> Memory:
        """An unreadable file is as good as none: one backup too many is taken."""
        try:
            known = json.loads(file.read_text())
            # What an earlier version did not keep is not known yet.
            told = {**dict.fromkeys(MOMENTS), **known}
            moments = {name: datetime.fromisoformat(told[name]) if told[name] else None for name in MOMENTS}
            return cls(file, untold=list(known["untold"]), **moments)
        except (OSError, ValueError, KeyError, TypeError):
            return cls(file)

    def keep(self) -> None:
        known: dict[str, Any] = {name: moment and moment.isoformat() for name, moment in self._moments()}
        known["untold"] = self.untold[-MOST_UNTOLD:]
        building = self.file.with_suffix(".part")
        building.write_text(json.dumps(known))
        building.rename(self.file)

    def _moments(self) -> list[tuple[str, datetime | None]]:
        return [(name, getattr(self, name)) for name in MOMENTS]


def due(at: time, begun: datetime, succeeded: datetime | None, tried: datetime | None) -> datetime:
    """When the next backup is to be taken. `begun`: when this program started."""
    earliest = begun + FIRST_AFTER
    if tried is not None and tried != succeeded:
        earliest = max(earliest, tried + AGAIN_AFTER)
    return earliest if succeeded is None else max(earliest, _next(at, succeeded))


def _next(at: time, after: datetime) -> datetime:
    local = after.astimezone(TOKYO)
    same_day = datetime.combine(local.date(), at, TOKYO)
    return same_day if same_day > local else same_day + timedelta(days=1)


def take(how: Settings, place: Home, environ: dict[str, str], memory: Memory) -> None:
    """One backup, whatever comes of it."""
    began, begun = datetime.now(UTC), clocks.monotonic()
    clear_unfinished(how.folder)
    size = None
    with backup.in_words():
        folder = how.folder / f"{PREFIX}{began.astimezone(TOKYO):%Y%m%d-%H%M%S}"
        backup.make(place, environ, folder)
        size = sum(file.stat().st_size for file in folder.iterdir())
        memory.succeeded = began
        print(f"backed up to {folder}, {size} bytes", flush=True)
    memory.tried = began
    kept = clear_old(how)
    seconds = round(clocks.monotonic() - begun, 1)
    memory.untold.append(
        {"at": began.isoformat(), "seconds": seconds, "ok": size is not None, "bytes": size, "kept": kept}
    )
    memory.keep()
    known = sealing.keys(environ.get("BACKUP_KEY", ""))
    # What a public key has sealed can only be opened elsewhere.
    if size is not None and environ.get("DATABASE_REHEARSAL_URL") and (known is None or known.secret):
        _rehearse(folder, size, place, environ, memory)


def _rehearse(folder: Path, size: int, place: Home, environ: dict[str, str], memory: Memory) -> None:
    """The backup just taken, if the last rehearsal was a week ago. One that fails is tried again with the next."""
    began, begun = datetime.now(UTC), clocks.monotonic()
    if memory.rehearsed is not None and began - memory.rehearsed < REHEARSED_EVERY:
        return
    restored = None
    with backup.in_words():
        restored = rehearsal.rehearse(place, environ, folder)
        memory.rehearsed = began
        print(f"restored {folder} to see that it can be: {restored} rows, all the same", flush=True)
    seconds = round(clocks.monotonic() - begun, 1)
    told = {"kind": "rehearsal", "at": began.isoformat(), "seconds": seconds, "kept": 0}
    memory.untold.append(told | {"ok": restored is not None, "bytes": size if restored is not None else None})
    memory.keep()


def whole(folder: Path) -> list[Path]:
    """The daily backups there, the oldest first; a person's own are none of ours."""
    found = folder.glob(f"{PREFIX}{'[0-9]' * 8}-*") if folder.is_dir() else []
    return sorted(one for one in found if (one / backup.SUMS).is_file() and not one.name.endswith(backup.UNFINISHED))


def clear_old(how: Settings) -> int:
    """How many are left."""
    found = whole(how.folder)
    stay = staying([one.name for one in found], how.keep, how.weeks, how.months)
    for one in found:
        if one.name not in stay:
            shutil.rmtree(one, ignore_errors=True)
    return len(whole(how.folder))


def staying(names: list[str], keep: int, weeks: int, months: int) -> set[str]:
    """Of these, the oldest first: the newest ones, and the newest of each of the last weeks (they begin on Monday) and
    months that have one. A time without backups counts for nothing, so it never clears away the last."""
    stay = set(names[-keep:])
    for many, of in ((weeks, _week), (months, _month)):
        newest = {of(name): name for name in names}  # a later one of the same week takes its place
        stay |= set(list(newest.values())[-many:] if many else ())
    return stay


def _week(name: str) -> tuple[int, int]:
    return datetime.strptime(_day(name), "%Y%m%d").isocalendar()[:2]  # noqa: DTZ007  # a day, as it is in Tokyo


def _month(name: str) -> str:
    return _day(name)[:6]


def _day(name: str) -> str:
    return name.removeprefix(PREFIX)[:8]


def clear_unfinished(folder: Path) -> None:
    for one in folder.glob(f"{PREFIX}*{backup.UNFINISHED}"):
        shutil.rmtree(one, ignore_errors=True)


def tell_all(how: Settings, memory: Memory) -> str:
    """Tells the service what it has not heard yet, the oldest first. Returns why it could not, or nothing."""
    while memory.untold:
        why_not = tell(how.tell_to, how.token, {"source": how.source} | memory.untold[0], timeout_seconds=10)
        if why_not:
            return why_not
        del memory.untold[0]
        memory.keep()
    return ""


def main() -> int:
    # An ordered end in the middle of a backup leaves nothing half done behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    place = home()
    place.prepare()
    environ = environment(place)
    try:
        how = settings(environ)
    except ValueError as wrong:
        print(wrong)
        return 1
    memory, begun, said = Memory.of(place.path / "daily-backup.json"), datetime.now(UTC), ""
    os.umask(0o077)
    while True:
        if datetime.now(UTC) >= due(how.at, begun, memory.succeeded, memory.tried):
            take(how, place, environ, memory)
        why_not = tell_all(how, memory)
        if why_not != said:
            print(f"telling the service: {why_not or 'ok'}", flush=True)
        said = why_not
        clocks.sleep(LOOK_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
