"""The results of the daily backup and its rehearsals, and whether an administrator has to act."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Float, Integer, String, func, select
from sqlalchemy.dialects.postgresql import TIMESTAMP, insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from service.core.access.identity import User
from service.core.database.session import Base
from service.core.monitoring import schemas
from service.core.settings import settings

# A day, plus the time for a backup and a restart of the machine.
LATE_AFTER = timedelta(hours=26)
OFF = "off"
TAKEN, REHEARSED = "backup", "rehearsal"
# A week, plus a day to repeat a failed one.
REHEARSAL_LATE_AFTER = timedelta(days=8)
# The limit for a restore in the fleet's requirement document.
RESTORED_WITHIN = timedelta(hours=24)


class Backup(Base):
    """One backup, or one test restore (`rehearsal`), of the program `source`. `bytes`: its size; null when it failed.
    `kept`: how many daily backups there were after it."""

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


def store(db: Session, report: schemas.BackupReport) -> None:
    """Stores a report; a repeated one changes nothing."""
    db.execute(insert(Backup).values(report.model_dump()).on_conflict_do_nothing())


def state(db: Session, now: datetime) -> schemas.Backups:
    """`last`: the newest successful backup. `failed`: the newest one failed. `is_late`: expected, but none for too long
    (since the installation, when there was none). `rehearsal`: the newest test restore, None before the first."""
    newest_backup = select(Backup).where(Backup.kind == TAKEN).order_by(Backup.at.desc()).limit(1)
    last, newest = db.scalar(newest_backup.where(Backup.ok)), db.scalar(newest_backup)
    rehearsal = db.scalar(select(Backup).where(Backup.kind == REHEARSED).order_by(Backup.at.desc()).limit(1))
    since = last.at if last else db.scalar(select(func.min(User.created_at))) or now
    expected = settings().backup_at != OFF
    return schemas.Backups(
        expected=expected,
        last=schemas.LastBackup.model_validate(last, from_attributes=True) if last else None,
        tried_at=newest.at if newest else None,
        failed=newest is not None and not newest.ok,
        is_late=expected and now - since > LATE_AFTER,
        rehearsal=_rehearsal(rehearsal, now) if rehearsal else None,
    )


def _rehearsal(rehearsal: Backup, now: datetime) -> schemas.Rehearsal:
    return schemas.Rehearsal(
        at=rehearsal.at,
        ok=rehearsal.ok,
        seconds=rehearsal.seconds,
        is_slow=rehearsal.seconds > RESTORED_WITHIN.total_seconds(),
        is_late=now - rehearsal.at > REHEARSAL_LATE_AFTER,
    )
