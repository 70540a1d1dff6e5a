"""Reads of a terminal's history: metrics from raw heartbeats or from daily aggregates, and the timeline."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Select, String, Text, func, literal, null, select, text, tuple_, union_all
from sqlalchemy import cast as sql_cast
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from service.core.database import partitions
from service.core.database.clock import app_now
from service.core.database.paging import read_cursor, stale_cursor, write_cursor
from service.core.values.times import TOKYO, day_bounds, local_date
from service.fleet.history import rules, schemas
from service.fleet.history.rules import Hours
from service.fleet.incidents.models import IncidentEvent
from service.fleet.models import Alert, Terminal, heartbeats, terminal_logs
from service.fleet.queries import get_terminal
from service.fleet.settings import settings

# Spooled heartbeats count at the time when they were measured, corrected by the PC's clock skew. Steps without a
# heartbeat are included, empty.
_METRICS_BY_STEP = text("""
WITH measured AS (
    SELECT least(h.received_at, h.sent_at - make_interval(secs => coalesce(s.clock_skew_seconds, 0))) AS at, h.*
    FROM fleet_heartbeats h JOIN fleet_terminal_states s USING (terminal_id)
    WHERE h.terminal_id = :terminal_id AND h.received_at >= :since
), steps AS (
    SELECT date_bin(:step, at, :since) AS at, count(*) AS heartbeats,
        round(avg(cpu_usage))::int AS cpu_average, max(cpu_usage) AS cpu_highest,
        round(avg(memory_usage))::int AS memory_average, max(memory_usage) AS memory_highest,
        max(disk_usage) AS disk_highest
    FROM measured WHERE at >= :since GROUP BY 1
)
SELECT at, coalesce(heartbeats, 0) AS heartbeats, cpu_average, cpu_highest, memory_average, memory_highest, disk_highest
FROM generate_series(CAST(:since AS timestamptz), :until, :step) AS at LEFT JOIN steps USING (at)
ORDER BY at
""")

# Past days from the daily aggregates, today (and a day that is not summed up yet) from raw heartbeats.
_METRICS_BY_DAY = text("""
WITH known AS (
    SELECT begins_at AS at, heartbeats, cpu_average, cpu_highest, memory_average, memory_highest, disk_highest,
        online_seconds AS online, offline_seconds AS offline, error_seconds AS error,
        maintenance_seconds AS maintenance, closed_seconds AS closed
    FROM fleet_days
    WHERE terminal_id = :terminal_id AND begins_at >= :since AND begins_at < :compacted_until
    UNION ALL
    SELECT date_trunc('day', received_at, 'Asia/Tokyo'), count(*),
        round(avg(cpu_usage))::int, max(cpu_usage), round(avg(memory_usage))::int, max(memory_usage), max(disk_usage),
        NULL, NULL, NULL, NULL, NULL
    FROM fleet_heartbeats
    WHERE terminal_id = :terminal_id AND received_at >= greatest(:since, :compacted_until)
    GROUP BY 1
)
SELECT at, coalesce(heartbeats, 0) AS heartbeats, cpu_average, cpu_highest, memory_average, memory_highest,
    disk_highest, online, offline, error, maintenance, closed
