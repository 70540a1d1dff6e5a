"""Partitions are created in time, and old data is deleted at night: once, with a report, and never the last record."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, time, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from jobs import core as core_jobs
from service.core import sweeps
from service.core.access.identity import UserSession, hash_token, new_token
from service.core.areas import RetentionPolicy, retention_policies
from service.core.audit import AuditEntry
from service.core.database import partitions, retention
from service.core.database.clock import app_clock, app_now, real_now
from service.core.database.partitions import RetentionTable
from service.core.database.retention import RetentionRun
from service.core.http.traffic import TrafficMinute
from service.core.monitoring.health import JobHeartbeat
from service.core.monitoring.probes import Probe
from service.core.outbox.records import OutboxMessage
from service.core.tasks.records import Task
from service.core.values.times import TOKYO, at, day_bounds, local_date, month_of
from service.fleet.models import heartbeats
from tests.people import create_user
from tests.restored import RestoredDatabase


def advance_clock(db: Session, by: timedelta) -> None:
    db.execute(update(app_clock).values(shift=app_clock.c.shift + by))


@contextmanager
def clock_set_back(db: Session, by: timedelta) -> Iterator[None]:
    """Sets the product's clock back inside the block."""
    advance_clock(db, -by)
    yield
    advance_clock(db, by)


def find_policy(table: str) -> RetentionPolicy:
    [match] = [policy for policy in retention_policies() if policy.table == table]
    return match


def partition_names(db: Session, table: str) -> list[str]:
    names = db.scalars(
        text("SELECT relname FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid WHERE inhparent = to_regclass(:t)"),
        {"t": table},
    )
    return sorted(name.removeprefix(f"{table}_") for name in names)


def store_heartbeat(db: Session, received_at: datetime) -> None:
    row = {
        "terminal_id": 1,
        "sent_at": received_at,
        "stream_id": "6a2f41a3-c54c-fce8-32d2-0324e1c32e22",
        "sequence": 1,
        "cpu_usage": 1,
        "memory_usage": 1,
        "disk_usage": 1,
        "terminal_connected": True,
    }
    db.execute(insert(heartbeats).values(received_at=received_at, **row))


def store_audit_entry(db: Session, written_at: datetime) -> None:
    values = {"actor": "demo", "address": "-", "area": "fleet", "action": "create", "subject": "x", "subject_id": "1"}
    db.execute(insert(AuditEntry).inline().values(at=written_at, **values))


def old_heartbeats(db: Session, days: int, count: int) -> datetime:
    """A day of heartbeats that many days ago, compacted and in its own partition."""
    statement = (
        update(RetentionTable).where(RetentionTable.name == "fleet_heartbeats").values(compacted_until=app_now(db))
    )
    db.execute(statement)
    with clock_set_back(db, timedelta(days=days)):
        partitions.create_partitions(db, "fleet_heartbeats")
        received_at = app_now(db)
        for _ in range(count):
            store_heartbeat(db, received_at)
    return received_at


def test_every_partitioned_table_gets_partitions_and_every_retention_table_has_a_policy(db: Session) -> None:
    partitioned = db.scalars(text("SELECT relname FROM pg_class WHERE relkind = 'p' ORDER BY relname")).all()

    assert partitions.partitioned_tables(db) == partitioned
    assert sorted(policy.table for policy in retention_policies()) == sorted(db.scalars(select(RetentionTable.name)))


def test_the_job_makes_days_and_months_ahead_once(db: Session) -> None:
    advance_clock(db, timedelta(days=400))
    today = local_date(app_now(db))
    month = month_of(app_now(db))

    core_jobs.make_partitions()
    created = partition_names(db, "fleet_heartbeats"), partition_names(db, "audit_entries")
    core_jobs.make_partitions()

    assert {f"p{today + timedelta(days=ahead):%Y%m%d}" for ahead in (-1, 0, 1, 2, 3)} <= set(created[0])
    assert {f"p{month.plus(ahead).first:%Y%m}" for ahead in (-1, 0, 1, 2)} <= set(created[1])
    assert (partition_names(db, "fleet_heartbeats"), partition_names(db, "audit_entries")) == created
    assert "core.make_partitions" in db.scalars(select(JobHeartbeat.name)).all()


