"""Is everything there that an answer needs? Asked by load balancers, the launcher and the watchdog."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from pathlib import Path

import redis
from alembic.script import ScriptDirectory
from sqlalchemy import String, select, text
from sqlalchemy.dialects.postgresql import TIMESTAMP, insert
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Mapped, Session, mapped_column

from service.core.areas import ticks
from service.core.clock import real_now
from service.core.db import Base, transaction
from service.core.settings import settings

MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"


class JobHeartbeat(Base):
    """When a job last ran to its end, on real time."""

    __tablename__ = "job_heartbeats"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))


def record_job(db: Session, name: str) -> None:
    now = insert(JobHeartbeat).values(name=name, at=real_now())
    db.execute(now.on_conflict_do_update(index_elements=["name"], set_={"at": now.excluded.at}))


@lru_cache(maxsize=1)
def newest_revision() -> str | None:
    return ScriptDirectory(str(MIGRATIONS)).get_current_head()


@lru_cache(maxsize=1)
def known_revisions() -> frozenset[str]:
    return frozenset(script.revision for script in ScriptDirectory(str(MIGRATIONS)).walk_revisions())


def readiness() -> dict[str, str]:
    """Each part with `ok` or, in words, what is wrong with it."""
    found = {"database": "ok", "migrations": "ok", "redis": "ok", "jobs": "ok"}
    try:
        with transaction() as db:
            found["migrations"] = _migrations(db)
            found["jobs"] = _jobs(db)
    except SQLAlchemyError:
        found |= dict.fromkeys(("database", "migrations", "jobs"), "データベースに接続できません")
    try:
        client = redis.Redis.from_url(
            settings().redis_url.get_secret_value(), socket_timeout=2, socket_connect_timeout=2
        )
        client.ping()
        client.close()
    except redis.exceptions.RedisError:
        found["redis"] = "Redis（Valkey）に接続できません"
    return found


def _migrations(db: Session) -> str:
    if db.execute(text("SELECT to_regclass('alembic_version')")).scalar() is None:
        return "マイグレーションが一度も実行されていません"
    at = db.execute(text("SELECT version_num FROM alembic_version")).scalar()
    # One that this release does not know is the next release's, made ready while this one serves (docs/upgrades.md).
    behind = at in known_revisions() and at != newest_revision()
    return f"マイグレーションが最新ではありません（現在 {at}）" if behind else "ok"


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
