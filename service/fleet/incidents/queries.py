"""Every read of incidents."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import (
    ColumnElement,
    ScalarSelect,
    Select,
    and_,
    case,
    func,
    or_,
    select,
    type_coerce,
)
from sqlalchemy.dialects.postgresql import TIMESTAMP, distinct_on
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from service.core import holidays
from service.core.auth import Actor
from service.core.clock import app_now, now_sql
from service.core.identity import Membership, User
from service.core.paging import Filter, Key, Listing, contains, equals, when
from service.core.problems import NotFound
from service.core.targets import State, read
from service.fleet.impact import queries as impact
from service.fleet.incidents import schemas
from service.fleet.incidents.models import Incident, IncidentEvent, IncidentStep
from service.fleet.incidents.rules import STEPS, Trouble, network_of, waits_for
from service.fleet.models import Alert, Customer, Terminal, TerminalState
from service.fleet.rules import AlertType, Status

T = TypeVar("T")

MEMBERS_LISTED = 200

_to_do = (IncidentStep.incident_id == Incident.id, IncidentStep.done_at.is_(None), IncidentStep.due_at.is_not(None))
# Asked for each incident that is shown: those that are over, and their steps, only grow in number.
_next_due = select(func.min(IncidentStep.due_at)).where(*_to_do).correlate(Incident).scalar_subquery()
_next_step = (
    select(IncidentStep.step)
    .where(*_to_do)
    .order_by(IncidentStep.due_at, IncidentStep.step)
    .limit(1)
    .correlate(Incident)
    .scalar_subquery()
)
_is_open = Incident.resolved_at.is_(None)
_score = impact.score(Incident.id, Incident.alert_type)
# What is asleep waits below everything else. Of what is due in the same minute, the greater impact comes first.
_awake_due_at = case(
    (
        _is_open & func.coalesce(Incident.snoozed_until <= now_sql(), True),
        func.date_trunc("minute", _next_due) + func.make_interval(0, 0, 0, 0, 0, 0, 0.5 * (100 - _score)),
    )
)


def _is_high(run: InstrumentedAttribute[int]) -> ColumnElement[bool]:
    return and_(run >= 2, TerminalState.status.in_([Status.ONLINE, Status.ERROR]))


_assignee = aliased(User)


def _of_first(column: InstrumentedAttribute[T]) -> ScalarSelect[T]:
    """Of the incident's first alert. Not by a join, which would be made for all incidents before a page is cut."""
    own = select(column).where(Alert.incident_id == Incident.id).order_by(Alert.id).limit(1)
    return own.correlate(Incident).scalar_subquery()


def _of_first_terminal(column: InstrumentedAttribute[T]) -> ScalarSelect[T]:
    return select(column).where(Terminal.id == _of_first(Alert.terminal_id)).correlate(Incident).scalar_subquery()


def _listed() -> Select[*tuple[Any, ...]]:
    # A terminal whose trouble came back has several alerts, and is one terminal.
    terminals = func.count(Alert.terminal_id.distinct())
    members = select(terminals).where(Alert.incident_id == Incident.id).correlate(Incident)
    affected = (
        select(Terminal.customer_id, Terminal.store)
        .join(Alert, Alert.terminal_id == Terminal.id)
        .where(Alert.incident_id == Incident.id)
        .correlate(Incident)
        .distinct()
        .subquery()
    )
    neighbour = aliased(Terminal)
    store_terminals = (
        select(func.count())
        .select_from(affected)
        .join(neighbour, and_(neighbour.customer_id == affected.c.customer_id, neighbour.store == affected.c.store))
        .where(neighbour.archived_at.is_(None))
        .scalar_subquery()
    )
    return (
        select(
            Incident.id,
            Incident.version,
            Incident.alert_type,
            Incident.scope,
            Incident.customer_id,
            Customer.company_name.label("customer_name"),
            Incident.store_name,
            Incident.network,
            Incident.opened_at,
            Incident.acknowledged_at,
            Incident.snoozed_until,
            Incident.resolved_at,
            Incident.resolved_by,
            Incident.resolution,
            Incident.assignee_id,
            _assignee.name.label("assignee_name"),
            _of_first(Alert.terminal_id).label("terminal_id"),
            _of_first_terminal(Terminal.serial_number).label("serial_number"),
            _of_first_terminal(Terminal.store_name).label("terminal_store_name"),
            _of_first(Alert.message).label("message"),
            members.scalar_subquery().label("members"),
            members.where(~Alert.is_resolved).scalar_subquery().label("members_open"),
            store_terminals.label("store_terminals"),
            case((_is_open, _next_due)).label("due_at"),
            case((_is_open, _next_step)).label("step"),
            *impact.columns(Incident.id, Incident.alert_type, _is_open),
        )
        .select_from(Incident)
        .outerjoin(Customer, Customer.id == Incident.customer_id)
        .outerjoin(_assignee, _assignee.id == Incident.assignee_id)
    )