def test_what_the_default_partition_caught_moves_to_where_it_belongs(db: Session) -> None:
    """Also rows from long ago: the job may have been down for weeks."""
    times = [real_now() + timedelta(days=days) for days in (-200, 200, 200, 201)]
    for written_at in times:
        store_audit_entry(db, written_at)
        store_heartbeat(db, written_at)
    assert db.scalar(text("SELECT count(*) FROM audit_entries WHERE tableoid = 'audit_entries_default'::regclass")) == 4

    core_jobs.make_partitions()

    for table, column, form in (("audit_entries", "at", "YYYYMM"), ("fleet_heartbeats", "received_at", "YYYYMMDD")):
        rows = db.execute(
            text(f"SELECT tableoid::regclass::text, to_char({column} AT TIME ZONE 'Asia/Tokyo', '{form}') FROM {table}")
        ).all()
        assert len(rows) == 4
        assert all(partition == f"{table}_p{expected}" for partition, expected in rows)


def test_a_partition_begins_and_ends_with_the_tokyo_day(db: Session) -> None:
    begins, ends = day_bounds(local_date(app_now(db)))
    store_heartbeat(db, begins)
    store_heartbeat(db, ends - timedelta(microseconds=1))
    store_heartbeat(db, ends)

    tables = db.scalars(text("SELECT tableoid::regclass::text FROM fleet_heartbeats ORDER BY received_at")).all()

    assert tables[0] == tables[1] == f"fleet_heartbeats_p{begins.astimezone(TOKYO):%Y%m%d}"
    assert tables[2] == f"fleet_heartbeats_p{ends.astimezone(TOKYO):%Y%m%d}"


def test_heartbeats_older_than_35_days_go_by_the_day_with_a_report(db: Session) -> None:
    old = old_heartbeats(db, 40, 3)
    retained = old_heartbeats(db, 33, 2)
    planned = retention.plan(db, find_policy("fleet_heartbeats"))

    core_jobs.apply_retention()

    [run] = db.scalars(select(RetentionRun).where(RetentionRun.target == "fleet_heartbeats"))
    dropped = f"fleet_heartbeats_p{old.astimezone(TOKYO):%Y%m%d}"
    assert dropped in run.partitions
    assert dropped.removeprefix("fleet_heartbeats_") not in partition_names(db, "fleet_heartbeats")
    assert run.rows == planned.rows == 3
    assert run.bytes == planned.bytes > 0
    assert run.oldest is not None
    assert run.newest is not None
    assert run.oldest <= old < run.newest <= run.before
    assert db.scalars(select(heartbeats.c.received_at)).all() == [retained, retained]
    assert "core.retention" in db.scalars(select(JobHeartbeat.name)).all()


def test_the_plan_deletes_nothing(db: Session) -> None:
    old_heartbeats(db, 40, 3)
    store_heartbeat(db, app_now(db))
    before = partition_names(db, "fleet_heartbeats")

    for _ in range(2):
        assert retention.plan(db, find_policy("fleet_heartbeats")).rows == 3

    assert partition_names(db, "fleet_heartbeats") == before
    assert db.scalars(select(RetentionRun)).all() == []


def test_the_last_heartbeats_stay_however_old_they_are(db: Session) -> None:
    last = old_heartbeats(db, 90, 2)

    core_jobs.apply_retention()

    assert db.scalars(select(heartbeats.c.received_at)).all() == [last, last]


def test_the_audit_log_is_kept_for_three_years_to_the_month(db: Session) -> None:
    now = app_now(db)
    with clock_set_back(db, timedelta(days=5 * 365)):
        partitions.create_partitions(db, "audit_entries")
        store_audit_entry(db, app_now(db))
    for days in (3 * 365 - 1, 0):
        store_audit_entry(db, now - timedelta(days=days))
    partitions.create_partitions(db, "audit_entries")

    core_jobs.apply_retention()

    assert sorted(db.scalars(select(AuditEntry.at))) == [now - timedelta(days=3 * 365 - 1), now]
    [run] = db.scalars(select(RetentionRun).where(RetentionRun.target == "audit_entries"))
    assert run.rows == 1


