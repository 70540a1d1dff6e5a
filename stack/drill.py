"""`make drill`: how long it takes to be back. The newest backup is restored beside the data in use, compared, and
cleared away; the minutes are told to システム状態."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

from stack import backup, daily, rehearsal
from stack.home import Home
from stack.programs import environment
from stack.watchdog import tell

# What the document of the fleet allows (service.core.backups.RESTORED_WITHIN).
TARGET_HOURS = 24


def drill(place: Home, folder: Path | None) -> int:
    place.prepare()
    environ = environment(place)
    how = daily.settings(environ)
    with backup.in_words():
        if not environ.get("DATABASE_REHEARSAL_URL"):
            raise backup.Refused(
                "DATABASE_REHEARSAL_URL is missing: an empty database of genba_owner's to restore into."
            )
        chosen = (folder or _newest(how)).absolute()
        began, begun = datetime.now(UTC), time.monotonic()
        try:
            restored = rehearsal.rehearse(place, environ, chosen)
        except rehearsal.Busy:
            raise
        except Exception:
            _tell(how, began, time.monotonic() - begun, None)
            raise
        seconds = time.monotonic() - begun
        _tell(how, began, seconds, sum(file.stat().st_size for file in chosen.iterdir()))
        print(
            f"Restored {restored} rows from {chosen} in {seconds / 60:.1f} minutes, of {TARGET_HOURS} hours that it "
            "may take. Every table and file is as it was backed up."
        )
        return 0
    return 1


def _newest(how: daily.Settings) -> Path:
    found = daily.whole(how.folder)
    if not found:
        raise backup.Refused(f"There is no daily backup in {how.folder} yet. Which one? make drill FROM=folder")
    return found[-1]


def _tell(how: daily.Settings, began: datetime, seconds: float, size: int | None) -> None:
    told = {"kind": "rehearsal", "source": how.source, "at": began.isoformat(), "kept": 0}
    told |= {"seconds": round(seconds, 1), "ok": size is not None, "bytes": size}
    why_not = tell(how.tell_to, how.token, told, timeout_seconds=10)
    if why_not:
        print(f"システム状態 could not be told: {why_not}")
