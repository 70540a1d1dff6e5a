"""Every read of incidents."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Select, String, and_, case, cast, func, literal, or_, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from service.core.clock import app_now, now_sql
from service.core.holidays import calendar_named
from service.core.identity import Membership, User
from service.core.paging import Key, Listing, at_least, before, contains, equals, when
from service.core.problems import NotFound
from service.core.targets import read
from service.core.times import day_bounds
from service.reservations.events.rules import OVER, State
from service.reservations.flow.models import Reservation
from service.reservations.incidents import rules, schemas
from service.reservations.incidents.models import Incident, IncidentEvent, IncidentMark, IncidentText
from service.reservations.incidents.rules import Level, Mark, Status
from service.reservations.rules import AREA
from service.reservations.settings import settings

MANAGERS = "manager"


def _next(column: Any) -> Any:
    """Of the step that is due next."""
    found = select(column).where(IncidentMark.incident_id == Incident.id, IncidentMark.done_at.is_(None))
    return found.order_by(IncidentMark.due_at, IncidentMark.mark).limit(1).correlate(Incident).scalar_subquery()


_next_due = _next(IncidentMark.due_at)
_is_open = Incident.resolved_at.is_(None)
_is_unfinished = or_(_is_open, _next_due.is_not(None))
_status = case((_is_open, Status.OPEN.value), (_next_due.is_not(None), Status.FOLLOW_UP.value), else_=Status.DONE.value)
_digits = cast(Incident.id, String)
# As `rules.number` writes it.
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
        _next(IncidentMark.mark).label("next_mark"),
        _next_due.label("next_due_at"),
    ),
    unique=Incident.id,
    keys={
        "detected_at": Key(Incident.detected_at),
        "next_due_at": Key(_next_due, nullable=True),
        "recovered_at": Key(Incident.recovered_at, nullable=True),
    },
    default="-detected_at",
    filters={
        "is_unfinished": when(_is_unfinished),
        "is_open": when(_is_open),
        "is_follow_up": when(and_(~_is_open, _next_due.is_not(None))),
        "is_done": when(and_(~_is_open, _next_due.is_(None))),
        "level": equals(Incident.level),
        "is_late": when(_next_due < now_sql()),
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
)


def _cut(filters: schemas.IncidentFilters) -> dict[str, Any]:
    return {
        f"is_{filters.state}": True if filters.state != "all" else None,
        "level": filters.level.value if filters.level else None,
        "is_late": filters.late,
        "since": filters.since,
        "until": filters.until,
        "q": filters.q,
    }


def incidents(db: Session, limit: int, cursor: str | None, filters: schemas.IncidentFilters) -> dict[str, Any]:
    found = INCIDENTS.page(db, limit, cursor, filters.sort, **_cut(filters))
    now = app_now(db)
    found["items"] = [_as_seen(db, row, now) for row in found["items"]]
    return found


def incidents_to_take_along(_: object, filters: schemas.IncidentFilters) -> Select[*tuple[Any, ...]]:
    """Raises Invalid for an order that is none of ours."""
    return INCIDENTS.all(filters.sort, **_cut(filters)).add_columns(_code.label("code"))


def _as_seen(db: Session, row: dict[str, Any], now: datetime) -> dict[str, Any]:
    seen = dict(row)
    mark, level = seen.pop("next_mark"), Level(seen["level"])
    seen |= {"code": rules.number(seen["id"]), "next_title": None, "next_response": None, "left_seconds": None}
    if mark is not None:
        stands = _stands(db, level, Mark(mark), seen["next_due_at"], now, None)
        seen |= {"next_title": _title(level, Mark(mark)), "next_response": stands["response"]}
        seen["left_seconds"] = stands["left_seconds"]
    return seen


def _title(level: Level, mark: Mark) -> str:
    step = rules.FLOWS[level].get(mark)
    return step.title if step else rules.TITLES[mark]


def _stands(
    db: Session, level: Level, mark: Mark, due_at: datetime, now: datetime, done_at: datetime | None
) -> dict[str, Any]:
    target = rules.target_of(level, mark)
    found = read(target, due_at, now, calendar_named(db, target.calendar), done_at)
    return {"response": found.state, "left_seconds": int(found.remaining.total_seconds())}


def counts(db: Session) -> dict[str, Any]:
    row = db.execute(
        select(
            func.count().filter(_is_open).label("open"),
            func.count().filter(_is_open, Incident.level == Level.CRITICAL).label("critical"),
            func.count().filter(~_is_open).label("follow_up"),
            func.count().filter(_next_due < now_sql()).label("overdue"),
        )
        .select_from(Incident)
        .where(_is_unfinished)
    ).one()
    return {"as_of": app_now(db), **row._mapping}


def get(db: Session, incident_id: int, *, lock: bool = False) -> Incident:
    """Raises NotFound, in words."""
    found = db.get(Incident, incident_id, with_for_update=lock, populate_existing=lock)
    if found is None:
        raise NotFound("指定されたインシデントは見つかりません。一覧を開き直してください。")
    return found


def marks(db: Session, incident_id: int) -> dict[Mark, IncidentMark]:
    """As they are by now, by what they are for."""
    found = select(IncidentMark).where(IncidentMark.incident_id == incident_id)
    return {Mark(one.mark): one for one in db.scalars(found.execution_options(populate_existing=True))}


def incident_in_full(db: Session, incident_id: int) -> dict[str, Any]:
    """With its steps and events. Raises NotFound."""
    db.flush()
    incident, now = get(db, incident_id), app_now(db)
    row = dict(db.execute(INCIDENTS.rows.where(Incident.id == incident.id)).one()._mapping)
    level, known = Level(incident.level), marks(db, incident.id)
    events = (
        select(IncidentEvent.id, IncidentEvent.at, IncidentEvent.kind, IncidentEvent.by, IncidentEvent.text)
        .where(IncidentEvent.incident_id == incident.id)
        .order_by(IncidentEvent.id.desc())
    )
    return _as_seen(db, row, now) | {
        "report": incident.report,
        "report_template": rules.template(facts(incident)),
        "report_due_at": known[Mark.REPORT].due_at if Mark.REPORT in known else None,
        "marks": [_mark(db, level, known[mark], now) for mark in Mark if mark in known],
        "events": [dict(one._mapping) for one in db.execute(events)],
        "told_customers": _told(db, incident.id),
    }


def facts(incident: Incident) -> rules.Facts:
    return rules.Facts(
        code=rules.number(incident.id),
        level=Level(incident.level),
        title=incident.title,
        detected_at=incident.detected_at,
        impact=incident.impact,
        cause=incident.cause,
        response=incident.response,
        recovered_at=incident.recovered_at,
        prevention=incident.prevention,
    )


def _mark(db: Session, level: Level, known: IncidentMark, now: datetime) -> dict[str, Any]:
    mark = Mark(known.mark)
    step = rules.FLOWS[level].get(mark)
    return {
        "mark": mark,
        "title": _title(level, mark),
        "hints": list(step.hints) if step else [],
        "tells": step is not None and step.tells,
        "due_at": known.due_at,
        "done_at": known.done_at,
        "done_by": known.done_by,
        "note": known.note,
        **_stands(db, level, mark, known.due_at, now, known.done_at),
    }


def due_to_be_told(now: datetime, limit: int) -> Select[Incident]:
    """Incidents with a step of which it is time to hear. They are held, not their steps: whoever works on one holds it
    as well."""
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


def managers_mails(db: Session) -> list[str]:
    """Of the area's management, as far as they have one."""
    found = (
        select(User.mail)
        .join(Membership, Membership.user_id == User.id)
        .where(User.is_active, User.mail.is_not(None), Membership.area == AREA.name, Membership.role == MANAGERS)
        .where(~Membership.is_suspended)
        .distinct()
        .order_by(User.mail)
    )
    return [mail for mail in db.scalars(found) if mail]


