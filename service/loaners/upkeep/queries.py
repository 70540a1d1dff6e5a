"""What could be put away, and what does not fit together."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Select, bindparam, func, select, text, tuple_
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Session

from service.core.clock import app_now
from service.core.problems import NotFound
from service.loaners.history import queries as past
from service.loaners.history.models import DeviceState, Event, Loan
from service.loaners.models import Device
from service.loaners.rules import DEPOSIT_WORDS, KIND_WORDS, Kind
from service.loaners.upkeep import rules
from service.loaners.upkeep.models import Dismissal, UpkeepRun
from service.loaners.upkeep.rules import CHECK_WORDS, Check, Job

# Of one check; who has more has another problem than one finding after the other.
LISTED = 200
RUNS = 24
_BEFORE = bindparam("before", type_=TIMESTAMP(timezone=True))


def before(db: Session) -> datetime:
    """Three years ago (8.2.1)."""
    found: datetime = db.execute(select(func.app_now() - text("interval '3 years'"))).scalar_one()
    return found


def expendable() -> Select[int, int]:
    """Events (id, device) older than three years that nothing since then refers to: not the state that held, or one
    after it, not a loan that was open then, and never a device's newest."""
    since = func.tstzrange(_BEFORE, None)
    held = select(DeviceState.device_id).where(
        DeviceState.device_id == Event.device_id,
        DeviceState.during.op("&&")(since),
        (DeviceState.event_id == Event.id) | (DeviceState.form_event_id == Event.id),
    )
    lent = select(Loan.device_id).where(
        Loan.device_id == Event.device_id,
        Loan.during.op("&&")(since),
        (Loan.first_event_id == Event.id) | (Loan.last_event_id == Event.id),
    )
    later = Event.__table__.alias("later")
    newer = select(later.c.id).where(
        later.c.device_id == Event.device_id,
        tuple_(later.c.effective_at, later.c.id) > tuple_(Event.effective_at, Event.id),
    )
    return select(Event.id, Event.device_id).where(
        Event.effective_at < _BEFORE, ~held.exists(), ~lent.exists(), newer.exists()
    )


def rotation_plan(db: Session) -> dict[str, Any]:
    """A dry run."""
    cut = before(db)
    gone = expendable().subquery()
    rows = db.execute(
        select(Device.kind, func.count(), func.min(Event.effective_at), func.max(Event.effective_at))
        .join(gone, gone.c.id == Event.id)
        .join(Device, Device.id == Event.device_id)
        .group_by(Device.kind),
        {"before": cut},
    ).all()
    devices = db.scalar(select(func.count(gone.c.device_id.distinct())), {"before": cut}) or 0
    old = db.scalar(select(func.count()).select_from(Event).where(Event.effective_at < _BEFORE), {"before": cut}) or 0
    events = sum(row[1] for row in rows)
    now = app_now(db)
    last = last_run(db, Job.ROTATION)
    return {
        "as_of": now,
        "before": cut,
        "events": events,
        "devices": devices,
        "by_kind": {KIND_WORDS[Kind(row[0])]: row[1] for row in rows},
        "oldest": min((row[2] for row in rows), default=None),
        "newest": max((row[3] for row in rows), default=None),
        "kept": old - events,
        "next_at": max(now, last.at + rules.ROTATION_EVERY) if last else now,
    }


def last_run(db: Session, job: Job) -> UpkeepRun | None:
    return db.scalars(select(UpkeepRun).where(UpkeepRun.job == job).order_by(UpkeepRun.at.desc()).limit(1)).first()


def runs(db: Session) -> list[dict[str, Any]]:
    """The newest first."""
    found = db.scalars(select(UpkeepRun).order_by(UpkeepRun.at.desc(), UpkeepRun.id.desc()).limit(RUNS))
    return [{"id": one.id, "job": one.job, "at": one.at, "report": one.report} for one in found]


