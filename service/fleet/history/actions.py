"""Daily aggregates (compaction): a day's heartbeats, and how long each terminal was in which status."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from service.core.database.partitions import set_compacted_until
from service.fleet.history import queries
from service.fleet.history.rules import DAY
from service.fleet.hours.rules import hour_of_week
from service.fleet.models import heartbeats
from service.fleet.rules import opening_grace, silence_allowed
from service.fleet.settings import settings

_LOCK = "fleet.compact"

# The status at a given time is the old status of the first change after it; without one, the present status. So no
# change before the day has to be read, however long ago the last one was. Times are cut to whole seconds, so that the
# seconds of a day add up.
SUM_UP = text("""
WITH lived AS (
    SELECT t.id AS terminal_id, s.status, s.last_heartbeat_at IS NOT NULL AS heard, s.firmware_version,
        greatest(t.created_at, :begins) AS since, least(t.archived_at, :ends) AS until
    FROM fleet_terminals t JOIN fleet_terminal_states s ON s.terminal_id = t.id
    WHERE t.created_at < :ends AND (t.archived_at IS NULL OR t.archived_at > greatest(t.created_at, :begins))
), changes AS MATERIALIZED (
    SELECT terminal_id, at, id, status, detail ->> 'from' AS before
    FROM fleet_terminal_logs WHERE kind = 'status' AND at >= :begins
), entering AS (
    SELECT DISTINCT ON (terminal_id) terminal_id, before FROM changes ORDER BY terminal_id, at, id
), points AS (
    SELECT terminal_id, since AS at, 0 AS id, coalesce(before, status) AS status, until
    FROM lived LEFT JOIN entering USING (terminal_id)
    UNION ALL
    SELECT terminal_id, greatest(c.at, l.since), c.id, c.status, l.until
    FROM changes c JOIN lived l USING (terminal_id) WHERE c.at < l.until
), spans AS (
    SELECT terminal_id, status, date_trunc('second', at) AS at,
        date_trunc('second', lead(at, 1, until) OVER (PARTITION BY terminal_id ORDER BY at, id)) AS ended
    FROM points
), closed AS (
    -- Who is off while the shop is closed is missed by nobody.
    SELECT s.terminal_id,
        sum(extract(epoch FROM least(s.ended, hour + interval '1 hour') - greatest(s.at, hour))) AS seconds
    FROM spans s JOIN fleet_hours h USING (terminal_id) JOIN fleet_terminals t ON t.id = s.terminal_id
        JOIN fleet_customers c ON c.id = t.customer_id
        CROSS JOIN generate_series(CAST(:begins AS timestamptz), :ends - interval '1 hour', interval '1 hour') AS hour
    WHERE s.status = 'offline' AND t.learned_hours AND c.learned_hours
        AND s.at < hour + interval '1 hour' AND s.ended > hour
        AND substr(h.week, :first_hour + 1 + (extract(epoch FROM hour - :begins) / 3600)::int, 1) = '0'
    GROUP BY s.terminal_id
), spent AS (
    SELECT terminal_id,
        coalesce(sum(seconds) FILTER (WHERE status = 'online'), 0) AS online,
        coalesce(sum(seconds) FILTER (WHERE status = 'offline'), 0) AS offline,
        coalesce(sum(seconds) FILTER (WHERE status = 'error'), 0) AS error,
        coalesce(sum(seconds) FILTER (WHERE status = 'maintenance'), 0) AS maintenance
    FROM (SELECT terminal_id, status, extract(epoch FROM ended - at) AS seconds FROM spans) timed GROUP BY terminal_id
), measured AS (
    SELECT h.*, least(h.received_at, h.sent_at - make_interval(secs => coalesce(s.clock_skew_seconds, 0))) AS at
    FROM fleet_heartbeats h JOIN fleet_terminal_states s USING (terminal_id)
    WHERE h.received_at >= :begins AND h.received_at < :ends
), hourly AS (
    SELECT terminal_id, date_trunc('hour', at) AS hour, count(*) AS heartbeats,
        sum(cpu_usage) AS cpu, max(cpu_usage) AS cpu_highest,
        sum(memory_usage) AS memory, max(memory_usage) AS memory_highest, max(disk_usage) AS disk_highest,
        min(received_at) AS first_at, max(received_at) AS last_at,
        date_trunc('hour', at) >= :begins AND min(at) <= date_trunc('hour', at) + :late
            AND max(at) >= date_trunc('hour', at) + interval '1 hour' - :silence AS is_whole
    FROM measured GROUP BY 1, 2
), beats AS (
    SELECT terminal_id, sum(heartbeats) AS heartbeats,
        round(sum(cpu) / sum(heartbeats)) AS cpu_average, max(cpu_highest) AS cpu_highest,
        round(sum(memory) / sum(heartbeats)) AS memory_average, max(memory_highest) AS memory_highest,
        max(disk_highest) AS disk_highest, min(first_at) AS first_at, max(last_at) AS last_at,
        bit_or(1 << (extract(epoch FROM hour - :begins)::int / 3600)) FILTER (WHERE is_whole) AS heard_hours
    FROM hourly GROUP BY terminal_id
)
INSERT INTO fleet_days (terminal_id, begins_at, heartbeats, online_seconds, offline_seconds, error_seconds,
    maintenance_seconds, closed_seconds, cpu_average, cpu_highest, memory_average, memory_highest, disk_highest,
    first_heartbeat_at, last_heartbeat_at, firmware_version, heard_hours)
