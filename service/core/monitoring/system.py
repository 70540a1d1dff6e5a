"""The state of the whole system: servers, processes, queues, jobs, traffic. Each part is read on its own, so that one
that is down does not hide the others."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import redis
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from service.core.areas import TICK_QUEUE, ticks
from service.core.database import replica
from service.core.database.clock import app_now, real_now
from service.core.http import traffic
from service.core.http.traffic import TrafficMinute
from service.core.monitoring import backups, schemas
from service.core.monitoring.health import JobHeartbeat
from service.core.monitoring.instances import GONE_AFTER, Instance
from service.core.outbox.records import OutboxMessage
from service.core.settings import settings

TRAFFIC_SHOWN = timedelta(hours=1)


def state(db: Session) -> schemas.SystemState:
    now = real_now()
    return schemas.SystemState(
        as_of=app_now(db),
        database=_database(db),
        replica=_replica(),
        redis=_redis(),
        instances=_instances(db, now),
        jobs=_jobs(db, now),
        outbox=_outbox(db),
        traffic=_traffic(db),
        backup=backups.state(db, now),
    )


def _database(db: Session) -> schemas.Database:
    row = db.execute(
        text(
            "SELECT current_setting('server_version') AS version, pg_database_size(current_database()) AS size_bytes, "
            "(SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()) AS connections, "
            "current_setting('max_connections')::int AS connections_allowed, "
            "pg_postmaster_start_time() AS started_at"
        )
    )
    return schemas.Database(**row.mappings().one())


def _replica() -> schemas.Replica | None:
    """As this process sees it; None when none is configured."""
    watch = replica.watch()
    if not replica.is_configured():
        return None
    return schemas.Replica(state=watch.state, behind_seconds=watch.behind, limit_seconds=watch.limit)


def _redis() -> schemas.Broker | None:
    """None when it cannot be reached."""
    url = settings().redis_url.get_secret_value()
    client = redis.Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2)
    try:
        info: Any = client.info()
        waiting: Any = client.llen(TICK_QUEUE)
    except redis.exceptions.RedisError:
        return None
    finally:
        client.close()
    return schemas.Broker(
        # Valkey reports a Redis version for old clients, and its own version in addition.
        version=str(info.get("valkey_version") or info.get("redis_version")),
        name="Valkey" if "valkey_version" in info else "Redis",
        memory_bytes=int(info["used_memory"]),
        started_at=real_now() - timedelta(seconds=int(info["uptime_in_seconds"])),
        waiting=int(waiting),
    )


def _instances(db: Session, now: datetime) -> list[schemas.InstanceItem]:
    rows = db.scalars(select(Instance).order_by(Instance.name, Instance.started_at))
    columns = [column.key for column in Instance.__table__.columns if column.key != "id"]
    return [
        schemas.InstanceItem(
            is_there=now - row.seen_at <= GONE_AFTER, **{column: getattr(row, column) for column in columns}
        )
        for row in rows
    ]


def _jobs(db: Session, now: datetime) -> list[schemas.JobItem]:
    """Every tick with its last run; `is_late`: silent for longer than allowed; `remedy`: what an administrator does
    then, for some ticks."""
    last = {heartbeat.name: heartbeat.at for heartbeat in db.scalars(select(JobHeartbeat))}
    return [
        schemas.JobItem(
            name=name,
            title=tick.title,
            every_seconds=int(tick.every.total_seconds()),
            last_at=last.get(name),
            is_late=tick.silence is not None and (name not in last or now - last[name] > tick.silence),
            remedy=tick.remedy,
        )
        for name, tick in ticks().items()
    ]


def _outbox(db: Session) -> schemas.Outbox:
    """Counts of the outbox, of the areas that the user administers."""
    waiting = OutboxMessage.sent_at.is_(None) & OutboxMessage.dead_at.is_(None) & OutboxMessage.discarded_at.is_(None)
    row = db.execute(
        select(
            func.count().filter(waiting).label("waiting"),
            func.count().filter(waiting, OutboxMessage.attempts > 0).label("retrying"),
            func.count().filter(OutboxMessage.dead_at.is_not(None), OutboxMessage.discarded_at.is_(None)).label("dead"),
            func.min(OutboxMessage.created_at).filter(waiting).label("oldest_waiting_at"),
        )
    )
    return schemas.Outbox(**row.mappings().one())


def _traffic(db: Session) -> schemas.Traffic:
    last_minutes = traffic.recent_traffic(db)
    minutes = db.scalars(
        select(TrafficMinute).where(TrafficMinute.minute > real_now() - TRAFFIC_SHOWN).order_by(TrafficMinute.minute)
    )
    return schemas.Traffic(
        requests=last_minutes.requests,
        errors=last_minutes.errors,
        error_rate=last_minutes.error_rate,
        p95_ms=last_minutes.p95_ms,
        minutes=[schemas.Minute(minute=row.minute, requests=row.requests, errors=row.errors) for row in minutes],
    )
