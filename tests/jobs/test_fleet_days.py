"""Days are compacted once they are over, with the same result as a slow calculation from the same facts."""

from __future__ import annotations

import uuid
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from jobs import fleet as fleet_jobs
from service.core.areas import retention_policies
from service.core.database import partitions, retention
from service.core.database.clock import app_clock, app_now
from service.core.database.partitions import RetentionTable
from service.core.values.times import TOKYO, day_bounds, local_date
from service.fleet.history import actions, queries
from service.fleet.hours.models import LearnedHours
from service.fleet.models import Day, Terminal, TerminalState, heartbeats, terminal_logs
from service.fleet.rules import Status
from tests import factories

STREAM = uuid.UUID("6a2f41a3-c54c-fce8-32d2-0324e1c32e22")
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)


@dataclass(frozen=True)
class Change:
    """A change of status, `second` seconds after the beginning of the first day."""

    second: float
    status: str


@dataclass(frozen=True)
class Beat:
    second: float
    cpu: int


@dataclass(frozen=True)
class TerminalHistory:
    """A terminal's two days and the night after. Times are seconds from their beginning. `week`: its learned hours."""

    begins: float
    first: str
    changes: list[Change]
    beats: list[Beat]
    ends: float | None
    week: str | None = None


@st.composite
def histories(draw: st.DrawFn) -> TerminalHistory:
    begins = draw(st.sampled_from([0.0, 3600.5, 86400.0, 90000.25, 172799.0]))
    first = draw(st.sampled_from([*Status])).value
    seconds = sorted(draw(st.sets(st.floats(begins, 200_000, width=32), max_size=8)))
    status, changes = first, []
    for second in seconds:
        status = draw(st.sampled_from([candidate.value for candidate in Status if candidate != status]))
        changes.append(Change(second, status))
    beats = [
        Beat(second, draw(st.integers(0, 100)))
        for second in draw(st.lists(st.floats(begins, 200_000, width=32), max_size=6))
    ]
    # Heartbeats through whole hours, or almost.
    for hour in draw(st.sets(st.integers(int(begins) // 3600 + 1, 55), max_size=3)):
        late, until = draw(st.sampled_from([0, 899, 900, 901])), draw(st.sampled_from([2939, 2940, 2941, 3599]))
        beats += [Beat(hour * 3600 + second, 50) for second in (late, until)]
    ends = draw(st.none() | st.floats(begins, 200_000, width=32))
    week = draw(st.none() | st.text("01", min_size=168, max_size=168))
    return TerminalHistory(begins, first, changes, beats, ends, week)


def expected_day(history: TerminalHistory, origin: datetime, begins: datetime) -> dict[str, Any] | None:
    """Calculates a day's row from change to change. None when there is no row."""
    since = max(origin + timedelta(seconds=history.begins), begins)
    until = begins + DAY
    if history.ends is not None:
        until = min(until, origin + timedelta(seconds=history.ends))
    if since >= until:
        return None
    spent: Counter[str] = Counter()
    closed = 0
    at, status = since, history.first
    for change in history.changes:
        changed_at = origin + timedelta(seconds=change.second)
        if changed_at <= since:
            status = change.status
        elif changed_at < until:
            spent[status] += int(changed_at.timestamp()) - int(at.timestamp())
            closed += closed_seconds(history, at, changed_at) if status == Status.OFFLINE else 0
            at, status = changed_at, change.status
    spent[status] += int(until.timestamp()) - int(at.timestamp())
    closed += closed_seconds(history, at, until) if status == Status.OFFLINE else 0
    spent[Status.OFFLINE.value] -= closed
    readings = [(origin + timedelta(seconds=beat.second), beat.cpu) for beat in history.beats]
    day = [(at, cpu) for at, cpu in readings if begins <= at < begins + DAY]
    usages = [cpu for _, cpu in day]
    return {
        **{f"{member.value}_seconds": spent[member.value] for member in Status},
        "closed_seconds": closed,
        "heartbeats": len(day),
        "cpu_highest": max(usages, default=None),
        "cpu_average": int(sum(usages) / len(usages) + 0.5) if usages else None,
        "first_heartbeat_at": min((at for at, _ in day), default=None),
        "last_heartbeat_at": max((at for at, _ in day), default=None),
        "heard_hours": sum(1 << hour for hour in range(24) if heard_through(begins + hour * HOUR, day)),
    }


def closed_seconds(history: TerminalHistory, since: datetime, until: datetime) -> int:
    """Counts, in steps of up to a minute, the seconds in which the shop is closed by its learned hours."""
    closed, at = 0, int(since.timestamp())
    while history.week and at < int(until.timestamp()):
        step = min(60 - at % 60, int(until.timestamp()) - at)
        local = datetime.fromtimestamp(at, TOKYO)
        closed += step * (history.week[local.weekday() * 24 + local.hour] == "0")
        at += step
    return closed


def heard_through(hour: datetime, day: list[tuple[datetime, int]]) -> bool:
    """Heartbeats from the first quarter of the hour until too late for an alert before its end."""
    times = [at for at, _ in day if hour <= at < hour + HOUR]
    return bool(times) and min(times) <= hour + 15 * MINUTE and max(times) >= hour + HOUR - 11 * MINUTE


def create_terminal_with_history(db: Session, history: TerminalHistory, origin: datetime) -> Terminal:
    terminal = factories.terminal(db)
    terminal.created_at = origin + timedelta(seconds=history.begins)
    if history.ends is not None:
        terminal.archived_at = origin + timedelta(seconds=history.ends)
    state = db.get_one(TerminalState, terminal.id)
    # The database logs every change. The initial status is set a day before the first day.
    for at, status in [
        (-DAY.total_seconds(), history.first),
        *((change.second, change.status) for change in history.changes),
    ]:
        state.status, state.status_since = status, origin + timedelta(seconds=at)
        db.flush()
    if history.week:
        db.add(LearnedHours(terminal_id=terminal.id, learned_until=origin, days=14, week=history.week))
    for number, beat in enumerate(history.beats, 1):
        store(db, terminal, origin + timedelta(seconds=beat.second), beat.cpu, number)
    return terminal


def store(
    db: Session, terminal: Terminal, at: datetime, cpu: int = 10, sequence: int = 1, sent_at: datetime | None = None
) -> None:
    values = {"memory_usage": cpu, "disk_usage": cpu, "terminal_connected": True, "stream_id": STREAM}
    values["sent_at"] = sent_at or at
    db.execute(
        insert(heartbeats).values(terminal_id=terminal.id, received_at=at, sequence=sequence, cpu_usage=cpu, **values)
    )


def days(db: Session) -> dict[tuple[int, datetime], Day]:
    return {
        (day.terminal_id, day.begins_at): day
        for day in db.scalars(select(Day).execution_options(populate_existing=True))
    }


def midnight(db: Session, days_ago: int = 0) -> datetime:
    return day_bounds(local_date(app_now(db)))[0] - days_ago * DAY


def advance_clock(db: Session, by: timedelta) -> None:
    db.execute(update(app_clock).values(shift=app_clock.c.shift + by))


@settings(max_examples=settings().max_examples // 2, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(histories(), min_size=1, max_size=4))
def test_daily_totals_match_a_slow_calculation(db: Session, examples: list[TerminalHistory]) -> None:
    origin = midnight(db, 4)
    with db.begin_nested() as scene:
        terminals = [create_terminal_with_history(db, history, origin) for history in examples]
        for begins in (origin, origin + DAY):
            actions.sum_up(db, begins, begins + DAY)
        by_terminal = days(db)
        for terminal, history in zip(terminals, examples, strict=True):
            for begins in (origin, origin + DAY):
                day = by_terminal.get((terminal.id, begins))
                expected = expected_day(history, origin, begins)
                actual = {name: getattr(day, name) for name in expected} if day and expected else None
                assert actual == expected, (history, begins)
                assert (day is None) == (expected is None)
        scene.rollback()


def test_the_seconds_of_a_day_add_up_to_the_day(db: Session) -> None:
    origin = midnight(db, 2)
    changes = [Change(n * 977.7, ["online", "error", "offline", "maintenance"][n % 4]) for n in range(80)]
    terminal = create_terminal_with_history(db, TerminalHistory(0, "offline", changes, [], None), origin)

    actions.sum_up(db, origin, origin + DAY)

    day = days(db)[terminal.id, origin]
    assert day.online_seconds + day.offline_seconds + day.error_seconds + day.maintenance_seconds == 86400


def test_spooled_heartbeats_count_when_they_were_measured(db: Session) -> None:
    """The connection was cut from 9:05 to 12:30; the PC's clock is a minute ahead."""
    origin = midnight(db, 2)
    terminal = factories.terminal(db)
    terminal.created_at = origin
    db.get_one(TerminalState, terminal.id).clock_skew_seconds = 60
    back = origin + 12.5 * HOUR
    for minute in range(9 * 60, 12 * 60, 5):
        measured = origin + minute * MINUTE
        store(db, terminal, measured if minute < 9 * 60 + 5 else back, sent_at=measured + MINUTE, sequence=minute)

    actions.sum_up(db, origin, origin + DAY)

    day = days(db)[terminal.id, origin]
    assert (day.heard_hours, day.heartbeats) == (0b111 << 9, 36)


def test_the_same_day_again_gives_the_same_rows(db: Session) -> None:
    origin = midnight(db, 2)
    terminal = create_terminal_with_history(
        db, TerminalHistory(0, "online", [Change(3600, "offline")], [Beat(60, 42)], None), origin
    )
    actions.sum_up(db, origin, origin + DAY)
    first = {name: value for name, value in vars(days(db)[terminal.id, origin]).items() if name[0] != "_"}

    actions.sum_up(db, origin, origin + DAY)

    second = {name: value for name, value in vars(days(db)[terminal.id, origin]).items() if name[0] != "_"}
    assert second == first
    assert (first["online_seconds"], first["offline_seconds"], first["cpu_average"]) == (3600, 82800, 42)
    assert first["firmware_version"] is None


def test_a_status_that_never_changed_is_known_without_a_log(db: Session) -> None:
    """The log of the last change may be deleted already."""
    origin = midnight(db, 2)
    terminal = create_terminal_with_history(db, TerminalHistory(0, "online", [], [], None), origin)

    actions.sum_up(db, origin, origin + DAY)

    assert days(db)[terminal.id, origin].online_seconds == 86400


def test_the_job_catches_up_day_by_day_and_then_rests(db: Session) -> None:
    terminal = factories.terminal(db)
    terminal.created_at = midnight(db, 3) + timedelta(hours=10)
    advance_clock(db, max(timedelta(), midnight(db) + timedelta(minutes=11) - app_now(db)))
    db.commit()

    fleet_jobs.compact()
    fleet_jobs.compact()

    compacted = sorted(days(db).values(), key=lambda day: day.begins_at)
    assert [day.begins_at for day in compacted] == [midnight(db, ago) for ago in (3, 2, 1)]
    assert [day.offline_seconds for day in compacted] == [14 * 3600, 86400, 86400]
    assert {day.terminal_id for day in compacted} == {terminal.id}
    assert queries.compacted_until(db) == midnight(db)


def test_a_day_is_not_over_before_its_last_heartbeats_are_in(db: Session) -> None:
    factories.terminal(db).created_at = midnight(db, 1)
    db.flush()
    advance_clock(db, midnight(db) + DAY + timedelta(minutes=9) - app_now(db))
    assert actions.compact(db) is not None  # the day before
    assert actions.compact(db) is None

    advance_clock(db, timedelta(minutes=2))

    assert actions.compact(db) == local_date(app_now(db) - DAY).isoformat()


def test_a_clock_moved_ahead_and_back_leaves_no_day_out(db: Session) -> None:
    terminal = factories.terminal(db)
    begins = midnight(db)
    advance_clock(db, 2 * DAY)
    while actions.compact(db):
        pass
    assert days(db)[terminal.id, begins].heartbeats == 0
    advance_clock(db, -2 * DAY)
    assert actions.compact(db) is None
    store(db, terminal, begins + timedelta(seconds=1))

    advance_clock(db, DAY + timedelta(minutes=11))
    while actions.compact(db):
        pass

    assert days(db)[terminal.id, begins].heartbeats == 1


def test_without_terminals_there_is_nothing_to_do(db: Session) -> None:
    assert actions.compact(db) is None


def test_heartbeats_stay_until_their_day_is_summed_up(db: Session) -> None:
    [policy] = [policy for policy in retention_policies() if policy.table == heartbeats.name]
    terminal = factories.terminal(db)
    old = app_now(db) - timedelta(days=40)
    terminal.created_at = old
    for at in (old, app_now(db)):
        store(db, terminal, at)
    partitions.create_partitions(db, heartbeats.name)
    part = f"fleet_heartbeats_p{old.astimezone(TOKYO):%Y%m%d}"
    drop = text("SELECT drop_partition('fleet_heartbeats', :part)")

    assert retention.plan(db, policy).partitions == ()
    with pytest.raises(DBAPIError, match="may go yet"), db.begin_nested():
        db.execute(drop, {"part": part})

    while actions.compact(db):
        pass
    assert retention.plan(db, policy).partitions == (part,)
    db.execute(drop, {"part": part})
    assert days(db)[terminal.id, day_bounds(local_date(old))[0]].heartbeats == 1


def test_the_application_may_not_change_retention_or_delete_history(db: Session) -> None:
    for forbidden in (update(RetentionTable).values(at_least=DAY), delete(terminal_logs), delete(Day)):
        with pytest.raises(DBAPIError, match="permission denied"), db.begin_nested():
            db.execute(forbidden)
