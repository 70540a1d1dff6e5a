"""Writes of reports: a job drafts them, staff edit, finish and send them."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from pydantic_core import to_jsonable_python
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.core import audit, edits
from service.core.access.auth import Actor
from service.core.database.clock import app_now
from service.core.files import deposit, records
from service.core.outbox import queue
from service.core.problems import Conflict, NotFound, Stale
from service.core.purposes import FileKind
from service.core.reports.render import render
from service.core.settings import settings as core_settings
from service.reservations.chores import actions as chore_actions
from service.reservations.chores import queries as chores
from service.reservations.chores import schemas as chore_schemas
from service.reservations.drafts import queries, rules, schemas
from service.reservations.drafts.models import ActivityReport, ReportEvent
from service.reservations.drafts.rules import Days, Kind
from service.reservations.history import event_values
from service.reservations.incidents import actions as incidents
from service.reservations.incidents import schemas as incident_schemas
from service.reservations.incidents.rules import Mark
from service.reservations.operations import actions as operations
from service.reservations.rules import AREA, REPORT_FILE

SUBJECT = "report"
PAGE = ("reservations-reports", "レポートを開く")
JOB = "reservations.reports"
OpenTransaction = Callable[[], AbstractContextManager[Session]]


def draft_due(db: Session) -> int:
    """Drafts the reports that are due and announces them in Slack. Idempotent. Returns how many were drafted."""
    drafts = [_draft(db, JOB, kind, period) for kind, period in queries.due_reports(db)]
    for report in drafts:
        if report is not None:
            kind = Kind(report.kind)
            text = rules.drafted_message(kind, queries.days_of(report))
            operations.notify_slack(db, str(report.id), text, SUBJECT, link=PAGE)
    return sum(report is not None for report in drafts)


def draft(db: Session, by: Actor, new: schemas.NewDraft) -> ActivityReport:
    """Drafts the report of the last complete period. Raises Conflict when it exists already, or when the report's chore
    has ended."""
    period = dict(queries.periods_to_report(db)).get(new.kind)
    label = new.kind.label
    if period is None:
        raise Conflict(f"定期作業の「{label}作成」が無効になっているため、作成できません。")
    report = _draft(db, by, new.kind, period)
    if report is None:
        raise Conflict(f"{label} {rules.format_period(new.kind, period)} はすでにあります。一覧から開いてください。")
    return report


def _draft(db: Session, by: Actor | str, kind: Kind, period: Days) -> ActivityReport | None:
    """Returns None when the report exists already."""
    # An advisory lock: the row to lock may not exist yet.
    db.execute(select(func.pg_advisory_xact_lock(func.hashtext(f"{JOB} {kind}"))))
    if queries.find(db, kind, period) is not None:
        return None
    report = ActivityReport(
        kind=kind.value,
        first_day=period.first,
        last_day=period.last,
        figures=queries.as_stored(queries.collect_contents(db, kind, period)),
        drafted_at=app_now(db),
    )
    db.add(report)
    db.flush()
    _record_event(db, report, "drafted", by)
    after = {"kind": kind.value, "first_day": str(period.first), "last_day": str(period.last)}
    audit.record(db, by, "create", AREA.name, SUBJECT, report.id, after=after)
    return report


def change(db: Session, by: Actor, report_id: int, new: schemas.ReportChange) -> None:
    """Changes the texts of a draft.

    Raises:
        Stale: it was changed since that version was read.
        Conflict: it is finished.
    """
    values = edits.entered_values(new)
    report = _lock_draft(db, report_id, new.version, values)
    before = {name: getattr(report, name) for name in values if getattr(report, name) != values[name]}
    if not before:
        return
    after = {name: values[name] for name in before}
    for name, value in after.items():
        setattr(report, name, value)
    report.version += 1
    _record_event(db, report, "edited", by, "、".join(rules.TEXT_LABELS[name] for name in after))
    audit.record(db, by, "update", AREA.name, SUBJECT, report.id, before=before, after=after)


def refresh(db: Session, by: Actor, report_id: int, new: edits.Edit) -> None:
    """Updates the figures to the current data; the texts stay. Raises as `change`."""
    report = _lock_draft(db, report_id, new.version, {})
    report.figures = queries.as_stored(queries.collect_contents(db, Kind(report.kind), queries.days_of(report)))
    report.drafted_at = app_now(db)
    report.version += 1
    _record_event(db, report, "refreshed", by)
    audit.record(db, by, "update", AREA.name, SUBJECT, report.id, after={"version": report.version})


def finish(db: Session, by: Actor, report_id: int, new: schemas.Finish) -> None:
    """Finishes a report: managers can read it, and it is read-only. On request, also checks off the chore
    (`check_off`) and marks 週次報告で共有 of its Medium incidents as done (`share`). Raises as `change`."""
    report = _lock_draft(db, report_id, new.version, {})
    report.finished_at, report.finished_by = app_now(db), by.name[:100]
    report.version += 1
    _record_event(db, report, "finished", by)
    before, after = {"finished": False}, {"finished": True}
    audit.record(db, by, "status_change", AREA.name, SUBJECT, report.id, before=before, after=after)
    label = Kind(report.kind).label
    period = rules.format_period(Kind(report.kind), queries.days_of(report))
    turn = chores.turn_to_check_off(db, rules.CHORE_CODES[Kind(report.kind)]) if new.check_off else None
    if turn is not None:
        note = f"{label} {period} を完成"
        chore_actions.finish(db, by, turn.id, chore_schemas.Finish(version=turn.version, note=note))
    if new.share:
        for _, incident_id in queries.unshared(db, report):
            done = incident_schemas.Done(note=f"{label} {period} に記載")
            incidents.finish(db, by, incident_id, Mark.WEEKLY, done)


def reopen(db: Session, by: Actor, report_id: int, new: schemas.Reopen) -> None:
    """Turns a finished report back into a draft, which managers cannot see. Raises Stale, and Conflict when it is a
    draft already."""
    report = queries.get(db, report_id, lock=True)
    _refuse_stale(report, new.version, {"reason": new.reason})
    if report.finished_at is None:
        raise Conflict("このレポートはまだ下書きです。画面を更新してください。")
    # The file is not deleted: a mail in the outbox may still need it.
    report.finished_at = report.finished_by = report.pdf_id = None
    report.version += 1
    _record_event(db, report, "reopened", by, new.reason)
    before, after = {"finished": True}, {"finished": False, "reason": new.reason}
    audit.record(db, by, "status_change", AREA.name, SUBJECT, report.id, before=before, after=after)


def send(transaction: OpenTransaction, by: Actor, report_id: int, new: schemas.Sending) -> int:
    """Mails the report with its PDF to each address; returns the number of addresses. Opens its own transactions with
    `transaction`, so that the PDF is rendered outside of them.

    Raises:
        NotFound, Stale.
        Conflict: it is a draft.
    """
    with transaction() as db:
        report = _get_finished(db, report_id, new.version)
        pdf_id, printable = report.pdf_id, queries.printable_report(report)
    pdf_file = None
    if pdf_id is None:
        content = io.BytesIO(render(rules.build_report(printable)))
        pdf_file = deposit.store(
            content, REPORT_FILE, rules.file_name(printable.kind, printable.days), made_as=FileKind.PDF
        )
    try:
        with transaction() as db:
            report = _get_finished(db, report_id, new.version, lock=True)
            if pdf_file is not None:
                file = records.add(db, by, pdf_file, is_audited=False)
                records.attach_generated(db, file)
                db.flush()
                report.pdf_id = file.id
            to = list(dict.fromkeys(new.to))
            _send_mails(db, report, to)
            report.version += 1
            _record_event(db, report, "sent", by, "、".join(to))
            audit.record(db, by, "status_change", AREA.name, SUBJECT, report.id, after={"recipients": to})
    except (Conflict, NotFound):
        if pdf_file is not None:
            deposit.discard(pdf_file.storage_key)
        raise
    return len(to)


def _send_mails(db: Session, report: ActivityReport, to: Sequence[str]) -> None:
    kind, contents = Kind(report.kind), queries.from_stored(report.figures)
    subject, body = rules.build_mail(kind, queries.days_of(report), contents, _reports_url())
    about, files = (SUBJECT, report.id), [str(report.pdf_id)]
    for address in to:
        queue.publish_mail(db, [address], subject, body, area=AREA.name, about=about, attachments=files)


def _reports_url() -> str:
    return core_settings().page_url(f"/{PAGE[0]}")


def _lock_draft(db: Session, report_id: int, version: int, yours: dict[str, Any]) -> ActivityReport:
    report = queries.get(db, report_id, lock=True)
    if report.finished_at is not None:
        raise Conflict(
            f"このレポートは{report.finished_by}が完成させました。変更するときは、先に「下書きに戻す」を押してください。"
        )
    _refuse_stale(report, version, yours)
    return report


def _get_finished(db: Session, report_id: int, version: int, *, lock: bool = False) -> ActivityReport:
    report = queries.get(db, report_id, lock=lock)
    if report.finished_at is None:
        raise Conflict("このレポートはまだ下書きです。完成させてから送信してください。")
    _refuse_stale(report, version, {})
    return report


def _refuse_stale(report: ActivityReport, version: int, yours: dict[str, Any]) -> None:
    if version == report.version:
        return
    current = {name: getattr(report, name) for name in ("version", *rules.TEXT_LABELS)}
    raise Stale(
        "ほかの人が先にこのレポートを変更しました。まだ保存されていません。最新の内容を確認してください。",
        yours=to_jsonable_python(yours),
        current=to_jsonable_python(current),
    )


def _record_event(db: Session, report: ActivityReport, kind: str, by: Actor | str, text: str = "") -> None:
    actor = by if isinstance(by, Actor) else None
    db.add(ReportEvent(report_id=report.id, **event_values(db, kind, actor, text)))
