"""Reads for the rotation (events to archive) and the checks (contradictions)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Select, bindparam, func, select, text, tuple_
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Session

from service.core.database.clock import app_now
from service.core.problems import NotFound
from service.loaners.history import queries as past
from service.loaners.history.models import Event, Loan
from service.loaners.models import Device, DeviceState
from service.loaners.rules import DEPOSIT_LABELS, Kind
from service.loaners.upkeep import rules, schemas
from service.loaners.upkeep.models import Dismissal, UpkeepRun
from service.loaners.upkeep.rules import CHECK_LABELS, Check, Job

# Maximum of findings shown for each check.
MAX_LISTED = 200
MAX_RUNS = 24
_BEFORE = bindparam("before", type_=TIMESTAMP(timezone=True))


def archive_cutoff(db: Session) -> datetime:
    """Three years ago (8.2.1)."""
    cutoff: datetime = db.execute(select(func.app_now() - text("interval '3 years'"))).scalar_one()
    return cutoff


def archivable_events() -> Select[int, int]:
    """Events (id, device id) older than three years that are not needed any more: no state or loan since then refers to
    them, and they are not the newest event of the device."""
    since = func.tstzrange(_BEFORE, None)
    needed_by_state = select(DeviceState.device_id).where(
        DeviceState.device_id == Event.device_id,
        DeviceState.during.op("&&")(since),
        (DeviceState.event_id == Event.id) | (DeviceState.form_event_id == Event.id),
    )
    needed_by_loan = select(Loan.device_id).where(
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
        Event.effective_at < _BEFORE, ~needed_by_state.exists(), ~needed_by_loan.exists(), newer.exists()
    )


def rotation_plan(db: Session) -> schemas.RotationPlan:
    """A dry run."""
    cutoff = archive_cutoff(db)
    archivable = archivable_events().subquery()
    rows = db.execute(
        select(Device.kind, func.count(), func.min(Event.effective_at), func.max(Event.effective_at))
        .join(archivable, archivable.c.id == Event.id)
        .join(Device, Device.id == Event.device_id)
        .group_by(Device.kind),
        {"before": cutoff},
    ).all()
    devices = db.scalar(select(func.count(archivable.c.device_id.distinct())), {"before": cutoff}) or 0
    old = (
        db.scalar(select(func.count()).select_from(Event).where(Event.effective_at < _BEFORE), {"before": cutoff}) or 0
    )
    events = sum(row[1] for row in rows)
    now = app_now(db)
    last = last_run(db, Job.ROTATION)
    return schemas.RotationPlan(
        as_of=now,
        before=cutoff,
        events=events,
        devices=devices,
        by_kind={Kind(row[0]).label: row[1] for row in rows},
        oldest=min((row[2] for row in rows), default=None),
        newest=max((row[3] for row in rows), default=None),
        kept=old - events,
        next_at=max(now, last.at + rules.ROTATION_EVERY) if last else now,
    )


def last_run(db: Session, job: Job) -> UpkeepRun | None:
    return db.scalars(select(UpkeepRun).where(UpkeepRun.job == job).order_by(UpkeepRun.at.desc()).limit(1)).first()


def runs(db: Session) -> schemas.Runs:
    """Newest first."""
    rows = db.scalars(select(UpkeepRun).order_by(UpkeepRun.at.desc(), UpkeepRun.id.desc()).limit(MAX_RUNS))
    return schemas.Runs(items=[schemas.RunItem.model_validate(run, from_attributes=True) for run in rows])


# Each returns: subject, number, time, detail, and the event that could be marked (除去).
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


def _findings_sql() -> str:
    parts = [f"SELECT '{check}' AS kind, c.* FROM ({statement}) c" for check, statement in CHECKS.items()]
    return f"""
        WITH c (kind, about, number, at, detail, removable) AS ({" UNION ALL ".join(parts)}),
        found AS (
            SELECT c.*, c.kind || ':' || c.about AS finding, k.reason, k.dismissed_by, k.dismissed_at
            FROM c LEFT JOIN loaners_dismissals k ON k.finding = c.kind || ':' || c.about
        )
        SELECT * FROM found"""  # only constants, no user input


_FINDINGS_SQL = _findings_sql()


def findings(db: Session, *, dismissed: bool = False, finding: str | None = None) -> list[schemas.FindingItem]:
    """All current findings, or one, newest first. A finding disappears when its cause is corrected."""
    rows = db.execute(
        text(
            f"{_FINDINGS_SQL} WHERE (dismissed_at IS NOT NULL) = :dismissed AND (:finding = '' OR finding = :finding) "
            "ORDER BY kind, at DESC, finding"
        ),
        {
            "dismissed": dismissed,
            "finding": finding or "",
            "within": rules.REPEATED_WITHIN,
            "deposits": json.dumps({int(code): labels.title for code, labels in DEPOSIT_LABELS.items()}),
        },
    ).mappings()
    return [schemas.FindingItem(**row, check=row["kind"], **vars(CHECK_LABELS[Check(row["kind"])])) for row in rows]


def findings_page(db: Session, *, dismissed: bool) -> schemas.Findings:
    """For the page: the first findings of each check, their counts, and devices with a wrong projection."""
    all_findings = findings(db, dismissed=dismissed)
    counts: Counter[Check] = Counter()
    items: list[schemas.FindingItem] = []
    for finding in all_findings:
        counts[finding.check] += 1
        if counts[finding.check] <= MAX_LISTED:
            items.append(finding)
    last = last_run(db, Job.CHECKS)
    return schemas.Findings(
        as_of=app_now(db),
        items=items,
        total=len(all_findings),
        counts={check: counts[check] for check in Check},
        checked_at=last.at if last else None,
        different=past.remaining_mismatches(db, last.report["different"]) if last else [],
    )


def get_finding(db: Session, finding: str) -> schemas.FindingItem:
    """Raises NotFound for a finding that is corrected or dismissed."""
    matches = findings(db, finding=finding)
    if not matches:
        raise NotFound("この指摘はすでに解消されたか、「問題なし」になっています。一覧を読み込み直してください。")
    return matches[0]


def get_dismissal(db: Session, finding: str) -> Dismissal:
    """Raises NotFound."""
    dismissal = db.get(Dismissal, finding)
    if dismissal is None:
        raise NotFound("「問題なし」にした指摘が見つかりません。一覧を読み込み直してください。")
    return dismissal


_STORAGE = text("""
    SELECT coalesce(sum(pg_table_size(relid)), 0)::bigint, coalesce(sum(pg_indexes_size(relid)), 0)::bigint,
        coalesce(round(100.0 * sum(n_dead_tup) / nullif(sum(n_live_tup + n_dead_tup), 0), 1), 0)::float
    FROM pg_stat_user_tables WHERE relname LIKE 'loaners\\_%'
""")


def storage(db: Session) -> dict[str, float]:
    """The size of the area's tables and of their indexes, in bytes, and the percentage of dead rows, which autovacuum
    should remove (8.3)."""
    data, indexes, dead = db.execute(_STORAGE).one()
    return {"bytes": data, "index_bytes": indexes, "dead_percent": dead}
