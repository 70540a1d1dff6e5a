"""What the daily backup says of itself, and whether anybody has to look at it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Float, Integer, String, func, select
from sqlalchemy.dialects.postgresql import TIMESTAMP, insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from service.core.db import Base
from service.core.identity import User
from service.core.settings import settings

# A day, and what a backup and a restart of the machine may take.
LATE_AFTER = timedelta(hours=26)
OFF = "off"
TAKEN, REHEARSED = "backup", "rehearsal"
# A week, and a day for one that failed to be tried again.
REHEARSAL_LATE_AFTER = timedelta(days=8)
# What the fleet's document allows for a restore.
RESTORED_WITHIN = timedelta(hours=24)


class Backup(Base):
    """One try, of whoever takes them (`source`): to take one, or to restore one (`rehearsal`). `bytes`: how large it
    is; none when the try failed. `kept`: how many daily backups there were after it."""

    __tablename__ = "backups"
    __table_args__ = (
        CheckConstraint("kind IN ('backup', 'rehearsal')", name="kind"),
        CheckConstraint("ok = (bytes IS NOT NULL)", name="size"),
        CheckConstraint("seconds >= 0 AND bytes >= 0 AND kept >= 0", name="figures"),
    )

    at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), primary_key=True)
    source: Mapped[str] = mapped_column(String(64), primary_key=True)
    kind: Mapped[str] = mapped_column(String(10), server_default=TAKEN)
    seconds: Mapped[float] = mapped_column(Float)
    ok: Mapped[bool] = mapped_column(Boolean)
    bytes: Mapped[int | None] = mapped_column(BigInteger)
    kept: Mapped[int] = mapped_column(Integer)


def store(db: Session, told: dict[str, Any]) -> None:
    """A repeat changes nothing."""
    db.execute(insert(Backup).values(told).on_conflict_do_nothing())


def state(db: Session, now: datetime) -> dict[str, Any]:
    """`last`: the newest that succeeded. `failed`: the newest try did not. `is_late`: expected, and none for too long;
    a new installation has as long for its first one. `rehearsal`: the newest try to restore one, None before any."""
    taken = select(Backup).where(Backup.kind == TAKEN).order_by(Backup.at.desc()).limit(1)
    last, tried = db.scalar(taken.where(Backup.ok)), db.scalar(taken)
    rehearsal = db.scalar(select(Backup).where(Backup.kind == REHEARSED).order_by(Backup.at.desc()).limit(1))
    since = last.at if last else db.scalar(select(func.min(User.created_at))) or now
    expected = settings().backup_at != OFF
    return {
        "expected": expected,
        "last": last and {"at": last.at, "seconds": last.seconds, "bytes": last.bytes, "kept": last.kept},
        "tried_at": tried.at if tried else None,
        "failed": tried is not None and not tried.ok,
        "is_late": expected and now - since > LATE_AFTER,
        "rehearsal": rehearsal
        and {
            "at": rehearsal.at,
            "ok": rehearsal.ok,
            "seconds": rehearsal.seconds,
            "is_slow": rehearsal.seconds > RESTORED_WITHIN.total_seconds(),
            "is_late": now - rehearsal.at > REHEARSAL_LATE_AFTER,
        },
    }
