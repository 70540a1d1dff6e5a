"""Reports are drafted from facts, written and finished by people, and sent on somebody's word."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from pydantic_core import to_jsonable_python
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.core import audit, outbox
from service.core.auth import Actor
from service.core.clock import app_now
from service.core.files import deposit, records
from service.core.problems import Conflict, NotFound, Stale
from service.core.purposes import Kind as FileKind
from service.core.reports.render import render
from service.core.settings import settings as floor
from service.reservations.chores import actions as chore_actions
from service.reservations.chores import queries as chores
from service.reservations.chores import schemas as chore_schemas
from service.reservations.drafts import queries, rules, schemas
from service.reservations.drafts.models import ActivityReport, ReportEvent
from service.reservations.drafts.rules import Days, Kind
from service.reservations.incidents import actions as incidents
from service.reservations.incidents import schemas as incident_schemas
from service.reservations.incidents.rules import Mark
from service.reservations.operations import actions as operations
from service.reservations.rules import AREA, REPORT_FILE

SUBJECT = "report"
PAGE = ("reservations-reports", "レポートを開く")
JOB = "reservations.reports"
Opened = Callable[[], AbstractContextManager[Session]]


def draft_due(db: Session) -> int:
    """Drafts what it is time for, and says so in Slack. How many that were; twice is as once."""
    found = [_draft(db, JOB, kind, period) for kind, period in queries.due(db)]
    for report in found:
        if report is not None:
            kind = Kind(report.kind)
            text = rules.drafted(kind, queries.days_of(report))
            operations.tell(db, str(report.id), text, SUBJECT, link=PAGE)
    return sum(report is not None for report in found)


def draft(db: Session, by: Actor, new: schemas.NewDraft) -> ActivityReport:
    """Of the last period that is over. Raises Conflict when there is one of it, or nobody wants any (the chore has
    ended)."""
    period = dict(queries.wanted(db)).get(new.kind)
    words = rules.KIND_WORDS[new.kind]
    if period is None:
        raise Conflict(f"定期作業の「{words}作成」が無効になっているため、作成できません。")
    report = _draft(db, by, new.kind, period)
    if report is None:
        raise Conflict(f"{words} {rules.period_in_words(new.kind, period)} はすでにあります。一覧から開いてください。")
    return report


def _draft(db: Session, by: Actor | str, kind: Kind, period: Days) -> ActivityReport | None:
    """None when it is there."""
    # Whoever drafts the same one waits: the row to lock may not be there yet.
    db.execute(select(func.pg_advisory_xact_lock(func.hashtext(f"{JOB} {kind}"))))
    if queries.find(db, kind, period) is not None:
        return None
    report = ActivityReport(
        kind=kind.value,
        first_day=period.first,
        last_day=period.last,
        figures=queries.as_stored(queries.contents(db, kind, period)),
        drafted_at=app_now(db),
    )
    db.add(report)
    db.flush()
    _event(db, report, "drafted", by)
    after = {"kind": kind.value, "first_day": str(period.first), "last_day": str(period.last)}
    audit.record(db, by, "create", AREA.name, SUBJECT, report.id, after=after)
    return report


def change(db: Session, by: Actor, report_id: int, new: schemas.ReportChange) -> None:
    """What people write in it.

    Raises:
        Stale: somebody changed it since that version was read.
        Conflict: it is finished.
    """
    sent = new.model_dump(exclude={"version"}, exclude_unset=True)
    given = {name: value for name, value in sent.items() if value is not None}
    report = _unfinished(db, report_id, new.version, given)
    before = {name: getattr(report, name) for name in given if getattr(report, name) != given[name]}
    if not before:
        return
    after = {name: given[name] for name in before}
    for name, value in after.items():
        setattr(report, name, value)
    report.version += 1
    _event(db, report, "edited", by, "、".join(rules.TEXTS[name] for name in after))
    audit.record(db, by, "update", AREA.name, SUBJECT, report.id, before=before, after=after)


def refresh(db: Session, by: Actor, report_id: int, new: schemas.Read) -> None:
    """The figures as they are known now; what people wrote stays. Raises as `change`."""
    report = _unfinished(db, report_id, new.version, {})
    report.figures = queries.as_stored(queries.contents(db, Kind(report.kind), queries.days_of(report)))
    report.drafted_at = app_now(db)
    report.version += 1
    _event(db, report, "refreshed", by)
    audit.record(db, by, "update", AREA.name, SUBJECT, report.id, after={"version": report.version})


def finish(db: Session, by: Actor, report_id: int, new: schemas.Finish) -> None:
    """From now on it is read, and nothing of it changes. With it, the chore is checked off, and 週次報告で共有 of its
    Medium incidents is done, where that was asked for. Raises as `change`."""
    report = _unfinished(db, report_id, new.version, {})
    report.finished_at, report.finished_by = app_now(db), by.name[:100]
    report.version += 1
    _event(db, report, "finished", by)
    before, after = {"finished": False}, {"finished": True}
    audit.record(db, by, "status_change", AREA.name, SUBJECT, report.id, before=before, after=after)
    words = rules.KIND_WORDS[Kind(report.kind)]
    period = rules.period_in_words(Kind(report.kind), queries.days_of(report))
    turn = chores.to_check_off(db, rules.CHORE_OF[Kind(report.kind)]) if new.check_off else None
    if turn is not None:
        note = f"{words} {period} を完成"
        chore_actions.finish(db, by, turn.id, chore_schemas.Finish(version=turn.version, note=note))
    if new.share:
        for _, incident_id in queries.unshared(db, report):
            done = incident_schemas.Done(note=f"{words} {period} に記載")
            incidents.finish(db, by, incident_id, Mark.WEEKLY, done)


def reopen(db: Session, by: Actor, report_id: int, new: schemas.Reopen) -> None:
    """It is a draft again, and management does not see it until it is finished anew. Raises Stale, and Conflict when it
    is a draft."""
    report = queries.get(db, report_id, lock=True)
    _refuse_stale(report, new.version, {"reason": new.reason})
    if report.finished_at is None:
        raise Conflict("このレポートはまだ下書きです。画面を更新してください。")
    # The file that was sent stays: a mail may still be on its way with it.
    report.finished_at = report.finished_by = report.pdf_id = None
    report.version += 1
    _event(db, report, "reopened", by, new.reason)
    before, after = {"finished": True}, {"finished": False, "reason": new.reason}
    audit.record(db, by, "status_change", AREA.name, SUBJECT, report.id, before=before, after=after)


def send(opened: Opened, by: Actor, report_id: int, new: schemas.Sending) -> int:
    """Mails it, with its PDF, to each of the addresses: how many. In transactions of its own by `opened`: the type is
    set outside of any.

    Raises:
        NotFound, Stale.
        Conflict: it is a draft.
    """
    with opened() as db:
        report = _finished(db, report_id, new.version)
        known, paper = report.pdf_id, queries.draft(report)
    made = None
    if known is None:
        pdf = io.BytesIO(render(rules.report(paper)))
        made = deposit.make(pdf, REPORT_FILE, rules.file_name(paper.kind, paper.days), made_as=FileKind.PDF)
    try:
        with opened() as db:
            report = _finished(db, report_id, new.version, lock=True)
            if made is not None:
                file = records.add(db, by, made)
                records.take(db, file)
                db.flush()
                report.pdf_id = file.id
            to = list(dict.fromkeys(new.to))
            _mail(db, report, to)
            report.version += 1
            _event(db, report, "sent", by, "、".join(to))
            audit.record(db, by, "status_change", AREA.name, SUBJECT, report.id, after={"recipients": to})
    except (Conflict, NotFound):
        if made is not None:
            deposit.discard(made.storage_key)
        raise
    return len(to)


def _mail(db: Session, report: ActivityReport, to: Sequence[str]) -> None:
    kind, contents = Kind(report.kind), queries.from_stored(report.figures)
    subject, body = rules.mail(kind, queries.days_of(report), contents, _address())
    for address in to:
        outbox.publish(
            db,
            "mail",
            {"to": [address], "subject": subject, "body": body, "attachments": [str(report.pdf_id)]},
            area=AREA.name,
            recipient=address,
            title=subject,
            about=(SUBJECT, report.id),
        )


def _address() -> str:
    return f"{floor().public_base_url.rstrip('/')}/{PAGE[0]}"


def _unfinished(db: Session, report_id: int, version: int, yours: dict[str, Any]) -> ActivityReport:
    report = queries.get(db, report_id, lock=True)
    if report.finished_at is not None:
        raise Conflict(
            f"このレポートは{report.finished_by}が完成させました。変更するときは、先に「下書きに戻す」を押してください。"
        )
    _refuse_stale(report, version, yours)
    return report


def _finished(db: Session, report_id: int, version: int, *, lock: bool = False) -> ActivityReport:
    report = queries.get(db, report_id, lock=lock)
    if report.finished_at is None:
        raise Conflict("このレポートはまだ下書きです。完成させてから送信してください。")
    _refuse_stale(report, version, {})
    return report


def _refuse_stale(report: ActivityReport, version: int, yours: dict[str, Any]) -> None:
    if version == report.version:
        return
    current = {name: getattr(report, name) for name in ("version", *rules.TEXTS)}
    raise Stale(
        "ほかの人が先にこのレポートを変更しました。まだ保存されていません。最新の内容を確認してください。",
        yours=to_jsonable_python(yours),
        current=to_jsonable_python(current),
    )


def _event(db: Session, report: ActivityReport, kind: str, by: Actor | str, said: str = "") -> None:
    person = by if isinstance(by, Actor) else None
    db.add(
        ReportEvent(
            report_id=report.id,
            at=app_now(db),
            kind=kind,
            by=person.name[:100] if person else "システム",
            user_id=person.user_id if person else None,
            text=said[:2000] or None,
        )
    )