def store_session(db: Session, user_id: int, expired_days: float) -> None:
    expires = real_now() - timedelta(days=expired_days)
    db.add(UserSession(token_hash=hash_token(new_token()), user_id=user_id, address="-", expires_at=expires))
    db.flush()


def test_expired_sessions_are_deleted_but_each_users_last_sign_in_stays(db: Session) -> None:
    alice, bob = create_user(db, "alice").id, create_user(db, "bob").id
    for user, days in ((alice, 90), (alice, 31), (alice, 29), (bob, 400), (bob, 300)):
        store_session(db, user, days)

    core_jobs.apply_retention()

    remaining = db.execute(select(UserSession.user_id, UserSession.expires_at)).all()
    assert sorted((user, (real_now() - expires).days) for user, expires in remaining) == [(alice, 29), (bob, 300)]
    [run] = db.scalars(select(RetentionRun).where(RetentionRun.target == "sessions"))
    assert (run.rows, run.partitions) == (3, [])
    assert run.oldest is not None
    assert (real_now() - run.oldest).days == 400


def test_finished_messages_are_deleted_and_open_ones_stay(db: Session) -> None:
    now = real_now()
    values = {"topic": "mail", "payload": {}, "area": "fleet", "recipient": "a@example.com", "title": "お知らせ"}
    for sent_at in (now - timedelta(days=91), now - timedelta(days=89)):
        db.add(OutboxMessage(**values, sent_at=sent_at))
    db.add(OutboxMessage(**values, created_at=now - timedelta(days=400), dead_at=now))
    db.add(OutboxMessage(**values, created_at=now - timedelta(days=400)))
    for dead, discarded in ((400, 91), (91, None), (400, 89)):
        discarded_at = None if discarded is None else now - timedelta(days=discarded)
        db.add(OutboxMessage(**values, dead_at=now - timedelta(days=dead), discarded_at=discarded_at))
    db.flush()

    core_jobs.apply_retention()

    remaining = db.execute(select(OutboxMessage.sent_at, OutboxMessage.dead_at, OutboxMessage.discarded_at)).all()
    ages = {tuple((now - value).days if value else None for value in row) for row in remaining}
    assert ages == {(89, None, None), (None, 0, None), (None, 400, 89), (None, None, None)}
    assert db.scalars(select(RetentionRun.rows).where(RetentionRun.target == "outbox_messages")).one() == 3


def test_finished_tasks_and_old_probes_are_deleted_and_open_tasks_stay(db: Session) -> None:
    alice, now = create_user(db, "alice").id, real_now()
    values = {"area": "fleet", "kind": "x", "title": "x", "user_id": alice, "address": "-", "permission": "x"}
    for state, days in (("done", 91), ("failed", 91), ("done", 89), ("waiting", None)):
        finished = None if days is None else now - timedelta(days=days)
        created = now - timedelta(days=200)
        task = Task(**values, is_resumable=True, params={}, state=state, finished_at=finished, created_at=created)
        db.add(task)
    for days in (401, 399):
        probe = {"source": "w", "target": "service", "every_seconds": 30, "ok": True, "latency_ms": 1}
        db.add(Probe(at=now - timedelta(days=days), **probe))
    db.flush()

    core_jobs.apply_retention()

    assert sorted(db.scalars(select(Task.state))) == ["done", "waiting"]
    assert [(now - at).days for at in db.scalars(select(Probe.at))] == [399]


def test_sweeps_add_up_in_the_report_of_the_day_and_a_dry_run_takes_nothing(db: Session) -> None:
    [sweep] = [sweep for sweep in sweeps.SWEEPS if sweep.target == "traffic_minutes"]
    for hours in (1, 2):
        old = real_now() - sweep.keep - timedelta(hours=hours)
        db.add(TrafficMinute(minute=old, requests=1, errors=0, buckets=[1]))
        db.flush()
        assert sweeps.plan(sweep).rows == 1
        assert sweeps.run(sweep).rows == 1
    assert sweeps.run(sweep).rows == 0

    [run] = db.scalars(select(RetentionRun))
    assert (run.target, run.rows) == ("traffic_minutes", 2)
    assert run.oldest is not None
    assert run.newest is not None
    assert run.newest - run.oldest > timedelta(minutes=59)


