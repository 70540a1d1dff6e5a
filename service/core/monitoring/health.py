"""Readiness: whether everything that an answer needs is there, for load balancers, the launcher and the watchdog."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path

import redis
from alembic.script import ScriptDirectory
from sqlalchemy import String, literal, select, text
from sqlalchemy.dialects.postgresql import TIMESTAMP, insert
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Mapped, Session, mapped_column

from service.core.areas import ticks
from service.core.database.clock import real_now
from service.core.database.session import Base, transaction
from service.core.settings import settings

# Much shorter than the silence that is reported.
NOTE_AGE = timedelta(seconds=5)
MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"


class JobHeartbeat(Base):
    """When a job last finished, on real time."""

    __tablename__ = "job_heartbeats"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))


def record_job(db: Session, name: str) -> None:
    """Notes that the job runs. A note that is a few seconds old is left: a tick that finds nothing to do writes
    nothing."""
    now = real_now()
    noted = select(JobHeartbeat.name).where(JobHeartbeat.name == name, JobHeartbeat.at.between(now - NOTE_AGE, now))
    row = select(literal(name), literal(now, TIMESTAMP(timezone=True))).where(~noted.exists())
    statement = insert(JobHeartbeat).from_select(["name", "at"], row)
    db.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"at": statement.excluded.at}))


@lru_cache(maxsize=1)
def newest_revision() -> str:
    return ScriptDirectory(str(MIGRATIONS)).get_current_head() or ""


def readiness() -> dict[str, str]:
    """Each part with `ok`, or with a message about what is wrong."""
    parts = {"database": "ok", "migrations": "ok", "redis": "ok", "jobs": "ok"}
    try:
        with transaction() as db:
            parts["migrations"] = _migrations(db)
            parts["jobs"] = _jobs(db)
    except SQLAlchemyError:
        parts |= dict.fromkeys(("database", "migrations", "jobs"), "データベースに接続できません")
    try:
        client = redis.Redis.from_url(
            settings().redis_url.get_secret_value(), socket_timeout=2, socket_connect_timeout=2
        )
        client.ping()
        client.close()
    except redis.exceptions.RedisError:
        parts["redis"] = "Redis（Valkey）に接続できません"
    return parts


def _migrations(db: Session) -> str:
    if db.execute(text("SELECT to_regclass('alembic_version')")).scalar() is None:
        return "マイグレーションが一度も実行されていません"
    revision = db.execute(text("SELECT version_num FROM alembic_version")).scalar()
    # Revisions begin with their number. A higher one is that of the next release, which was migrated while this one
    # still runs (docs/upgrades.md).
    is_behind = revision is not None and revision < newest_revision()
    return f"マイグレーションが最新ではありません（現在 {revision}）" if is_behind else "ok"


def _jobs(db: Session) -> str:
    if db.execute(text("SELECT to_regclass('job_heartbeats')")).scalar() is None:
        return "ジョブの記録がまだありません"
    newest = {heartbeat.name: heartbeat.at for heartbeat in db.scalars(select(JobHeartbeat))}
    expected = {name: tick.silence for name, tick in ticks().items() if tick.silence and not tick.remedy}
    for name, allowed in expected.items():
        if name not in newest:
            return f"ジョブ {name} がまだ一度も動いていません"
        silent = real_now() - newest[name]
        if silent > allowed:
            return f"ジョブ {name} が{int(silent.total_seconds())}秒間動いていません"
    return "ok"
