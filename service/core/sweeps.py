"""Hourly deletion of data without further use: drafts, counters, unused files. Records are deleted nightly by
`database.retention`; both are in one plan and one report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import structlog
from sqlalchemy import BigInteger, cast, delete, func, literal_column, select
from sqlalchemy.orm import InstrumentedAttribute

from service.core.access.throttle import Throttle
from service.core.database.retention import Removal, add_to_report, cutoff
from service.core.database.session import SYSTEM, transaction
from service.core.files import retention as unused_files
from service.core.files.records import UNUSED_LIFETIME
from service.core.http.idempotency import KEY_LIFETIME as ANSWER_LIFETIME
from service.core.http.idempotency import Answer
from service.core.http.traffic import LIFETIME as TRAFFIC_LIFETIME
from service.core.http.traffic import TrafficMinute
from service.core.imports.records import DRAFT_LIFETIME, Import

log = structlog.get_logger()


@dataclass(frozen=True)
class Sweep:
    """`target` is its name in reports, `title` is shown to users; `keep` is how long things stay after their last use.
    `execute(keep, dry)` deletes them, or with `dry` only counts them, in transactions of its own."""

    target: str
    title: str
    keep: timedelta
    execute: Callable[[timedelta, bool], Removal]


def run(sweep: Sweep) -> Removal:
    """Deletes, and adds the result to the day's report."""
    removal = sweep.execute(sweep.keep, False)
    if removal.rows:
        with transaction(SYSTEM) as db:
            add_to_report(db, sweep.target, removal)
    return removal


def plan(sweep: Sweep) -> Removal:
    return sweep.execute(sweep.keep, True)


def _rows(aged_by: InstrumentedAttribute[object]) -> Callable[[timedelta, bool], Removal]:
    """A sweep of a table's rows by the column with their age."""
    owner = aged_by.class_
    age_and_size = aged_by.label("age"), func.pg_column_size(literal_column(f"{owner.__tablename__}.*")).label("size")

    def execute(keep: timedelta, dry: bool) -> Removal:
        with transaction(SYSTEM) as db:
            before = cutoff(db, keep)
            old = aged_by < before
            deleted = (
                select(*age_and_size).where(old).cte("gone")
                if dry
                else delete(owner).where(old).returning(*age_and_size).cte("gone")
            )
            size = cast(func.coalesce(func.sum(deleted.c.size), 0), BigInteger)
            totals = select(func.count(), size, func.min(deleted.c.age), func.max(deleted.c.age)).select_from(deleted)
            return Removal(before, *db.execute(totals).one())

    return execute


def _files(keep: timedelta, dry: bool) -> Removal:
    """A sweep of files that were never attached, and of bytes without a row. Raises Unavailable."""
    with transaction(SYSTEM) as db:
        before = cutoff(db, keep)
    report_of_files = unused_files.clean(dry_run=dry)
    if report_of_files.refused:
        log.error("orphaned files left alone", reason=report_of_files.refused)
        return Removal(before, report_of_files.expired, report_of_files.expired_bytes)
    return Removal(
        before,
        report_of_files.expired + report_of_files.orphans,
        report_of_files.expired_bytes + report_of_files.orphan_bytes,
    )


# The files last: their storage may be away.
SWEEPS = (
    Sweep("answers", "二重送信を防ぐための応答の控え", ANSWER_LIFETIME, _rows(Answer.created_at)),
    Sweep("throttles", "試行回数の記録", timedelta(), _rows(Throttle.expires_at)),
    Sweep("imports", "取り込み途中のデータ", DRAFT_LIFETIME, _rows(Import.created_at)),
    Sweep("traffic_minutes", "アクセス数の記録", TRAFFIC_LIFETIME, _rows(TrafficMinute.minute)),
    Sweep("files", "使われなかったファイル", UNUSED_LIFETIME, _files),
)