def test_a_night_happens_once_and_the_next_one_after_three(db: Session) -> None:
    three = at(local_date(app_now(db)) + timedelta(days=2), time(3))
    runs = []
    for minutes in (-61, -1, 0, 1, 23 * 60):
        advance_clock(db, three + timedelta(minutes=minutes) - app_now(db))
        core_jobs.apply_retention()
        runs.append(len(db.scalars(select(RetentionRun).where(RetentionRun.target == "sessions")).all()))

    assert runs == [1, 1, 2, 2, 2]


def test_a_clock_moved_ahead_deletes_nothing(db: Session) -> None:
    alice = create_user(db, "alice").id
    store_session(db, alice, 2)
    store_session(db, alice, 1)
    advance_clock(db, timedelta(days=1000))

    core_jobs.apply_retention()

    assert len(db.scalars(select(UserSession)).all()) == 2


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT drop_partition('fleet_heartbeats', 'fleet_heartbeats_p' || to_char(now(), 'YYYYMMDD'))",
        "SELECT drop_partition('fleet_heartbeats', 'fleet_heartbeats_default')",
        "SELECT drop_partition('fleet_heartbeats', 'users')",
        "SELECT drop_partition('audit_entries', 'audit_entries_p' || to_char(now(), 'YYYYMM'))",
        "SELECT drop_partition('users', 'users')",
        "SELECT expire_rows('sessions', now() - interval '29 days', 10, false)",
        "SELECT expire_rows('sessions', now() - interval '29 days', 10, true)",
        "SELECT expire_rows('users', now() - interval '9 years', 10, false)",
        "SELECT expire_rows('audit_entries', now() - interval '9 years', 10, false)",
        "SELECT make_partitions('users')",
        "UPDATE kept_tables SET at_least = '0'",
        "DROP TABLE fleet_heartbeats_default",
        "DELETE FROM sessions",
        "DELETE FROM retention_runs",
        "UPDATE retention_runs SET day = day",
    ],
)
def test_the_application_can_delete_only_old_rows_of_retention_tables(db: Session, statement: str) -> None:
    store_heartbeat(db, app_now(db) + timedelta(days=1))
    refused = "permission denied|must be owner|may go yet|are kept for|returned no rows"
    with pytest.raises(DBAPIError, match=refused), db.begin_nested():
        db.execute(text(statement))


def test_a_partition_with_the_last_rows_cannot_be_dropped_by_the_application(db: Session) -> None:
    old = old_heartbeats(db, 90, 1)
    part = f"fleet_heartbeats_p{old.astimezone(TOKYO):%Y%m%d}"

    with pytest.raises(DBAPIError, match="last rows"), db.begin_nested():
        db.execute(text("SELECT drop_partition('fleet_heartbeats', :part)"), {"part": part})


def test_concurrent_runs_do_the_night_once_and_do_not_wait_for_each_other(committed: RestoredDatabase) -> None:
    with committed.session() as first, committed.session() as second:
        assert retention.run_if_due(first, find_policy("sessions")) is not None
        assert retention.run_if_due(second, find_policy("sessions")) is None
        first.commit()
        second.rollback()
        assert retention.run_if_due(second, find_policy("sessions")) is None
        assert len(second.scalars(select(RetentionRun)).all()) == 1


def test_a_night_that_fails_leaves_no_report_and_is_done_by_the_next_tick(
    db: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError("disk")

    db.commit()
    with monkeypatch.context() as broken:
        broken.setattr(retention, "_rows", fail)
        with pytest.raises(OSError, match="disk"):
            core_jobs.apply_retention()
    assert db.scalars(select(RetentionRun).where(RetentionRun.target == "sessions")).all() == []

    core_jobs.apply_retention()

    assert db.scalars(select(RetentionRun).where(RetentionRun.target == "sessions")).one().rows == 0