def _with_a_member(condition: Callable[[str], ColumnElement[bool]]) -> Filter:
    """Incidents one of whose terminals the condition holds for."""
    member = select(Alert.id).join(Terminal, Terminal.id == Alert.terminal_id).where(Alert.incident_id == Incident.id)
    return Filter(lambda name: member.where(condition(name)).correlate(Incident).exists())


_q = contains(Terminal.serial_number, Terminal.store_name)
INCIDENTS = Listing(
    _listed(),
    unique=Incident.id,
    keys={
        "due_at": Key(type_coerce(_awake_due_at, TIMESTAMP(timezone=True)), nullable=True),
        "impact": Key(case((_is_open, _score)), nullable=True),
        "opened_at": Key(Incident.opened_at),
        "resolved_at": Key(Incident.resolved_at, nullable=True),
    },
    default="due_at",
    filters={
        "is_open": when(_is_open),
        "is_resolved": when(~_is_open),
        "alert_type": equals(Incident.alert_type),
        "assignee_id": equals(Incident.assignee_id),
        "is_unassigned": when(Incident.assignee_id.is_(None)),
        "customer_id": _with_a_member(equals(Terminal.customer_id).condition),
        "terminal_id": _with_a_member(equals(Terminal.id).condition),
        "q": replace(_with_a_member(_q.condition), value=_q.value),
    },
)


def incidents(
    db: Session, by: Actor, limit: int, cursor: str | None, filters: schemas.IncidentFilters
) -> dict[str, Any]:
    """Incidents, what is due next first."""
    now = app_now(db)
    found = INCIDENTS.page(db, limit, cursor, filters.sort, asked=impact.asked(now), **_conditions(by, filters))
    found["items"] = [_as_seen(db, row, now) for row in found["items"]]
    return found


def _conditions(by: Actor, filters: schemas.IncidentFilters) -> dict[str, Any]:
    whose: dict[str, Any] = {}
    if filters.assignee == "none":
        whose["is_unassigned"] = True
    elif filters.assignee is not None:
        whose["assignee_id"] = by.user_id if filters.assignee == "me" else int(filters.assignee)
    return whose | {
        "is_open": filters.state == "open",
        "is_resolved": filters.state == "resolved",
        "alert_type": filters.alert_type,
        "customer_id": filters.customer_id,
        "terminal_id": filters.terminal_id,
        "q": filters.q,
    }


def _as_seen(db: Session, row: dict[str, Any], now: datetime) -> dict[str, Any]:
    seen = dict(row)
    step, due_at = seen["step"], seen["due_at"]
    seen["response"] = _response(db, step, due_at, now, None) if step is not None else None
    assignee_id, name = seen.pop("assignee_id"), seen.pop("assignee_name")
    seen["assignee"] = {"id": assignee_id, "name": name} if assignee_id is not None else None
    terminal_store = seen.pop("terminal_store_name")
    if seen["members"] == 1:
        seen["store_name"] = terminal_store
    seen["impact"] = impact.told(seen)
    seen["network"] = str(seen["network"]) if seen["network"] else None
    return seen


