"""Reads of reports, and the data from which they are drafted."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime
from functools import lru_cache
from statistics import median
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from service.core.access.identity import Membership, User
from service.core.database.clock import app_now
from service.core.database.paging import Key, Listing, Page, equals, when_true
from service.core.holidays import calendar_named, days
from service.core.problems import NotFound
from service.core.values.times import DAY, at, local_date
from service.core.values.working_time import working_time_between
from service.reservations.chores import queries as chores
from service.reservations.chores.models import Chore
from service.reservations.chores.rules import WEEK, next_business_day, nth_business_day
from service.reservations.chores.schemas import TurnItem
from service.reservations.drafts import rules, schemas
from service.reservations.drafts.models import ActivityReport, ReportEvent
from service.reservations.drafts.rules import Contents, Days, InTime, Kind, Numbers, Share
from service.reservations.enquiries import queries as enquiries
from service.reservations.enquiries.schemas import Kpis, Measure
from service.reservations.figures import queries as figures
from service.reservations.figures.schemas import Period, Rate
from service.reservations.history import events_where
from service.reservations.incidents import queries as incident_queries
from service.reservations.incidents import rules as incident_rules
from service.reservations.incidents.models import Incident
from service.reservations.incidents.rules import Level, Mark
from service.reservations.operations.models import Operation
from service.reservations.operations.rules import TARGETS, Priority
from service.reservations.rules import AREA
from service.reservations.surveys import queries as surveys

WRITE = "reservations:report:update"
# Defaults of the document, used when the chore has another rhythm.
DEFAULT_WEEKDAY, DEFAULT_BUSINESS_DAY = 5, 5


@lru_cache(maxsize=1)
def _contents_adapter() -> TypeAdapter[Contents]:
    return TypeAdapter(Contents)


def as_stored(contents: Contents) -> dict[str, Any]:
    """The value of the `figures` column. Inverse: `from_stored`."""
    stored: dict[str, Any] = _contents_adapter().dump_python(contents, mode="json")
    return stored


def from_stored(stored: dict[str, Any]) -> Contents:
    return _contents_adapter().validate_python(stored)


@lru_cache(maxsize=1)
def _numbers_adapter() -> TypeAdapter[Numbers]:
    return TypeAdapter(Numbers)


_last_sent_id = (
    select(func.max(ReportEvent.id))
    .where(ReportEvent.report_id == ActivityReport.id, ReportEvent.kind == "sent")
    .correlate(ActivityReport)
    .scalar_subquery()
)


def _of_last_sent(column: Any) -> Any:
    return select(column).where(ReportEvent.id == _last_sent_id).correlate(ActivityReport).scalar_subquery()


_is_finished = ActivityReport.finished_at.is_not(None)
REPORTS = Listing(
    select(
        ActivityReport.id,
        ActivityReport.version,
        ActivityReport.kind,
        ActivityReport.first_day,
        ActivityReport.last_day,
        ActivityReport.drafted_at,
        ActivityReport.finished_at,
        ActivityReport.finished_by,
        _of_last_sent(ReportEvent.at).label("sent_at"),
        _of_last_sent(ReportEvent.by).label("sent_by"),
        ActivityReport.figures["now"].label("now"),
    ),
    unique=ActivityReport.id,
    keys={"last_day": Key(ActivityReport.last_day), "finished_at": Key(ActivityReport.finished_at, nullable=True)},
    default="-last_day",
    filters={
        "kind": equals(ActivityReport.kind),
        "is_draft": when_true(~_is_finished),
        "is_finished": when_true(_is_finished),
    },
    model=schemas.ReportItem,
)


def reports(
    db: Session, limit: int, cursor: str | None, filters: schemas.ReportFilters, *, with_drafts: bool
) -> Page[schemas.ReportItem]:
    """`with_drafts`: also drafts, for users who may edit them; otherwise finished reports only."""
    values: dict[str, Any] = {"kind": filters.kind.value if filters.kind else None}
    values |= {f"is_{filters.state}": True} if filters.state else {}
    # A user who may not see drafts but filters by them gets none: no report matches both conditions.
    values |= {} if with_drafts else {"is_finished": True}
    return REPORTS.read(db, limit, cursor, filters.sort, item=_report_item, **values)


def _report_item(row: dict[str, Any]) -> dict[str, Any]:
    item = dict(row)
    now = _numbers_adapter().validate_python(item.pop("now"))
    period = rules.format_period(Kind(item["kind"]), Days(item["first_day"], item["last_day"]))
    return item | {"period": period, "requested": now.requested, "success": now.success.share, "sales": now.sales}


def get(db: Session, report_id: int, *, lock: bool = False, with_drafts: bool = True) -> ActivityReport:
    """Raises NotFound."""
    report = db.get(ActivityReport, report_id, with_for_update=lock, populate_existing=lock)
    if report is None or (report.finished_at is None and not with_drafts):
        raise NotFound("指定されたレポートは見つかりません。一覧を開き直してください。")
    return report


def find(db: Session, kind: Kind, period: Days) -> ActivityReport | None:
    statement = select(ActivityReport).where(ActivityReport.kind == kind.value, ActivityReport.last_day == period.last)
    return db.scalars(statement).one_or_none()


def days_of(report: ActivityReport) -> Days:
    return Days(report.first_day, report.last_day)


def report_detail(db: Session, report_id: int, *, with_drafts: bool) -> schemas.ReportDetail:
    """Raises NotFound."""
    db.flush()
    report = get(db, report_id, with_drafts=with_drafts)
    row = dict(db.execute(REPORTS.rows.where(ActivityReport.id == report.id)).one()._mapping)
    contents = from_stored(report.figures)
    turn = chores.turn_to_check_off(db, rules.CHORE_CODES[Kind(report.kind)]) if with_drafts else None
    return schemas.ReportDetail(
        **_report_item(row),
        findings=report.findings,
        issues=report.issues,
        next_steps=report.next_steps,
        contents=contents,
        operations={
            line.kind: schemas.OperationWords(
                title=rules.operation_label(line.kind), estimate=rules.operation_estimate(line.kind)
            )
            for line in contents.operations
        },
        events=events_where(db, ReportEvent, ReportEvent.report_id == report.id),
        open_chore=turn.id if turn else None,
        unshared=[code for code, _ in unshared(db, report)],
    )


def unshared(db: Session, report: ActivityReport) -> list[tuple[str, int]]:
    """Code and id of the Medium incidents in a weekly report whose 週次報告で共有 is not done."""
    if report.kind != Kind.WEEKLY:
        return []
    codes = [line.code for line in from_stored(report.figures).incidents if line.level == Level.MEDIUM]
    result = []
    for code in codes:
        incident_id = int(code.removeprefix("INC-"))
        mark = incident_queries.marks(db, incident_id).get(Mark.WEEKLY)
        level = db.get_one(Incident, incident_id).level
        if mark is not None and mark.done_at is None and level == Level.MEDIUM:
            result.append((code, incident_id))
    return result


def printable_report(report: ActivityReport) -> rules.PrintableReport:
    """The report as it is printed."""
    return rules.PrintableReport(
        kind=Kind(report.kind),
        days=days_of(report),
        drafted_at=report.drafted_at,
        contents=from_stored(report.figures),
        findings=report.findings,
        issues=report.issues,
        next_steps=report.next_steps,
        finished_by=report.finished_by,
    )


def periods_to_report(db: Session) -> list[tuple[Kind, Days]]:
    """The last complete period of each kind of report whose chore has not ended."""
    now, holidays = app_now(db), days(db)
    weekly, monthly = (chores.active_chore(db, rules.CHORE_CODES[kind]) for kind in (Kind.WEEKLY, Kind.MONTHLY))
    periods = []
    if weekly is not None:
        periods.append((Kind.WEEKLY, rules.week_to_report(now, weekly.weekday or DEFAULT_WEEKDAY, holidays)))
    if monthly is not None:
        periods.append(
            (Kind.MONTHLY, rules.month_to_report(now, monthly.business_day or DEFAULT_BUSINESS_DAY, holidays))
        )
    return periods


def due_reports(db: Session) -> list[tuple[Kind, Days]]:
    """The reports to draft now; none for periods before the product was installed."""
    began = db.scalar(select(func.min(Chore.created_at)))
    return [
        (kind, period)
        for kind, period in periods_to_report(db)
        if find(db, kind, period) is None and began is not None and period.last >= local_date(began)
    ]


def counts(db: Session, *, with_drafts: bool) -> schemas.Counts:
    drafts, finished = db.execute(
        select(func.count().filter(~_is_finished), func.count().filter(_is_finished)).select_from(ActivityReport)
    ).one()
    last = db.scalars(
        select(ActivityReport).where(_is_finished).order_by(ActivityReport.last_day.desc()).limit(1)
    ).one_or_none()
    upcoming = _upcoming(db) if with_drafts else {}
    return schemas.Counts(
        as_of=app_now(db),
        drafts=drafts if with_drafts else 0,
        finished=finished,
        last_kind=Kind(last.kind) if last else None,
        last_period=rules.format_period(Kind(last.kind), days_of(last)) if last else None,
        last_finished_at=last.finished_at if last else None,
        next_weekly_at=upcoming.get(Kind.WEEKLY),
        next_monthly_at=upcoming.get(Kind.MONTHLY),
    )


def _upcoming(db: Session) -> dict[Kind, datetime]:
    holidays = days(db)
    upcoming = {}
    for kind, period in periods_to_report(db):
        if kind is Kind.WEEKLY:
            day = next_business_day(period.last + DAY + WEEK, holidays)
        else:
            chore = chores.active_chore(db, rules.CHORE_CODES[kind])
            number = (chore.business_day if chore else None) or DEFAULT_BUSINESS_DAY
            day = nth_business_day(rules.month_after(period.last).plus(1), number, holidays)
        upcoming[kind] = at(day, rules.DRAFTING_TIME)
    return upcoming


def collect_contents(db: Session, kind: Kind, period: Days) -> Contents:
    """Collects the contents of a report from the current data."""
    since, until = period.bounds()
    earlier = rules.previous_period(kind, period).bounds()
    totals, totals_before = figures.period(db, since, until), figures.period(db, *earlier)
    support, support_before = enquiries.kpis(db, since, until), enquiries.kpis(db, *earlier)
    incidents = _incidents(db, since, until)
    return Contents(
        now=_numbers(db, totals, support, since, until),
        before=_numbers(db, totals_before, support_before, *earlier),
        by_service=dict(totals.by_service),
        by_shop=dict(totals.by_shop),
        operations=_operations(db, since, until, Counter(totals_before.operations)),
        incidents=incidents,
        support=rules.Support(
            by_channel=dict(support.by_channel),
            first_mail=_in_time(support.first_mail),
            first_phone=_in_time(support.first_phone),
            resolution=_in_time(support.resolution),
            unresolved=support.unresolved,
            categories=list(support.categories),
            for_faq=list(support.for_faq),
        ),
        chores=_chores(db, since, until),
    )


def _numbers(db: Session, totals: Period, support: Kpis, since: datetime, until: datetime) -> Numbers:
    satisfaction = surveys.satisfaction(db, since, until)
    detected = select(func.count()).where(Incident.detected_at >= since, Incident.detected_at < until)
    return Numbers(
        requested=totals.requested,
        success=_share(totals.success),
        payment=_share(totals.payment),
        cancelled=_share(totals.cancelled),
        paid=totals.paid,
        refunded=totals.refunded,
        operations=sum(totals.operations.values()),
        incidents=db.scalar(detected) or 0,
        enquiries=support.count,
        satisfaction=satisfaction.mean,
        answers=satisfaction.count,
    )


def _share(rate: Rate) -> Share:
    return Share(rate.part, rate.whole)


def _in_time(measured: Measure) -> InTime:
    return InTime(measured.due, measured.met, measured.median_minutes)


def _operations(db: Session, since: datetime, until: datetime, earlier: Counter[str]) -> list[rules.OperationLine]:
    """By kind, the most frequent first. Durations are counted in the calendar of the target."""
    now = app_now(db)
    rows = db.execute(
        select(Operation.kind, Operation.priority, Operation.opened_at, Operation.due_at, Operation.resolved_at)
        .where(Operation.opened_at >= since, Operation.opened_at < until)
        .order_by(Operation.id)
    ).all()
    by_kind = defaultdict(list)
    for row in rows:
        by_kind[row.kind].append(row)
    lines = []
    for kind, operations in by_kind.items():
        done = [row for row in operations if row.resolved_at is not None]
        durations = [
            working_time_between(
                row.opened_at, row.resolved_at, calendar_named(db, TARGETS[Priority(row.priority)].calendar)
            ).total_seconds()
            for row in done
        ]
        lines.append(
            rules.OperationLine(
                kind=kind,
                count=len(operations),
                done=len(done),
                due=sum(row.resolved_at is not None or row.due_at < now for row in operations),
                met=sum(row.resolved_at <= row.due_at for row in done),
                median_minutes=round(median(durations) / 60) if durations else None,
                before=earlier[kind],
            )
        )
    return sorted(lines, key=lambda line: (-line.count, line.kind))


def _incidents(db: Session, since: datetime, until: datetime) -> list[rules.IncidentLine]:
    """Incidents that were detected in the period, and older ones that are still open."""
    statement = select(Incident).where(
        Incident.detected_at < until, or_(Incident.detected_at >= since, Incident.resolved_at.is_(None))
    )
    return [
        rules.IncidentLine(
            code=incident_rules.incident_number(incident.id),
            title=incident.title,
            level=incident.level,
            detected_at=incident.detected_at,
            recovered_at=incident.recovered_at,
            is_open=incident.resolved_at is None,
            shared_weekly=Mark.WEEKLY in incident_rules.FLOWS[Level(incident.level)],
        )
        for incident in db.scalars(statement.order_by(Incident.detected_at, Incident.id))
    ]


def _chores(db: Session, since: datetime, until: datetime) -> rules.Chores:
    turns = chores.turns_due_in(db, since, until)
    done = [turn for turn in turns if turn.state == "done"]
    not_done: dict[str, list[TurnItem]] = defaultdict(list)
    for turn in turns:
        if turn.state != "done":
            not_done[turn.title].append(turn)
    return rules.Chores(
        due=len(turns),
        done=len(done),
        late=sum(turn.was_late for turn in done),
        minutes=sum(turn.minutes or 0 for turn in done),
        not_done=[
            rules.ChoreLine(
                title=title,
                owner=chore_turns[0].owner,
                times=sum(turn.state != "skipped" for turn in chore_turns),
                skipped=sum(turn.state == "skipped" for turn in chore_turns),
                reason=next((turn.note for turn in reversed(chore_turns) if turn.state == "skipped"), ""),
            )
            for title, chore_turns in not_done.items()
        ],
    )


def managers(db: Session) -> list[schemas.Manager]:
    """The area's managers who have a mail address: the usual recipients of a report."""
    statement = (
        select(User.name, User.mail)
        .join(Membership, and_(Membership.user_id == User.id, ~Membership.is_suspended))
        .where(User.is_active, User.mail.is_not(None), Membership.area == AREA.name)
        .where(Membership.role == incident_queries.MANAGER_ROLE)
        .order_by(User.name, User.id)
    )
    return [schemas.Manager(**row._mapping) for row in db.execute(statement)]
