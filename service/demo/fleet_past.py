"""The demo fleet's past month, made up: how it fared day by day, so that charts and reports have something to show.

The same for every demo: what happened to a terminal follows from its serial number. Raw heartbeats are not made up,
only the log of changes and what days look like once they were summed up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from random import Random

from sqlalchemy import insert, text, update
from sqlalchemy.orm import Session

from service.core.database import partitions
from service.core.database.clock import app_now
from service.core.values.times import day_bounds, local_date
from service.fleet.history.actions import mark_compacted, sum_up
from service.fleet.history.rules import DAY
from service.fleet.hours.actions import learn
from service.fleet.maintenance.models import Maintenance
from service.fleet.models import Day, Terminal, terminal_logs

DAYS = 31
# One store had its tills renewed, all of it for three hours.
WORK_STORE, WORK_DAY, WORK_HOUR, WORK_LASTS = "渋谷店", 10, 22, timedelta(hours=3)
# One store switches its PCs off for the night, in order.
NIGHTLY_STORE, OPENS, CLOSES, AGENT = "駅前店", 9, 21, "0.1.0"
# The readings of a day, made of the terminal and the day alone. A PC's disk fills slowly.
READINGS = text("""
UPDATE fleet_days SET
    heartbeats = (online_seconds + error_seconds + maintenance_seconds) / 300,
    closed_seconds = CASE WHEN s.closes < 24 THEN offline_seconds ELSE 0 END,
    offline_seconds = CASE WHEN s.closes < 24 THEN 0 ELSE offline_seconds END,
    cpu_average = 14 + h.own % 18 + h.day % 9, cpu_highest = 45 + h.own % 18 + h.day % 36,
    memory_average = 38 + h.own % 22 + h.day % 5, memory_highest = 55 + h.own % 22 + h.day % 14,
    disk_highest = 30 + h.own % 40 + (extract(epoch FROM begins_at - CAST(:since AS timestamptz)) / 604800)::int,
    first_heartbeat_at = begins_at + make_interval(hours => s.opens, secs => h.own % 300),
    last_heartbeat_at = begins_at + make_interval(hours => s.closes, secs => h.own % 300 - 300),
    heard_hours = (1 << s.closes) - (1 << s.opens),
    firmware_version = '1.0.0'
FROM (
    SELECT id, CASE WHEN store = :nightly THEN :opens ELSE 0 END AS opens,
        CASE WHEN store = :nightly THEN :closes ELSE 24 END AS closes
    FROM fleet_terminals
) AS s, (
    SELECT terminal_id AS id, begins_at AS at, abs(hashint8(terminal_id)::bigint) AS own,
        abs(hashint8(terminal_id * 100000 + extract(epoch FROM begins_at)::bigint / 86400)::bigint) AS day
    FROM fleet_days
) AS h
WHERE s.id = terminal_id AND h.id = terminal_id AND h.at = begins_at AND begins_at >= :since AND offline_seconds < 86400
""")


def fill(db: Session, terminals: Mapping[str, Terminal]) -> None:
    """For terminals (by serial number) that have just been registered: they have been there for a month."""
    now = app_now(db)
    today, _ = day_bounds(local_date(now))
    since = today - DAYS * DAY
    ids = [terminal.id for terminal in terminals.values()]
    db.execute(update(Terminal).where(Terminal.id.in_(ids)).values(created_at=since))
    lines = [line for serial, terminal in terminals.items() for line in _changes(serial, terminal, since, now)]
    db.execute(insert(terminal_logs), lines)
    for ago in range(DAYS, 0, -1):
        sum_up(db, today - ago * DAY, today - (ago - 1) * DAY)
    db.execute(READINGS, {"since": since, "nightly": NIGHTLY_STORE, "opens": OPENS, "closes": CLOSES})
    mark_compacted(db, today)
    learn(db, today)
    starts_at = since + WORK_DAY * DAY + timedelta(hours=WORK_HOUR)
    work = {"starts_at": starts_at, "ends_at": starts_at + WORK_LASTS, "reason": "レジ入れ替え", "ended_by": "システム"}
    work |= {"begun_at": starts_at, "ended_at": work["ends_at"], "created_at": starts_at - 2 * DAY}
    renewed = [one.id for one in terminals.values() if one.store_name.startswith(WORK_STORE)]
    db.execute(insert(Maintenance), [{"terminal_id": key} | work for key in renewed])
    for table in (terminal_logs.name, Day.__tablename__):
        partitions.create_partitions(db, table)


def _changes(serial: str, terminal: Terminal, since: datetime, now: datetime) -> Iterator[dict[str, object]]:
    """The log of a terminal that was installed on its first day, had a trouble now and then, and is not heard of until
    its agent starts."""
    status, nightly = "offline", terminal.store == NIGHTLY_STORE
    for at, new in _nights(since, now) if nightly else _course(serial, terminal, since, now):
        if new != status:
            line = {"terminal_id": terminal.id, "at": at, "kind": "status", "status": new}
            yield line | {"detail": {"from": status}}
            status = new
        if nightly and at < now:
            said = {"kind": "started", "detail": {"version": AGENT}} if new == "online" else {"kind": "shutdown"}
            yield {"terminal_id": terminal.id, "at": at, "status": None, "detail": None} | said


def _nights(since: datetime, now: datetime) -> Iterator[tuple[datetime, str]]:
    """Open every day, and offline in between."""
    for number in range(DAYS + 1):
        for hour, status in ((OPENS, "online"), (CLOSES, "offline")):
            at = since + number * DAY + timedelta(hours=hour)
            if at < now:
                yield at, status
    yield now, "offline"


def _course(serial: str, terminal: Terminal, since: datetime, now: datetime) -> Iterator[tuple[datetime, str]]:
    """Which status it came to, and when; a trouble that would meet the work at its store did not happen."""
    chance = Random(serial)
    at = since + timedelta(minutes=chance.randrange(30, 600))
    yield at, "online"
    work = since + WORK_DAY * DAY + timedelta(hours=WORK_HOUR)
    worked = not terminal.store_name.startswith(WORK_STORE)
    while True:
        at += timedelta(hours=chance.uniform(60, 400))
        lasts = timedelta(minutes=8 + chance.expovariate(1 / 50))
        trouble = chance.choice(["offline", "offline", "error"])
        if not worked and at + lasts > work:
            worked = True
            yield work, "maintenance"
            yield work + WORK_LASTS, "online"
            at = max(at, work + WORK_LASTS + lasts)
        if at + lasts >= now:
            break
        yield at, trouble
        yield at + lasts, "online"
    yield now, "offline"
