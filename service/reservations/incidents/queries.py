"""Reads of incidents."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Select, String, and_, case, cast, func, literal, or_, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from service.core.access.identity import Membership, User
from service.core.database.clock import app_now, now_sql
from service.core.database.lookups import get_or_404
from service.core.database.paging import Key, Listing, Page, at_least, before, contains, equals, when_true
from service.core.holidays import calendar_named
from service.core.values.targets import Reading, read
from service.core.values.times import day_bounds
from service.reservations.history import events_where
from service.reservations.incidents import rules, schemas
from service.reservations.incidents.models import Incident, IncidentEvent, IncidentMark, IncidentText
from service.reservations.incidents.rules import Level, Mark, Status
from service.reservations.models import Reservation
from service.reservations.rules import AREA
from service.reservations.settings import settings
from service.reservations.state_machine.states import FINAL_STATES, State

MANAGER_ROLE = "manager"


def _of_next_step(column: Any) -> Any:
    """The column of the next due step."""
    statement = select(column).where(IncidentMark.incident_id == Incident.id, IncidentMark.done_at.is_(None))
    return statement.order_by(IncidentMark.due_at, IncidentMark.mark).limit(1).correlate(Incident).scalar_subquery()


_next_due_at = _of_next_step(IncidentMark.due_at)
_is_open = Incident.resolved_at.is_(None)
_is_unfinished = or_(_is_open, _next_due_at.is_not(None))
_status = case(
    (_is_open, Status.OPEN.value), (_next_due_at.is_not(None), Status.FOLLOW_UP.value), else_=Status.DONE.value
)
_digits = cast(Incident.id, String)
# As `rules.incident_number` formats it.
_code = literal("INC-") + func.lpad(_digits, func.greatest(func.length(_digits), 4), "0")

INCIDENTS = Listing(
    select(
        Incident.id,
        Incident.version,
        Incident.title,
        Incident.level,
        _status.label("status"),
        Incident.detected_at,
        Incident.impact,
        Incident.cause,
        Incident.response,
        Incident.recovered_at,
        Incident.prevention,
        Incident.opened_by,
        Incident.resolved_at,
        Incident.resolved_by,
        _of_next_step(IncidentMark.mark).label("next_mark"),
        _next_due_at.label("next_due_at"),
    ),
    unique=Incident.id,
    keys={
        "detected_at": Key(Incident.detected_at),
        "next_due_at": Key(_next_due_at, nullable=True),
        "recovered_at": Key(Incident.recovered_at, nullable=True),
    },
    default="-detected_at",
    filters={
        "is_unfinished": when_true(_is_unfinished),
        "is_open": when_true(_is_open),
        "is_follow_up": when_true(and_(~_is_open, _next_due_at.is_not(None))),
        "is_done": when_true(and_(~_is_open, _next_due_at.is_(None))),
        "level": equals(Incident.level),
        "is_late": when_true(_next_due_at < now_sql()),
        "since": at_least(Incident.detected_at, lambda day: day_bounds(day)[0]),
        "until": before(Incident.detected_at, lambda day: day_bounds(day)[1]),
        "q": contains(
            _code,
            Incident.title,
            Incident.impact,
            Incident.cause,
            Incident.response,
            Incident.prevention,
            Incident.report,
        ),
    },
    model=schemas.IncidentItem,
)


def _filter_values(filters: schemas.IncidentFilters) -> dict[str, Any]:
    return {
        f"is_{filters.state}": True if filters.state != "all" else None,
        "level": filters.level.value if filters.level else None,
        "is_late": filters.late,
        "since": filters.since,
        "until": filters.until,
        "q": filters.q,
    }


def incidents(
    db: Session, limit: int, cursor: str | None, filters: schemas.IncidentFilters
) -> Page[schemas.IncidentItem]:
    now = app_now(db)
    return INCIDENTS.read(
        db, limit, cursor, filters.sort, item=lambda row: _incident_item(db, row, now), **_filter_values(filters)
    )


def incidents_export(_: object, filters: schemas.IncidentFilters) -> Select[*tuple[Any, ...]]:
    """Raises Invalid for an unknown sort order."""
    return INCIDENTS.all(filters.sort, **_filter_values(filters)).add_columns(_code.label("code"))


def _incident_item(db: Session, row: dict[str, Any], now: datetime) -> dict[str, Any]:
    item = dict(row)
    mark, level = item.pop("next_mark"), Level(item["level"])
    item |= {"code": rules.incident_number(item["id"]), "next_title": None, "next_response": None, "left_seconds": None}
    if mark is not None:
        reading = _read_target(db, level, Mark(mark), item["next_due_at"], now, None)
        item |= {"next_title": _title(level, Mark(mark)), "next_response": reading.state}
        item["left_seconds"] = reading.left_seconds
    return item


def _title(level: Level, mark: Mark) -> str:
    step = rules.FLOWS[level].get(mark)
    return step.title if step else rules.STEP_TITLES[mark]


def _read_target(
    db: Session, level: Level, mark: Mark, due_at: datetime, now: datetime, done_at: datetime | None
) -> Reading:
    target = rules.target_of(level, mark)
    return read(target, due_at, now, calendar_named(db, target.calendar), done_at)


def counts(db: Session) -> schemas.Counts:
    row = db.execute(
        select(
            func.count().filter(_is_open).label("open"),
            func.count().filter(_is_open, Incident.level == Level.CRITICAL).label("critical"),
            func.count().filter(~_is_open).label("follow_up"),
            func.count().filter(_next_due_at < now_sql()).label("overdue"),
        )
        .select_from(Incident)
        .where(_is_unfinished)
    ).one()
    return schemas.Counts(as_of=app_now(db), **row._mapping)


def get(db: Session, incident_id: int, *, lock: bool = False) -> Incident:
    """Raises NotFound."""
    return get_or_404(db, Incident, incident_id, "インシデント", lock=lock)


def marks(db: Session, incident_id: int) -> dict[Mark, IncidentMark]:
    """The current steps of an incident by mark, read from the database again."""
    statement = select(IncidentMark).where(IncidentMark.incident_id == incident_id)
    return {Mark(row.mark): row for row in db.scalars(statement.execution_options(populate_existing=True))}


def incident_detail(db: Session, incident_id: int) -> schemas.IncidentDetail:
    """An incident with its steps and history. Raises NotFound."""
    db.flush()
    incident, now = get(db, incident_id), app_now(db)
    row = dict(db.execute(INCIDENTS.rows.where(Incident.id == incident.id)).one()._mapping)
    level, by_mark = Level(incident.level), marks(db, incident.id)
    return schemas.IncidentDetail(
        **_incident_item(db, row, now),
        report=incident.report,
        report_template=rules.report_template(facts(incident)),
        report_due_at=by_mark[Mark.REPORT].due_at if Mark.REPORT in by_mark else None,
        marks=[_mark_item(db, level, by_mark[mark], now) for mark in Mark if mark in by_mark],
        events=events_where(db, IncidentEvent, IncidentEvent.incident_id == incident.id),
        told_customers=_count_texted(db, incident.id),
    )


def facts(incident: Incident) -> rules.Facts:
    return rules.Facts(
        code=rules.incident_number(incident.id),
        level=Level(incident.level),
        title=incident.title,
        detected_at=incident.detected_at,
        impact=incident.impact,
        cause=incident.cause,
        response=incident.response,
        recovered_at=incident.recovered_at,
        prevention=incident.prevention,
    )


def _mark_item(db: Session, level: Level, stored: IncidentMark, now: datetime) -> schemas.MarkItem:
    mark = Mark(stored.mark)
    step = rules.FLOWS[level].get(mark)
    reading = _read_target(db, level, mark, stored.due_at, now, stored.done_at)
    return schemas.MarkItem(
        mark=mark,
        title=_title(level, mark),
        hints=list(step.hints) if step else [],
        tells=step is not None and step.tells,
        due_at=stored.due_at,
        response=reading.state,
        left_seconds=reading.left_seconds,
        done_at=stored.done_at,
        done_by=stored.done_by,
        note=stored.note,
    )


def due_for_notification(now: datetime, limit: int) -> Select[Incident]:
    """Incidents with a step whose notification is due. Locks the incidents, not the steps: every change of a step locks
    the incident, too."""
    due = select(IncidentMark.incident_id).where(
        IncidentMark.done_at.is_(None), IncidentMark.notified_at.is_(None), IncidentMark.notify_at < now
    )
    return (
        select(Incident)
        .where(Incident.id.in_(due))
        .order_by(Incident.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )


def manager_mails(db: Session) -> list[str]:
    """The mail addresses of the area's managers."""
    statement = (
        select(User.mail)
        .join(Membership, Membership.user_id == User.id)
        .where(User.is_active, User.mail.is_not(None), Membership.area == AREA.name, Membership.role == MANAGER_ROLE)
        .where(~Membership.is_suspended)
        .distinct()
        .order_by(User.mail)
    )
    return [mail for mail in db.scalars(statement) if mail]