def to_be_texted(db: Session, incident_id: int, *, include_confirmed: bool) -> list[tuple[int, str, str]]:
    """Id, 予約ID and telephone of a reservation for each customer who waits and was sent nothing about the incident
    yet."""
    over = [*OVER, *(() if include_confirmed else (State.CONFIRMED,))]
    told = select(IncidentText.phone).where(IncidentText.incident_id == incident_id)
    found = (
        select(Reservation.id, Reservation.code, Reservation.phone)
        .where(Reservation.state.not_in([state.value for state in over]), Reservation.phone.not_in(told))
        .ext(distinct_on(Reservation.phone))
        .order_by(Reservation.phone, Reservation.starts_at, Reservation.id)
    )
    return [(row.id, row.code, row.phone) for row in db.execute(found)]


def waiting(db: Session, incident_id: int) -> dict[str, Any]:
    """Who would be told, and in which words to begin with. Raises NotFound."""
    incident = get(db, incident_id)
    without = len(to_be_texted(db, incident.id, include_confirmed=False))
    return {
        "text": rules.status_text(incident.resolved_at is not None, settings().support_phone),
        "waiting": without,
        "confirmed": len(to_be_texted(db, incident.id, include_confirmed=True)) - without,
        "told": _told(db, incident.id),
    }


def _told(db: Session, incident_id: int) -> int:
    found = select(func.count()).select_from(IncidentText).where(IncidentText.incident_id == incident_id)
    return db.scalar(found) or 0
