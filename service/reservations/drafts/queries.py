"""Reports as they are kept, and the facts that they are drafted from."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime
from functools import lru_cache
from statistics import median
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from service.core.calendar import working_time_between
from service.core.clock import app_now
from service.core.holidays import calendar_named, days
from service.core.identity import Membership, User
from service.core.paging import Key, Listing, equals, when
from service.core.problems import NotFound
from service.core.times import DAY, at, local_date
from service.reservations.chores import queries as chores
from service.reservations.chores.models import Chore
from service.reservations.chores.rules import WEEK, next_business_day, nth_business_day
from service.reservations.drafts import rules, schemas
from service.reservations.drafts.models import ActivityReport, ReportEvent
from service.reservations.drafts.rules import Contents, Days, InTime, Kind, Numbers, Share
from service.reservations.enquiries import queries as enquiries
from service.reservations.enquiries.schemas import Kpis, Measure
from service.reservations.figures import queries as figures
from service.reservations.figures.schemas import Period, Rate
from service.reservations.incidents import queries as incident_queries
from service.reservations.incidents import rules as incident_rules
from service.reservations.incidents.models import Incident
from service.reservations.incidents.rules import Level, Mark
from service.reservations.operations.models import Operation
from service.reservations.operations.rules import TARGETS, Priority
from service.reservations.rules import AREA
from service.reservations.surveys import queries as surveys

WRITE = "reservations:report:update"
# By the document, where somebody made the chore one of another rhythm.
FRIDAY, FIFTH = 5, 5


@lru_cache(maxsize=1)
def _stored() -> TypeAdapter[Contents]:
    return TypeAdapter(Contents)


def as_stored(contents: Contents) -> dict[str, Any]:
    """As the column holds them; `from_stored` is the way back."""
    told: dict[str, Any] = _stored().dump_python(contents, mode="json")
    return told


def from_stored(kept: dict[str, Any]) -> Contents:
    return _stored().validate_python(kept)


@lru_cache(maxsize=1)
def _summary() -> TypeAdapter[Numbers]:
    return TypeAdapter(Numbers)


_sent = (
    select(func.max(ReportEvent.id))
    .where(ReportEvent.report_id == ActivityReport.id, ReportEvent.kind == "sent")
    .correlate(ActivityReport)
    .scalar_subquery()
)


def _of_last_sending(column: Any) -> Any:
    return select(column).where(ReportEvent.id == _sent).correlate(ActivityReport).scalar_subquery()


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
        _of_last_sending(ReportEvent.at).label("sent_at"),
        _of_last_sending(ReportEvent.by).label("sent_by"),
        ActivityReport.figures["now"].label("now"),
    ),
    unique=ActivityReport.id,
    keys={"last_day": Key(ActivityReport.last_day), "finished_at": Key(ActivityReport.finished_at, nullable=True)},
    default="-last_day",
    filters={
        "kind": equals(ActivityReport.kind),
        "is_draft": when(~_is_finished),
        "is_finished": when(_is_finished),
    },
)


def reports(
    db: Session, limit: int, cursor: str | None, filters: schemas.ReportFilters, *, with_drafts: bool
) -> dict[str, Any]:
    """`with_drafts`: for who writes them; others see those that are finished."""
    cut: dict[str, Any] = {"kind": filters.kind.value if filters.kind else None}
    cut |= {f"is_{filters.state}": True} if filters.state else {}
    # Who may not see drafts and asks for them gets none: both conditions hold of no report.
    cut |= {} if with_drafts else {"is_finished": True}
    return REPORTS.page(db, limit, cursor, filters.sort, item=_item, **cut)


def _item(row: dict[str, Any]) -> dict[str, Any]:
    seen = dict(row)
    now = _summary().validate_python(seen.pop("now"))
    period = rules.period_in_words(Kind(seen["kind"]), Days(seen["first_day"], seen["last_day"]))
    return seen | {"period": period, "requested": now.requested, "success": now.success.value, "sales": now.sales}


def get(db: Session, report_id: int, *, lock: bool = False, with_drafts: bool = True) -> ActivityReport:
    """Raises NotFound, in words."""
    found = db.get(ActivityReport, report_id, with_for_update=lock, populate_existing=lock)
    if found is None or (found.finished_at is None and not with_drafts):
        raise NotFound("指定されたレポートは見つかりません。一覧を開き直してください。")
    return found


def find(db: Session, kind: Kind, period: Days) -> ActivityReport | None:
    found = select(ActivityReport).where(ActivityReport.kind == kind.value, ActivityReport.last_day == period.last)
    return db.scalars(found).one_or_none()


def days_of(report: ActivityReport) -> Days:
    return Days(report.first_day, report.last_day)


def report_in_full(db: Session, report_id: int, *, with_drafts: bool) -> dict[str, Any]:
    """Raises NotFound."""
    db.flush()
    report = get(db, report_id, with_drafts=with_drafts)
    row = dict(db.execute(REPORTS.rows.where(ActivityReport.id == report.id)).one()._mapping)
    contents = from_stored(report.figures)
    turn = chores.to_check_off(db, rules.CHORE_OF[Kind(report.kind)]) if with_drafts else None
    events = (
        select(ReportEvent.id, ReportEvent.at, ReportEvent.kind, ReportEvent.by, ReportEvent.text)
        .where(ReportEvent.report_id == report.id)
        .order_by(ReportEvent.id.desc())
    )
    return _item(row) | {
        "findings": report.findings,
        "issues": report.issues,
        "next_steps": report.next_steps,
        "contents": contents,
        "operations": {
            one.kind: {"title": rules.operation_words(one.kind), "estimate": rules.estimate(one.kind)}
            for one in contents.operations
        },
        "events": [dict(one._mapping) for one in db.execute(events)],
        "open_chore": turn.id if turn else None,
        "unshared": [code for code, _ in unshared(db, report)],
    }


def unshared(db: Session, report: ActivityReport) -> list[tuple[str, int]]:
    """Code and id of the Medium incidents in a weekly report of which 週次報告で共有 is not done."""
    if report.kind != Kind.WEEKLY:
        return []
    codes = [one.code for one in from_stored(report.figures).incidents if one.level == Level.MEDIUM]
    found = []
    for code in codes:
        incident_id = int(code.removeprefix("INC-"))
        mark = incident_queries.marks(db, incident_id).get(Mark.WEEKLY)
        level = db.get_one(Incident, incident_id).level
        if mark is not None and mark.done_at is None and level == Level.MEDIUM:
            found.append((code, incident_id))
    return found


def draft(report: ActivityReport) -> rules.Draft:
    """As it is printed."""
    return rules.Draft(
        kind=Kind(report.kind),
        days=days_of(report),
        drafted_at=report.drafted_at,
        contents=from_stored(report.figures),
        findings=report.findings,
        issues=report.issues,
        next_steps=report.next_steps,
        finished_by=report.finished_by,
    )


def wanted(db: Session) -> list[tuple[Kind, Days]]:
    """The last period of each kind that is over, for which somebody wants a report (the chore has not ended)."""
    now, off = app_now(db), days(db)
    weekly, monthly = (chores.known_as(db, rules.CHORE_OF[kind]) for kind in (Kind.WEEKLY, Kind.MONTHLY))
    found = []
    if weekly is not None:
        found.append((Kind.WEEKLY, rules.week_to_report(now, weekly.weekday or FRIDAY, off)))
    if monthly is not None:
        found.append((Kind.MONTHLY, rules.month_to_report(now, monthly.business_day or FIFTH, off)))
    return found


def due(db: Session) -> list[tuple[Kind, Days]]:
    """What has to be drafted now. Nothing of the time before the product was there."""
    began = db.scalar(select(func.min(Chore.created_at)))
    return [
        (kind, period)
        for kind, period in wanted(db)
        if find(db, kind, period) is None and began is not None and period.last >= local_date(began)
    ]


def counts(db: Session, *, with_drafts: bool) -> dict[str, Any]:
    drafts, finished = db.execute(
        select(func.count().filter(~_is_finished), func.count().filter(_is_finished)).select_from(ActivityReport)
    ).one()
    last = db.scalars(
        select(ActivityReport).where(_is_finished).order_by(ActivityReport.last_day.desc()).limit(1)
    ).one_or_none()
    upcoming = _upcoming(db) if with_drafts else {}
    return {
        "as_of": app_now(db),
        "drafts": drafts if with_drafts else 0,
        "finished": finished,
        "last_kind": last.kind if last else None,
        "last_period": rules.period_in_words(Kind(last.kind), days_of(last)) if last else None,
        "last_finished_at": last.finished_at if last else None,
        "next_weekly_at": upcoming.get(Kind.WEEKLY),
        "next_monthly_at": upcoming.get(Kind.MONTHLY),
    }


def _upcoming(db: Session) -> dict[Kind, datetime]:
    off = days(db)
    found = {}
    for kind, period in wanted(db):
        if kind is Kind.WEEKLY:
            day = next_business_day(period.last + DAY + WEEK, off)
        else:
            chore = chores.known_as(db, rules.CHORE_OF[kind])
            number = (chore.business_day if chore else None) or FIFTH
            day = nth_business_day(rules.month_after(period.last).plus(1), number, off)
        found[kind] = at(day, rules.MORNING)
    return found


def contents(db: Session, kind: Kind, period: Days) -> Contents:
    """All of a period as it is known now."""
    since, until = period.bounds()
    earlier = rules.before(kind, period).bounds()
    told, told_before = figures.period(db, since, until), figures.period(db, *earlier)
    support, support_before = enquiries.kpis(db, since, until), enquiries.kpis(db, *earlier)
    listed = _incidents(db, since, until)
    return Contents(
        now=_numbers(db, told, support, since, until),
        before=_numbers(db, told_before, support_before, *earlier),
        by_service=dict(told.by_service),
        by_shop=dict(told.by_shop),
        operations=_operations(db, since, until, Counter(told_before.operations)),
        incidents=listed,
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


def _numbers(db: Session, told: Period, support: Kpis, since: datetime, until: datetime) -> Numbers:
    satisfied = surveys.satisfaction(db, since, until)
    began = select(func.count()).where(Incident.detected_at >= since, Incident.detected_at < until)
    return Numbers(
        requested=told.requested,
        success=_share(told.success),
        payment=_share(told.payment),
        cancelled=_share(told.cancelled),
        paid=told.paid,
        refunded=told.refunded,
        operations=sum(told.operations.values()),
        incidents=db.scalar(began) or 0,
        enquiries=support.count,
        satisfaction=satisfied.mean,
        answers=satisfied.count,
    )


def _share(rate: Rate) -> Share:
    return Share(rate.part, rate.whole)


def _in_time(measured: Measure) -> InTime:
    return InTime(measured.due, measured.met, measured.median_minutes)


def _operations(db: Session, since: datetime, until: datetime, earlier: Counter[str]) -> list[rules.OperationLine]:
    """By kind, the most frequent first. Times are of the calendar that their target counts by."""
    now = app_now(db)
    rows = db.execute(
        select(Operation.kind, Operation.priority, Operation.opened_at, Operation.due_at, Operation.resolved_at)
        .where(Operation.opened_at >= since, Operation.opened_at < until)
        .order_by(Operation.id)
    ).all()
    by_kind = defaultdict(list)
    for row in rows:
        by_kind[row.kind].append(row)
    found = []
    for kind, own in by_kind.items():
        done = [row for row in own if row.resolved_at is not None]
        took = [
            working_time_between(
                row.opened_at, row.resolved_at, calendar_named(db, TARGETS[Priority(row.priority)].calendar)
            ).total_seconds()
            for row in done
        ]
        found.append(
            rules.OperationLine(
                kind=kind,
                count=len(own),
                done=len(done),
                due=sum(row.resolved_at is not None or row.due_at < now for row in own),
                met=sum(row.resolved_at <= row.due_at for row in done),
                median_minutes=round(median(took) / 60) if took else None,
                before=earlier[kind],
            )
        )
    return sorted(found, key=lambda one: (-one.count, one.kind))


def _incidents(db: Session, since: datetime, until: datetime) -> list[rules.IncidentLine]:
    """Those that were detected in it, and those from before that are open still."""
    found = select(Incident).where(
        Incident.detected_at < until, or_(Incident.detected_at >= since, Incident.resolved_at.is_(None))
    )
    return [
        rules.IncidentLine(
            code=incident_rules.number(one.id),
            title=one.title,
            level=one.level,
            detected_at=one.detected_at,
            recovered_at=one.recovered_at,
            is_open=one.resolved_at is None,
            shared_weekly=Mark.WEEKLY in incident_rules.FLOWS[Level(one.level)],
        )
        for one in db.scalars(found.order_by(Incident.detected_at, Incident.id))
    ]


def _chores(db: Session, since: datetime, until: datetime) -> rules.Chores:
    turns = chores.of_period(db, since, until)
    done = [turn for turn in turns if turn["state"] == "done"]
    left: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for turn in turns:
        if turn["state"] != "done":
            left[turn["title"]].append(turn)
    return rules.Chores(
        due=len(turns),
        done=len(done),
        late=sum(turn["was_late"] for turn in done),
        minutes=sum(turn["minutes"] or 0 for turn in done),
        not_done=[
            rules.ChoreLine(
                title=title,
                owner=own[0]["owner"],
                times=sum(turn["state"] != "skipped" for turn in own),
                skipped=sum(turn["state"] == "skipped" for turn in own),
                reason=next((turn["note"] for turn in reversed(own) if turn["state"] == "skipped"), ""),
            )
            for title, own in left.items()
        ],
    )


def managers(db: Session) -> list[dict[str, Any]]:
    """The area's management, as far as they have a mail address: to whom a report usually goes."""
    found = (
        select(User.name, User.mail)
        .join(Membership, and_(Membership.user_id == User.id, ~Membership.is_suspended))
        .where(User.is_active, User.mail.is_not(None), Membership.area == AREA.name)
        .where(Membership.role == incident_queries.MANAGERS)
        .order_by(User.name, User.id)
    )
    return [dict(row._mapping) for row in db.execute(found)]