# Each gives: what it is about, number, moment, detail, the event that could be taken out.
CHECKS: Mapping[Check, str] = {
    Check.SAME_SERIAL: """
        SELECT d.model_id || ':' || d.serial, string_agg(d.number, '、' ORDER BY d.number), max(d.created_at),
            m.name || '　製造番号 ' || d.serial, NULL::bigint
        FROM loaners_devices d JOIN loaners_models m ON m.id = d.model_id
        WHERE d.archived_at IS NULL GROUP BY d.model_id, m.name, d.serial HAVING count(*) > 1""",
    Check.REPEATED: """
        SELECT e.id::text, d.number, e.effective_at,
            to_char(e.effective_at - e.earlier, 'FMMI"分"FMSS"秒前に同じ内容の登録があります"'), e.id
        FROM (
            SELECT e.id, e.device_id, e.effective_at, e.answers, e.kind,
                lag(e.effective_at) OVER w AS earlier, lag(e.answers) OVER w AS said, lag(e.kind) OVER w AS was
            FROM loaners_events e
            WHERE e.kind <> 'cleared' AND NOT EXISTS (SELECT FROM loaners_event_marks k WHERE k.event_id = e.id)
            WINDOW w AS (PARTITION BY e.device_id ORDER BY e.effective_at, e.id)
        ) e JOIN loaners_devices d ON d.id = e.device_id
        WHERE e.kind = 'form' AND e.was = 'form' AND e.answers = e.said AND e.effective_at - e.earlier <= :within""",
    Check.UNRETURNED: """
        SELECT b.first_event_id::text, d.number, lower(b.during),
            '「' || coalesce(nullif(a.borrower, ''), '貸出先未登録') || '」の返却前に「'
            || coalesce(nullif(b.borrower, ''), '貸出先未登録') || '」へ貸出', e.id
        FROM loaners_loans a
        JOIN loaners_loans b ON b.device_id = a.device_id AND lower(b.during) = upper(a.during)
        JOIN loaners_devices d ON d.id = a.device_id
        LEFT JOIN loaners_events e ON e.id = b.first_event_id""",
    Check.DUE_BEFORE_LENT: """
        SELECT l.last_event_id::text, d.number, lower(l.during),
            '貸出日 ' || to_char(l.lent_on, 'YYYY/MM/DD') || '　返却予定日 ' || to_char(l.due_on, 'YYYY/MM/DD'),
            NULL::bigint
        FROM loaners_loans l JOIN loaners_devices d ON d.id = l.device_id WHERE l.due_on < l.lent_on""",
    Check.IGNORED_DEPOSIT: """
        SELECT e.id::text, d.number, e.effective_at,
            '預り機のステータス「' || (CAST(:deposits AS jsonb) ->> e.deposit::text) || '」は反映されていません', e.id
        FROM loaners_events e
        JOIN loaners_states s ON s.device_id = e.device_id AND s.event_id = e.id
        JOIN loaners_devices d ON d.id = e.device_id
        WHERE e.kind = 'deposit' AND s.deposit IS DISTINCT FROM e.deposit""",
}


def _found() -> str:
    parts = [f"SELECT '{check}' AS kind, c.* FROM ({statement}) c" for check, statement in CHECKS.items()]
    return f"""
        WITH c (kind, about, number, at, detail, removable) AS ({" UNION ALL ".join(parts)}),
        found AS (
            SELECT c.*, c.kind || ':' || c.about AS finding, k.reason, k.dismissed_by, k.dismissed_at
            FROM c LEFT JOIN loaners_dismissals k ON k.finding = c.kind || ':' || c.about
        )
        SELECT * FROM found"""  # our own words


_FOUND = _found()


def findings(db: Session, *, dismissed: bool = False, finding: str | None = None) -> list[dict[str, Any]]:
    """All of them, or one, as they are now, the newest first: what was put right since is none any more."""
    rows = db.execute(
        text(
            f"{_FOUND} WHERE (dismissed_at IS NOT NULL) = :dismissed AND (:finding = '' OR finding = :finding) "
            "ORDER BY kind, at DESC, finding"
        ),
        {
            "dismissed": dismissed,
            "finding": finding or "",
            "within": rules.REPEATED_WITHIN,
            "deposits": json.dumps({int(code): words.title for code, words in DEPOSIT_WORDS.items()}),
        },
    ).mappings()
    return [dict(row) for row in rows]


def listed(db: Session, *, dismissed: bool) -> dict[str, Any]:
    """For the page: the first of each check, how many there are, and what the last check found of the tables."""
    found = findings(db, dismissed=dismissed)
    counts = Counter(Check(one["kind"]) for one in found)
    seen: Counter[str] = Counter()
    items = []
    for one in found:
        seen[one["kind"]] += 1
        if seen[one["kind"]] <= LISTED:
            words = CHECK_WORDS[Check(one["kind"])]
            items.append(one | {"check": one["kind"], "title": words.title, "advice": words.advice})
    last = last_run(db, Job.CHECKS)
    return {
        "as_of": app_now(db),
        "items": items,
        "total": len(found),
        "counts": {check: counts[check] for check in Check},
        "checked_at": last.at if last else None,
        "different": past.still_different(db, last.report["different"]) if last else [],
    }


def get_finding(db: Session, finding: str) -> dict[str, Any]:
    """Raises NotFound for one that is none any more, or was dismissed."""
    found = findings(db, finding=finding)
    if not found:
        raise NotFound("この指摘はすでに解消されたか、「問題なし」になっています。一覧を読み込み直してください。")
    return found[0]


def get_dismissal(db: Session, finding: str) -> Dismissal:
    """Raises NotFound."""
    found = db.get(Dismissal, finding)
    if found is None:
        raise NotFound("「問題なし」にした指摘が見つかりません。一覧を読み込み直してください。")
    return found


_STORAGE = text("""
    SELECT coalesce(sum(pg_table_size(relid)), 0)::bigint, coalesce(sum(pg_indexes_size(relid)), 0)::bigint,
        coalesce(round(100.0 * sum(n_dead_tup) / nullif(sum(n_live_tup + n_dead_tup), 0), 1), 0)::float
    FROM pg_stat_user_tables WHERE relname LIKE 'loaners\\_%'
""")


def storage(db: Session) -> dict[str, Any]:
    """How large the area's tables and their indexes are, in bytes, and which share of the rows waits to be tidied up:
    autovacuum's work, which somebody should see (8.3)."""
    data, indexes, dead = db.execute(_STORAGE).one()
    return {"bytes": data, "index_bytes": indexes, "dead_percent": dead}