def status_recipients(db: Session, incident_id: int, *, include_confirmed: bool) -> list[tuple[int, str, str]]:
    """Id, 予約ID and phone number of one reservation for each waiting customer who has got no SMS about the incident
    yet."""
    excluded = [*FINAL_STATES, *(() if include_confirmed else (State.CONFIRMED,))]
    texted = select(IncidentText.phone).where(IncidentText.incident_id == incident_id)
    statement = (
        select(Reservation.id, Reservation.code, Reservation.phone)
        .where(Reservation.state.not_in([state.value for state in excluded]), Reservation.phone.not_in(texted))
        .ext(distinct_on(Reservation.phone))
        .order_by(Reservation.phone, Reservation.starts_at, Reservation.id)
    )
    return [(row.id, row.code, row.phone) for row in db.execute(statement)]


def status_sms_preview(db: Session, incident_id: int) -> schemas.Waiting:
    """The recipients of the status SMS by number, and its default text. Raises NotFound."""
    incident = get(db, incident_id)
    unconfirmed = len(status_recipients(db, incident.id, include_confirmed=False))
    return schemas.Waiting(
        text=rules.status_text(incident.resolved_at is not None, settings().support_phone),
        waiting=unconfirmed,
        confirmed=len(status_recipients(db, incident.id, include_confirmed=True)) - unconfirmed,
        told=_count_texted(db, incident.id),
    )


def _count_texted(db: Session, incident_id: int) -> int:
    statement = select(func.count()).select_from(IncidentText).where(IncidentText.incident_id == incident_id)
    return db.scalar(statement) or 0