def _response(db: Session, step: int, due_at: datetime, now: datetime, done_at: datetime | None) -> State:
    target = STEPS[step].target
    return read(target, due_at, now, holidays.calendar_named(db, target.calendar), done_at).state


def get_incident(db: Session, incident_id: int, *, lock: bool = False) -> Incident:
    wanted = select(Incident).where(Incident.id == incident_id)
    incident = db.scalars(wanted.with_for_update() if lock else wanted).one_or_none()
    if incident is None:
        raise NotFound("指定された障害は見つかりません。アラート一覧を開き直してください。")
    return incident


def hold(db: Session, *which: ColumnElement[bool]) -> Sequence[int]:
    """The ids of these incidents, locked in their order. Before any alert of theirs is touched: so an incident's alerts
    open and end one after the other, and whoever closes it knows all of them."""
    found = select(Incident.id).where(*which).order_by(Incident.id)
    return db.scalars(found.with_for_update(key_share=True)).all()


def recorded_steps(db: Session, incident_id: int) -> set[int]:
    done = select(IncidentStep.step).where(IncidentStep.incident_id == incident_id, IncidentStep.done_at.is_not(None))
    return set(db.scalars(done))


def incident(db: Session, by: Actor, incident_id: int) -> dict[str, Any]:
    """One incident with its steps, members and everything that was done."""
    is_resolved = get_incident(db, incident_id).resolved_at is not None
    now = app_now(db)
    row = db.execute(_listed().where(Incident.id == incident_id), impact.asked(now)).mappings().one()
    steps = db.scalars(
        select(IncidentStep).where(IncidentStep.incident_id == incident_id).order_by(IncidentStep.step)
    ).all()
    done = {step.step for step in steps if step.done_at is not None}
    newest = (
        select(Alert)
        .ext(distinct_on(Alert.terminal_id))
        .where(Alert.incident_id == incident_id)
        .order_by(Alert.terminal_id, Alert.is_resolved, Alert.id.desc())
    )
    alert = aliased(Alert, newest.subquery())
    members = (
        select(
            alert.id.label("alert_id"),
            alert.terminal_id,
            Terminal.serial_number,
            Customer.company_name.label("customer_name"),
            Terminal.store_name,
            alert.message,
            alert.created_at,
            alert.is_resolved,
            alert.resolved_at,
        )
        .join(Terminal, Terminal.id == alert.terminal_id)
        .join(Customer, Customer.id == Terminal.customer_id)
        .order_by(alert.is_resolved, alert.id.desc())
        .limit(MEMBERS_LISTED)
    )
    events = select(IncidentEvent).where(IncidentEvent.incident_id == incident_id).order_by(IncidentEvent.id.desc())
    return _as_seen(db, dict(row), now) | {
        "steps": [
            _step(db, by, step, now)
            | {"waits_for": first.title if (first := waits_for(step.step, done, is_resolved=is_resolved)) else None}
            for step in steps
        ],
        "listed": [dict(member) for member in db.execute(members).mappings()],
        "events": [
            {name: getattr(event, name) for name in ("id", "at", "kind", "by", "text", "detail")}
            for event in db.scalars(events)
        ],
    }


def _step(db: Session, by: Actor, step: IncidentStep, now: datetime) -> dict[str, Any]:
    known = STEPS[step.step]
    return {
        "step": step.step,
        "title": known.title,
        "team": known.team,
        "due_at": step.due_at,
        "done_at": step.done_at,
        "done_by": step.done_by,
        "note": step.note,
        "response": _response(db, step.step, step.due_at, now, step.done_at) if step.due_at else None,
        "may": known.permission is not None and known.permission in by.permissions,
    }