FROM generate_series(CAST(:since AS timestamptz), :until, '24 hours') AS at LEFT JOIN known USING (at)
ORDER BY at
""")


def metrics(db: Session, terminal_id: int, hours: Hours) -> schemas.Metrics:
    """Raises NotFound."""
    get_terminal(db, terminal_id)
    now = app_now(db)
    step = rules.chart_step(hours, settings().heartbeat_interval_seconds)
    points = (
        _metrics_by_day(db, terminal_id, now, hours)
        if step == rules.DAY
        else _metrics_by_step(db, terminal_id, now, hours, step)
    )
    return schemas.Metrics(hours=hours, step_seconds=int(step.total_seconds()), points=points)


def _metrics_by_step(
    db: Session, terminal_id: int, now: datetime, hours: Hours, step: timedelta
) -> list[schemas.Reading]:
    """Steps are aligned to midnight in Tokyo; the last one is not over yet."""
    midnight, _ = day_bounds(local_date(now))
    until = midnight + (now - midnight) // step * step
    since = until - timedelta(hours=hours) + step
    parameters = {"terminal_id": terminal_id, "since": since, "until": until, "step": step}
    return [schemas.Reading(**row, seconds=None) for row in db.execute(_METRICS_BY_STEP, parameters).mappings()]


def _metrics_by_day(db: Session, terminal_id: int, now: datetime, hours: Hours) -> list[schemas.Reading]:
    today, _ = day_bounds(local_date(now))
    parameters = {
        "terminal_id": terminal_id,
        "since": today - timedelta(hours=hours) + rules.DAY,
        "until": today,
        "compacted_until": min(compacted_until(db), today),
    }
    rows = db.execute(_METRICS_BY_DAY, parameters).mappings()
    return [
        schemas.Reading(**row, seconds=schemas.Seconds(**row) if row["online"] is not None else None) for row in rows
    ]


def compacted_until(db: Session, *, lock: bool = False) -> datetime:
    """The beginning of the first day that is not summed up yet."""
    return partitions.compacted_until(db, heartbeats.name, lock=lock)


def next_day(db: Session) -> tuple[datetime, bool] | None:
    """The beginning of the oldest day that is not summed up, and whether it is over; None without any terminal."""
    now = app_now(db)
    first = db.scalar(select(func.min(Terminal.created_at)))
    if first is None:
        return None
    today, _ = day_bounds(local_date(now))
    earliest, _ = day_bounds(local_date(max(first, now - rules.MAX_BACKLOG)))
    # After the clock was moved forward and back, days are summed up again once they are really over.
    begins = max(min(compacted_until(db, lock=True), today), earliest)
    return begins, begins + rules.DAY + rules.COMMIT_GRACE <= now


def iso_date(begins: datetime) -> str:
    return begins.astimezone(TOKYO).date().isoformat()


# Incident events left out of the timeline, because the alerts appear there themselves.
_SHOWN_AS_ALERTS = ("opened", "joined", "reopened", "recovered")


def timeline(db: Session, terminal_id: int, limit: int, cursor: str | None) -> schemas.Timeline:
    """A page merged from all sources; each is read by its index, no further than the page. Raises NotFound; Invalid for
    a malformed cursor."""
    get_terminal(db, terminal_id)
    position = _position(cursor) if cursor else None
    sources = [
        _page(rank, source, limit, position)
        for rank, source in enumerate(
            (
                _registration(terminal_id),
                _log_entries(terminal_id),
                _opened_alerts(terminal_id),
                _resolved_alerts(terminal_id),
                _incident_events(terminal_id),
            )
        )
    ]
    merged = union_all(*sources).subquery()
    newest = select(merged).order_by(merged.c.at.desc(), merged.c.place.desc(), merged.c.key.desc()).limit(limit + 1)
    rows = db.execute(newest).mappings().all()
    last = rows[limit - 1] if len(rows) > limit else None
    return schemas.Timeline(
        items=[schemas.Happening(**row) for row in rows[:limit]],
        next_cursor=write_cursor(last["at"].isoformat(), last["place"], last["key"]) if last else None,
    )


def _position(cursor: str) -> tuple[datetime, int, int]:
    encoded_at, place, key = read_cursor(cursor, str, int, int)
    try:
        at = datetime.fromisoformat(encoded_at)
    except ValueError:
        raise stale_cursor() from None
    if at.tzinfo is None:
        raise stale_cursor()
    return at, place, key


def _page(
    rank: int, statement: Select[*tuple[Any, ...]], limit: int, position: tuple[datetime, int, int] | None
) -> Select[*tuple[Any, ...]]:
    source = statement.subquery()
    page = select(source, literal(rank).label("place"))
    if position is not None:
        row_position = tuple_(source.c.at, literal(rank), source.c.key)
        # The first condition is redundant, but only it can use the index.
        page = page.where(source.c.at <= position[0], row_position < tuple_(*map(literal, position)))
    limited = page.order_by(source.c.at.desc(), source.c.key.desc()).limit(limit + 1).subquery()
    return select(limited)


def _columns(at: Any, key: Any, source: str, kind: Any, **facts: Any) -> list[Any]:
    types: dict[str, Any] = {
        "status": String,
        "alert_type": String,
        "incident_id": BigInteger,
        "text": Text,
        "by": String,
        "detail": JSONB,
    }
    columns = [facts.get(name, sql_cast(null(), type_)).label(name) for name, type_ in types.items()]
    return [at.label("at"), key.label("key"), literal(source).label("source"), kind.label("kind"), *columns]


def _registration(terminal_id: int) -> Select[*tuple[Any, ...]]:
    columns = _columns(Terminal.created_at, Terminal.id, "log", literal("registered"))
    return select(*columns).where(Terminal.id == terminal_id)


def _log_entries(terminal_id: int) -> Select[*tuple[Any, ...]]:
    log = terminal_logs.c
    facts = {"status": log.status, "by": log.by, "detail": log.detail}
    return select(*_columns(log.at, log.id, "log", log.kind, **facts)).where(log.terminal_id == terminal_id)


def _opened_alerts(terminal_id: int) -> Select[*tuple[Any, ...]]:
    facts = {"alert_type": Alert.alert_type, "incident_id": Alert.incident_id, "text": Alert.message}
    columns = _columns(Alert.created_at, Alert.id, "alert", literal("alert_opened"), **facts)
    return select(*columns).where(Alert.terminal_id == terminal_id)


def _resolved_alerts(terminal_id: int) -> Select[*tuple[Any, ...]]:
    facts = {"alert_type": Alert.alert_type, "incident_id": Alert.incident_id, "by": Alert.resolved_by}
    columns = _columns(Alert.resolved_at, Alert.id, "alert", literal("alert_resolved"), **facts)
    return select(*columns).where(Alert.terminal_id == terminal_id, Alert.is_resolved)


def _incident_events(terminal_id: int) -> Select[*tuple[Any, ...]]:
    """The events of the terminal's incidents, from the time when the terminal joined them."""
    own_incidents = (
        select(Alert.incident_id, func.min(Alert.created_at).label("since"))
        .where(Alert.terminal_id == terminal_id)
        .group_by(Alert.incident_id)
        .subquery()
    )
    facts = {
        "incident_id": IncidentEvent.incident_id,
        "text": IncidentEvent.text,
        "by": IncidentEvent.by,
        "detail": IncidentEvent.detail,
    }
    columns = _columns(IncidentEvent.at, IncidentEvent.id, "incident", IncidentEvent.kind, **facts)
    return (
        select(*columns)
        .join(own_incidents, own_incidents.c.incident_id == IncidentEvent.incident_id)
        .where(IncidentEvent.at >= own_incidents.c.since, IncidentEvent.kind.not_in(_SHOWN_AS_ALERTS))
    )