SELECT terminal_id, :begins, coalesce(heartbeats, 0), online, offline - coalesce(closed.seconds, 0), error, maintenance,
    coalesce(closed.seconds, 0), cpu_average, cpu_highest, memory_average, memory_highest, disk_highest,
    first_at, last_at, CASE WHEN heard THEN firmware_version END, coalesce(heard_hours, 0)
FROM lived JOIN spent USING (terminal_id) LEFT JOIN closed USING (terminal_id) LEFT JOIN beats USING (terminal_id)
ORDER BY terminal_id
ON CONFLICT (terminal_id, begins_at) DO UPDATE SET
    heartbeats = EXCLUDED.heartbeats, online_seconds = EXCLUDED.online_seconds,
    offline_seconds = EXCLUDED.offline_seconds, error_seconds = EXCLUDED.error_seconds,
    maintenance_seconds = EXCLUDED.maintenance_seconds, closed_seconds = EXCLUDED.closed_seconds,
    cpu_average = EXCLUDED.cpu_average, cpu_highest = EXCLUDED.cpu_highest, memory_average = EXCLUDED.memory_average,
    memory_highest = EXCLUDED.memory_highest, disk_highest = EXCLUDED.disk_highest,
    first_heartbeat_at = EXCLUDED.first_heartbeat_at, last_heartbeat_at = EXCLUDED.last_heartbeat_at,
    firmware_version = EXCLUDED.firmware_version, heard_hours = EXCLUDED.heard_hours
""")


def compact(db: Session) -> str | None:
    """Sums up the oldest day that is over and was not summed up, and allows its heartbeats to be deleted when their
    retention ends. Returns the day, as 2026-11-21; None when there is none, or another process holds the lock."""
    if not db.scalar(select(func.pg_try_advisory_xact_lock(func.hashtext(_LOCK)))):
        return None
    due = queries.next_day(db)
    if due is None:
        return None
    begins, is_over = due
    if is_over:
        # No request waits for this: a day of 20,000 terminals has six million heartbeats.
        db.execute(text("SET LOCAL statement_timeout = '15min'"))
        sum_up(db, begins, begins + DAY)
    mark_compacted(db, begins + DAY if is_over else begins)
    return queries.iso_date(begins) if is_over else None


def mark_compacted(db: Session, until: datetime) -> None:
    """Records that all days before `until` are summed up: their heartbeats may be deleted."""
    set_compacted_until(db, heartbeats.name, until)


def sum_up(db: Session, begins: datetime, ends: datetime) -> None:
    """Writes a row for each terminal that was registered in that time. Idempotent for the same day."""
    interval = settings().heartbeat_interval_seconds
    tolerances = {"late": opening_grace(interval), "silence": silence_allowed(interval)}
    # `first_hour`: the position of the day's first hour in a learned week, which begins on Monday.
    db.execute(SUM_UP, {"begins": begins, "ends": ends, "first_hour": hour_of_week(begins)} | tolerances)
