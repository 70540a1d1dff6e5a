"""Row `backup` of `make bench`: 20,000 terminals and a year of data, backed up, and restored as `make drill` does."""

from __future__ import annotations

import shutil
import time

from stack import backup, rehearsal, sealing, servers
from stack.drill import TARGET_HOURS
from stack.programs import REHEARSAL
from tests.load import past
from tests.load.environment import TERMINALS, BenchEnvironment
from tests.load.rows import Claim, RowResult

# The single heartbeats that such a fleet stores for FLEET_HEARTBEAT_KEEP_DAYS; the test data has one day of them.
HEARTBEATS = TERMINALS * 288 * 35
# A machine that is half as fast must still be in time.
WITHIN_HOURS = TARGET_HOURS / 2


def claims(environment: BenchEnvironment) -> RowResult:
    with environment.owner_connection() as connection:
        past.add_year(connection)
    servers.create_database(environment.home, REHEARSAL)
    environ = environment.environ | {
        "DATABASE_BACKUP_URL": servers.url(environment.home, "backup"),
        "DATABASE_REHEARSAL_URL": servers.url(environment.home, "owner", REHEARSAL),
    }
    [[db_bytes]] = environment.rows("SELECT pg_database_size(current_database())")
    lines = [
        f"| a backup of {TERMINALS:,} terminals and a year, {db_bytes / 1e9:.1f} GB in the database | rows | GB | "
        "taken in | restored and compared in |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for kind, key in (("open", ""), ("sealed", sealing.generate_key()[0])):
        environ["BACKUP_KEY"] = key
        folder = environment.home.path / f"backup-{kind}"
        started_at = time.monotonic()
        backup.write_backup(environment.home, environ, folder)
        backup_seconds, started_at = time.monotonic() - started_at, time.monotonic()
        rows = rehearsal.rehearse(environment.home, environ, folder)
        restore_seconds = time.monotonic() - started_at
        size = sum(file.stat().st_size for file in folder.iterdir())
        shutil.rmtree(folder)
        lines.append(
            f"| {kind} | {rows:,} | {size / 1e9:.2f} | {backup_seconds / 60:.1f} min | {restore_seconds / 60:.1f} min |"
        )
    hours = (rows + HEARTBEATS) / rows * restore_seconds / 3600
    return lines, [
        Claim.under(60, "min", f"{rows:,} rows restored and compared", restore_seconds / 60, digits=1),
        Claim.under(
            WITHIN_HOURS, "h", f"with all {HEARTBEATS:,} heartbeats of five weeks, at that rate,", hours, digits=1
        ),
    ]