def counts(db: Session) -> dict[str, Any]:
    """How many incidents are open, of how many alerts, and how urgent."""
    asleep = func.coalesce(Incident.snoozed_until > now_sql(), False)
    row = db.execute(
        select(
            func.count().label("open"),
            func.count().filter(Incident.acknowledged_at.is_(None)).label("unacknowledged"),
            func.count().filter(~asleep & (_next_due < now_sql())).label("overdue"),
            func.count().filter(asleep).label("snoozed"),
            func.min(Incident.opened_at).label("oldest_opened_at"),
        )
        .select_from(Incident)
        .where(_is_open)
    )
    alerts = db.scalar(select(func.count()).select_from(Alert).where(~Alert.is_resolved))
    return {"as_of": app_now(db), "alerts": alerts, **row.mappings().one()}


def responders(db: Session) -> list[dict[str, Any]]:
    """Who an incident can be given to: the area's people who respond, by name."""
    found_people = (
        select(User.id, User.name)
        .join(Membership, Membership.user_id == User.id)
        .where(User.is_active, Membership.area == "fleet", Membership.role.in_(["admin", "operator", "support"]))
        .order_by(User.name, User.id)
    )
    return [dict(row) for row in db.execute(found_people).mappings()]


# Under which facts an alert of each kind is open. A failed update is told by the roll-out, not read from the state.
WRONG: dict[AlertType, ColumnElement[bool]] = {
    AlertType.OFFLINE: TerminalState.status == Status.OFFLINE,
    AlertType.ERROR: or_(
        TerminalState.status == Status.ERROR,
        and_(TerminalState.status == Status.ONLINE, TerminalState.cloned_at.is_not(None)),
    ),
    AlertType.HIGH_CPU: _is_high(TerminalState.cpu_run),
    AlertType.HIGH_MEMORY: _is_high(TerminalState.memory_run),
}


# Where a terminal stands, as a Trouble has it.
PLACE = (Terminal.customer_id, Customer.company_name, Terminal.store, Terminal.store_name, Terminal.serial_number)


def over(kind: AlertType) -> ColumnElement[bool]:
    """The condition under which an open alert of this kind ends by itself. Going into maintenance ends none, going
    offline neither an error nor a high usage: nobody has seen that it is over."""
    heard = TerminalState.status.in_([Status.ONLINE, Status.ERROR])
    return heard & ~WRONG[kind]


def still_troubled(db: Session, incident_id: int) -> int:
    """How many of the incident's open alerts would be found again at the next look."""
    cases = or_(*(and_(Alert.alert_type == kind, ~over(kind)) for kind in WRONG))
    troubled = (
        select(func.count())
        .select_from(Alert)
        .join(TerminalState, TerminalState.terminal_id == Alert.terminal_id)
        .join(Terminal, Terminal.id == Alert.terminal_id)
        .where(Alert.incident_id == incident_id, ~Alert.is_resolved, Terminal.archived_at.is_(None), cases)
        .where(TerminalState.status != Status.MAINTENANCE)
    )
    return db.scalar(troubled) or 0


def members_of(db: Session, incident_ids: Sequence[int]) -> dict[int, list[Trouble]]:
    """Each incident's members, those that are over included, as they were found."""
    every = (
        select(
            Alert.incident_id,
            Alert.terminal_id,
            Alert.alert_type,
            Alert.message,
            *PLACE,
            func.host(TerminalState.address),
        )
        .join(Terminal, Terminal.id == Alert.terminal_id)
        .join(TerminalState, TerminalState.terminal_id == Terminal.id)
        .join(Customer, Customer.id == Terminal.customer_id)
        .where(Alert.incident_id.in_(incident_ids))
        .order_by(Alert.id)
    )
    found: dict[int, dict[int, Trouble]] = {}
    for row in db.execute(every):
        found.setdefault(row[0], {})[row[1]] = Trouble(
            row[1], AlertType(row[2]), row[3], row[4], row[5], row[6], row[7], row[8], network_of(row[9])
        )
    return {incident_id: list(members.values()) for incident_id, members in found.items()}
