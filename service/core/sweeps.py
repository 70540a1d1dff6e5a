"""What is thrown away within the hour once nobody needs it: drafts, counters, unused files. Beside `retention`, whose
rows are records and go by night; both stand in one plan and one report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import structlog
from sqlalchemy import BigInteger, cast, delete, func, literal_column, select
from sqlalchemy.orm import InstrumentedAttribute

from service.core.db import SYSTEM, transaction
from service.core.files import retention as unused_files
from service.core.files.records import UNUSED
from service.core.imports.records import KEPT, Import
from service.core.once import KEPT as ANSWERS_KEPT
from service.core.once import Answer
from service.core.retention import Going, cut, report
from service.core.throttle import Throttle
from service.core.traffic import KEPT as TRAFFIC_KEPT
from service.core.traffic import TrafficMinute

log = structlog.get_logger()


@dataclass(frozen=True)
class Sweep:
    """`target` names it in reports, `title` is for people; `keep` is how long things stay once they are of no use.
    `away` throws them away, or with `dry` only counts them, in transactions of its own."""

    target: str
    title: str
    keep: timedelta
    away: Callable[[timedelta, bool], Going]


def run(sweep: Sweep) -> Going:
    """What went; it is added to the day's report."""
    gone = sweep.away(sweep.keep, False)
    if gone.rows:
        with transaction(SYSTEM) as db:
            report(db, sweep.target, gone)
    return gone


def plan(sweep: Sweep) -> Going:
    return sweep.away(sweep.keep, True)


def _rows(aged_by: InstrumentedAttribute[object]) -> Callable[[timedelta, bool], Going]:
    """Rows of a table by the column that says how old they are."""
    owner = aged_by.class_
    figures = aged_by.label("age"), func.pg_column_size(literal_column(f"{owner.__tablename__}.*")).label("size")

    def away(keep: timedelta, dry: bool) -> Going:
        with transaction(SYSTEM) as db:
            before = cut(db, keep)
            old = aged_by < before
            gone = (
                select(*figures).where(old).cte("gone")
                if dry
                else delete(owner).where(old).returning(*figures).cte("gone")
            )
            size = cast(func.coalesce(func.sum(gone.c.size), 0), BigInteger)
            found = select(func.count(), size, func.min(gone.c.age), func.max(gone.c.age)).select_from(gone)
            return Going(before, *db.execute(found).one())

    return away


def _files(keep: timedelta, dry: bool) -> Going:
    """Files that nobody took into use, and bytes without a row. Raises Unavailable."""
    with transaction(SYSTEM) as db:
        before = cut(db, keep)
    found = unused_files.clean(dry_run=dry)
    if found.refused:
        log.error("orphaned files left alone", reason=found.refused)
        return Going(before, found.expired, found.expired_bytes)
    return Going(before, found.expired + found.orphans, found.expired_bytes + found.orphan_bytes)


# The files last: their storage may be away.
SWEEPS = (
    Sweep("answers", "二重送信を防ぐための応答の控え", ANSWERS_KEPT, _rows(Answer.created_at)),
    Sweep("throttles", "試行回数の記録", timedelta(), _rows(Throttle.expires_at)),
    Sweep("imports", "取り込み途中のデータ", KEPT, _rows(Import.created_at)),
    Sweep("traffic_minutes", "アクセス数の記録", TRAFFIC_KEPT, _rows(TrafficMinute.minute)),
    Sweep("files", "使われなかったファイル", UNUSED, _files),
)
