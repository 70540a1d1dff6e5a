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


def fill(db: Session, terminals: Sequence[Terminal]) -> None:
    """For terminals that have just been registered: they have been there for a month."""
    told, now = load("fleet")["past"], app_now(db)
    today, _ = day_bounds(local_date(now))
    since = today - DAYS * DAY
    db.execute(update(Terminal).where(Terminal.id.in_([one.id for one in terminals])).values(created_at=since))
    work = _work(since)
    outages = [outage for terminal in terminals for outage in _outages(terminal, since, now, work)]
    trouble = _begin_trouble(db, terminals, since, now)
    lines = [line for terminal in terminals for line in _log(terminal, outages, trouble, since, now, work)]
    insert_rows(db, terminal_logs, lines)
    for ago in range(DAYS, 0, -1):
        sum_up(db, today - ago * DAY, today - (ago - 1) * DAY)
    db.execute(READINGS, {"since": since, "nightly": told["nightly"]["store"]} | _open_hours())
    mark_compacted(db, today)
    learn(db, today)
    fleet_incidents.fill(db, [*outages, *trouble], now)
    row = {"starts_at": work.starts_at, "ends_at": work.ends_at, "reason": told["work"]["reason"]}
    row |= {"begun_at": work.starts_at, "ended_at": work.ends_at, "ended_by": SYSTEM}
    row |= {"created_at": work.starts_at - 2 * DAY}
    insert_rows(db, Maintenance, [row | {"terminal_id": one.id} for one in terminals if one.store == work.store])
    for table in (terminal_logs.name, Day.__tablename__):
        partitions.create_partitions(db, table)


def _open_hours() -> dict[str, int]:
    """Of the store that switches its PCs off."""
    nightly = load("fleet")["past"]["nightly"]
    return {"opens": nightly["opens"], "closes": nightly["closes"]}


@dataclass(frozen=True)
class _Work:
    store: str
    starts_at: datetime
    ends_at: datetime


def _work(since: datetime) -> _Work:
    told = load("fleet")["past"]["work"]
    starts_at = since + told["day"] * DAY + timedelta(hours=told["hour"])
    return _Work(told["store"], starts_at, starts_at + timedelta(hours=told["hours"]))


def _begin_trouble(db: Session, terminals: Sequence[Terminal], since: datetime, now: datetime) -> list[Outage]:
    """One terminal has been online all the month, and has reported an error for some minutes. The changes of its status
    are logged by the database itself."""
    told = load("fleet")["trouble"]
    found = [one for one in terminals if one.serial_number == told["serial_number"]]
    begun = now - timedelta(minutes=told["minutes"])
    for one in found:
        state = update(TerminalState).where(TerminalState.terminal_id == one.id)
        db.execute(state.values(status=Status.ONLINE, status_since=since))
        heard = {
            "last_heartbeat_at": now,
            "offline_after": now + silence_allowed(settings().heartbeat_interval_seconds),
        }
        shown = {
            "error": told["error"],
            "terminal_connected": True,
            "cpu_usage": 23,
            "memory_usage": 47,
            "disk_usage": 52,
        }
        agent = {"agent_version": load("fleet")["past"]["agent"]}
        db.execute(state.values(status=Status.ERROR, status_since=begun, **heard, **shown, **agent))
    return [Outage(one, begun, None, told["error"]) for one in found]


def _outages(terminal: Terminal, since: datetime, now: datetime, work: _Work) -> Iterator[Outage]:
    """Of a terminal that was installed on its first day and had a trouble now and then. One that would meet the work
    at its store did not happen."""
    chance, past = Random(terminal.serial_number), load("fleet")["past"]
    if (
        terminal.store == past["nightly"]["store"]
        or terminal.serial_number == load("fleet")["trouble"]["serial_number"]
    ):
        return
    at = since + timedelta(minutes=chance.randrange(30, 600))
    while True:
        at += timedelta(hours=chance.uniform(60, 400))
        lasts = timedelta(minutes=8 + chance.expovariate(1 / 50))
        error = chance.choice([*past["errors"], *[None] * 2 * len(past["errors"])])
        if at + lasts >= now:
            return
        meets = terminal.store == work.store and at < work.ends_at and at + lasts > work.starts_at
        if not meets:
            yield Outage(terminal, at, at + lasts, error)
        at += lasts


def _log(
    terminal: Terminal,
    outages: Sequence[Outage],
    trouble: Sequence[Outage],
    since: datetime,
    now: datetime,
    work: _Work,
) -> Iterator[Row]:
    """The changes of its status. It is not heard of until its agent starts."""
    if any(outage.terminal is terminal for outage in trouble):
        return
    nightly = terminal.store == load("fleet")["past"]["nightly"]["store"]
    changes = [(since, "online"), (now, "offline")]
    if nightly:
        changes = [*_nights(since, now), (now, "offline")]
    for outage in outages:
        if outage.terminal is terminal and outage.ends_at is not None:
            changes += [(outage.begins_at, outage.status), (outage.ends_at, "online")]
    if terminal.store == work.store:
        changes += [(work.starts_at, "maintenance"), (work.ends_at, "online")]
    before = "offline"
    for at, status in sorted(changes):
        if status != before:
            line = {"terminal_id": terminal.id, "at": at, "kind": "status", "status": status}
            yield line | {"detail": {"from": before}}
            before = status
        if nightly and at < now:
            said = {"kind": "started", "detail": {"version": load("fleet")["past"]["agent"]}}
            yield {"terminal_id": terminal.id, "at": at} | (said if status == "online" else {"kind": "shutdown"})


def _nights(since: datetime, now: datetime) -> Iterator[tuple[datetime, str]]:
    """Open every day, and offline in between."""
    hours = _open_hours()
    for number in range(DAYS + 1):
        for name, status in (("opens", "online"), ("closes", "offline")):
            at = since + number * DAY + timedelta(hours=hours[name])
            if at < now:
                yield at, status
