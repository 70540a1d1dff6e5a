"""The demo fleet's past month, made up: how it fared day by day, so that charts and reports have something to show.

The same for every demo: what happened to a terminal follows from its serial number. Raw heartbeats are not made up,
only the log of changes and what days look like once they were summed up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from sqlalchemy import text, update
from sqlalchemy.orm import Session

from service.core.database import partitions
from service.core.database.clock import app_now
from service.core.values.times import day_bounds, local_date
from service.demo import fleet_incidents
from service.demo.files import Row, insert_rows, load
from service.demo.fleet_incidents import Outage
from service.fleet.history.actions import mark_compacted, sum_up
from service.fleet.history.rules import DAY
from service.fleet.hours.actions import learn
from service.fleet.incidents.rules import SYSTEM
from service.fleet.maintenance.models import Maintenance
from service.fleet.models import Day, Terminal, TerminalState, terminal_logs
from service.fleet.rules import Status, silence_allowed
from service.fleet.settings import settings

DAYS: int = load("fleet")["past"]["days"]
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
    SELECT id, CASE WHEN store = :store THEN :opens ELSE 0 END AS opens,
        CASE WHEN store = :store THEN :closes ELSE 24 END AS closes
    FROM fleet_terminals
) AS s, (
    SELECT terminal_id AS id, begins_at AS at, abs(hashint8(terminal_id)::bigint) AS own,
        abs(hashint8(terminal_id * 100000 + extract(epoch FROM begins_at)::bigint / 86400)::bigint) AS day
    FROM fleet_days
) AS h
WHERE s.id = terminal_id AND h.id = terminal_id AND h.at = begins_at AND begins_at >= :since AND offline_seconds < 86400
""")


@dataclass(frozen=True)
class _Month:
    """`data`: what the file says of it."""

    data: Row
    since: datetime
    now: datetime

    @property
    def work(self) -> tuple[datetime, datetime]:
        begins = self.since + timedelta(days=self.data["work"]["day"], hours=self.data["work"]["hour"])
        return begins, begins + timedelta(hours=self.data["work"]["hours"])

    def is_worked_at(self, terminal: Terminal) -> bool:
        return terminal.store == str(self.data["work"]["store"])

    def is_nightly(self, terminal: Terminal) -> bool:
        return terminal.store == str(self.data["nightly"]["store"])


def fill(db: Session, terminals: Sequence[Terminal]) -> None:
    """For terminals that have just been registered: they have been there for a month."""
    now = app_now(db)
    today, _ = day_bounds(local_date(now))
    month = _Month(load("fleet")["past"], today - DAYS * DAY, now)
    db.execute(
        update(Terminal).where(Terminal.id.in_([terminal.id for terminal in terminals])).values(created_at=month.since)
    )
    troubled = load("fleet")["trouble"]["serial_number"]
    outages = []
    for terminal in terminals:
        if terminal.serial_number == troubled:
            outages.append(_begin_trouble(db, terminal, month))
            continue
        own = [] if month.is_nightly(terminal) else [*_outages(terminal, month)]
        insert_rows(db, terminal_logs, [*_log(terminal, own, month)])
        outages += own
    for ago in range(DAYS, 0, -1):
        sum_up(db, today - ago * DAY, today - (ago - 1) * DAY)
    db.execute(READINGS, {"since": month.since, **month.data["nightly"]})
    mark_compacted(db, today)
    learn(db, today)
    fleet_incidents.fill(db, outages, now)
    begins, ends = month.work
    row: Row = {
        "starts_at": begins,
        "begun_at": begins,
        "created_at": begins - 2 * DAY,
        "ends_at": ends,
        "ended_at": ends,
    }
    row |= {"reason": month.data["work"]["reason"], "ended_by": SYSTEM}
    insert_rows(
        db, Maintenance, [row | {"terminal_id": terminal.id} for terminal in terminals if month.is_worked_at(terminal)]
    )
    for table in (terminal_logs.name, Day.__tablename__):
        partitions.create_partitions(db, table)


def _begin_trouble(db: Session, terminal: Terminal, month: _Month) -> Outage:
    """It has been online all the month, and has reported an error for some minutes. The changes of its status are
    logged by the database itself."""
    trouble = load("fleet")["trouble"]
    begun = month.now - timedelta(minutes=trouble["minutes"])
    state = update(TerminalState).where(TerminalState.terminal_id == terminal.id)
    db.execute(state.values(status=Status.ONLINE, status_since=month.since))
    heartbeat_columns = {"last_heartbeat_at": month.now}
    heartbeat_columns["offline_after"] = month.now + silence_allowed(settings().heartbeat_interval_seconds)
    db.execute(
        state.values(
            status=Status.ERROR, status_since=begun, error=trouble["error"], **heartbeat_columns, **trouble["state"]
        )
    )
    return Outage(terminal, begun, None, trouble["error"])


def _outages(terminal: Terminal, month: _Month) -> Iterator[Outage]:
    """A trouble now and then. One that would meet the work at its store did not happen."""
    rng, errors, (work_begins, work_ends) = Random(terminal.serial_number), month.data["errors"], month.work
    at = month.since + timedelta(minutes=rng.randrange(30, 600))
    while True:
        begins = at + timedelta(hours=rng.uniform(60, 400))
        at = begins + timedelta(minutes=8 + rng.expovariate(1 / 50))
        error = rng.choice([*errors, *[None] * 2 * len(errors)])
        if at >= month.now:
            return
        if not (month.is_worked_at(terminal) and begins < work_ends and at > work_begins):
            yield Outage(terminal, begins, at, error)


def _log(terminal: Terminal, outages: Sequence[Outage], month: _Month) -> Iterator[Row]:
    """The changes of its status. It is not heard of until its agent starts."""
    nightly, before = month.is_nightly(terminal), "offline"
    changes = [*_nights(month)] if nightly else [(month.since, "online")]
    for outage in outages:
        changes += [(outage.begins_at, outage.status), (outage.ends_at or month.now, "online")]
    if month.is_worked_at(terminal):
        changes += zip(month.work, ("maintenance", "online"), strict=True)
    for at, status in sorted([*changes, (month.now, "offline")]):
        if status != before:
            line = {"terminal_id": terminal.id, "at": at, "kind": "status", "status": status}
            yield line | {"detail": {"from": before}}
            before = status
        if nightly and at < month.now:
            agent_event = {"kind": "started", "detail": {"version": month.data["agent"]}}
            yield {"terminal_id": terminal.id, "at": at} | (agent_event if status == "online" else {"kind": "shutdown"})


def _nights(month: _Month) -> Iterator[tuple[datetime, str]]:
    """Open every day, and offline in between."""
    for number in range(DAYS + 1):
        for name, status in (("opens", "online"), ("closes", "offline")):
            at = month.since + number * DAY + timedelta(hours=month.data["nightly"][name])
            if at < month.now:
                yield at, status
