"""Row `backup` of `make bench`: 20,000 terminals and a year, backed up, and restored as `make drill` does."""

from __future__ import annotations

import shutil
import time

from stack import backup, rehearsal, sealing, servers
from stack.drill import TARGET_HOURS
from stack.programs import REHEARSAL
from tests.load import past
from tests.load.ground import TERMINALS, Ground
from tests.load.rows import Goal, Part

# What such a fleet has of single heartbeats in FLEET_HEARTBEAT_KEEP_DAYS; the year that is made here has a day of them.
HEARTBEATS = TERMINALS * 288 * 35
# A machine that is half as fast may still be in time.
WITHIN_HOURS = TARGET_HOURS / 2


def claims(made: Ground) -> Part:
    with made.owner() as owner:
        past.add_year(owner)
    servers.create_database(made.home, REHEARSAL)
    environ = made.environ | {
        "DATABASE_BACKUP_URL": servers.url(made.home, "backup"),
        "DATABASE_REHEARSAL_URL": servers.url(made.home, "owner", REHEARSAL),
    }
    [[held]] = made.rows("SELECT pg_database_size(current_database())")
    lines = [
        f"| a backup of {TERMINALS:,} terminals and a year, {held / 1e9:.1f} GB in the database | rows | GB | "
        "taken in | restored and compared in |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for words, key in (("open", ""), ("sealed", sealing.generate_key()[0])):
        environ["BACKUP_KEY"] = key
        folder = made.home.path / f"backup-{words}"
        begun = time.monotonic()
        backup.write_backup(made.home, environ, folder)
        taken, begun = time.monotonic() - begun, time.monotonic()
        rows = rehearsal.rehearse(made.home, environ, folder)
        restored = time.monotonic() - begun
        size = sum(file.stat().st_size for file in folder.iterdir())
        shutil.rmtree(folder)
        lines.append(f"| {words} | {rows:,} | {size / 1e9:.2f} | {taken / 60:.1f} min | {restored / 60:.1f} min |")
    hours = (rows + HEARTBEATS) / rows * restored / 3600
    return lines, [
        Goal(f"{rows:,} rows restored and compared within an hour", f"{restored / 60:.1f} min", restored < 3600),
        Goal(
            f"with all {HEARTBEATS:,} heartbeats of five weeks, at that rate, under {WITHIN_HOURS:.0f} h",
            f"{hours:.1f} h",
            hours < WITHIN_HOURS,
        ),
    ]
