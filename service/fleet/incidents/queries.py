"""Every read of incidents."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any, TypeVar

from sqlalchemy import (
    ColumnElement,
    Date,
    ScalarSelect,
    Select,
    and_,
    case,
    func,
    or_,
    select,
    type_coerce,
)
from sqlalchemy import cast as sql_cast
from sqlalchemy.dialects.postgresql import TIMESTAMP, distinct_on
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from service.core import holidays
from service.core.access.auth import Actor
from service.core.access.identity import Membership, User
from service.core.database.clock import app_now, now_sql
from service.core.database.paging import Filter, Key, Listing, Page, contains, equals, when_true
from service.core.problems import NotFound
from service.core.values.targets import State, read
from service.core.values.times import TOKYO
from service.fleet.impact import queries as impact
from service.fleet.incidents import schemas
from service.fleet.incidents.models import Incident, IncidentEvent, IncidentStep
from service.fleet.incidents.rules import STEPS, Step, Trouble, blocking_step, network_of
from service.fleet.models import Alert, Customer, Terminal, TerminalState
from service.fleet.rules import AlertType, Status

T = TypeVar("T")

MAX_MEMBERS_LISTED = 200

_pending = (IncidentStep.incident_id == Incident.id, IncidentStep.done_at.is_(None), IncidentStep.due_at.is_not(None))
# Correlated subqueries, run only for the incidents on the page: resolved incidents and their steps only grow in number.
_next_due = select(func.min(IncidentStep.due_at)).where(*_pending).correlate(Incident).scalar_subquery()
_next_step = (
    select(IncidentStep.step)
    .where(*_pending)
    .order_by(IncidentStep.due_at, IncidentStep.step)
    .limit(1)
    .correlate(Incident)
    .scalar_subquery()
)
_is_open = Incident.resolved_at.is_(None)
_score = impact.impact_score(Incident.id, Incident.alert_type)
# Snoozed incidents sort last. Incidents due in the same minute are sorted by impact, the greatest first.
_due_sort_key = case(
    (
        _is_open & func.coalesce(Incident.snoozed_until <= now_sql(), True),
        func.date_trunc("minute", _next_due) + func.make_interval(0, 0, 0, 0, 0, 0, 0.5 * (100 - _score)),
    )
)


def _is_high(run: InstrumentedAttribute[int]) -> ColumnElement[bool]:
    return and_(run >= 2, TerminalState.status.in_([Status.ONLINE, Status.ERROR]))


_assignee = aliased(User)


def _first_alert(column: InstrumentedAttribute[T]) -> ScalarSelect[T]:
    """A column of the incident's first alert. Not a join, which would run for all incidents before the page is cut."""
    first = select(column).where(Alert.incident_id == Incident.id).order_by(Alert.id).limit(1)
    return first.correlate(Incident).scalar_subquery()


def _first_terminal(column: InstrumentedAttribute[T]) -> ScalarSelect[T]:
    return select(column).where(Terminal.id == _first_alert(Alert.terminal_id)).correlate(Incident).scalar_subquery()


def _select_incidents() -> Select[*tuple[Any, ...]]:
    # A terminal whose trouble came back has several alerts but counts as one terminal.
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
            _first_alert(Alert.terminal_id).label("terminal_id"),
            _first_terminal(Terminal.serial_number).label("serial_number"),
            _first_terminal(Terminal.store_name).label("terminal_store_name"),
            _first_alert(Alert.message).label("message"),
            members.scalar_subquery().label("members"),
            members.where(~Alert.is_resolved).scalar_subquery().label("members_open"),
            store_terminals.label("store_terminals"),
            case((_is_open, _next_due)).label("due_at"),
            case((_is_open, _next_step)).label("step"),
            *impact.impact_columns(Incident.id, Incident.alert_type, _is_open),
        )
        .select_from(Incident)
        .outerjoin(Customer, Customer.id == Incident.customer_id)
        .outerjoin(_assignee, _assignee.id == Incident.assignee_id)
    )


def _any_member(condition: Callable[[str], ColumnElement[bool]]) -> Filter:
    """Incidents with at least one terminal that meets the condition."""
    member = select(Alert.id).join(Terminal, Terminal.id == Alert.terminal_id).where(Alert.incident_id == Incident.id)
    return Filter(lambda name: member.where(condition(name)).correlate(Incident).exists())


_text_search = contains(Terminal.serial_number, Terminal.store_name)
INCIDENTS = Listing(
    _select_incidents(),
    model=schemas.IncidentItem,
    unique=Incident.id,
    keys={
        "due_at": Key(type_coerce(_due_sort_key, TIMESTAMP(timezone=True)), nullable=True),
        "impact": Key(case((_is_open, _score)), nullable=True),
        "opened_at": Key(Incident.opened_at),
        "resolved_at": Key(Incident.resolved_at, nullable=True),
    },
    default="due_at",
    filters={
        "is_open": when_true(_is_open),
        "is_resolved": when_true(~_is_open),
        "alert_type": equals(Incident.alert_type),
        "assignee_id": equals(Incident.assignee_id),
        "is_unassigned": when_true(Incident.assignee_id.is_(None)),
        "customer_id": _any_member(equals(Terminal.customer_id).condition),
        "terminal_id": _any_member(equals(Terminal.id).condition),
        "q": replace(_any_member(_text_search.condition), value=_text_search.value),
    },
)


def incidents(
    db: Session, by: Actor, limit: int, cursor: str | None, filters: schemas.IncidentFilters
) -> Page[schemas.IncidentItem]:
    """Incidents, the next due first."""
    now = app_now(db)
    return INCIDENTS.read(
        db,
        limit,
        cursor,
        filters.sort,
        item=lambda row: _incident_values(db, row, now),
        parameters=impact.impact_parameters(now),
        **_filter_values(by, filters),
    )


def _filter_values(by: Actor, filters: schemas.IncidentFilters) -> dict[str, Any]:
    assignee: dict[str, Any] = {}
    if filters.assignee == "none":
        assignee["is_unassigned"] = True
    elif filters.assignee is not None:
        assignee["assignee_id"] = by.user_id if filters.assignee == "me" else int(filters.assignee)
    return assignee | {
        "is_open": filters.state == "open",
        "is_resolved": filters.state == "resolved",
        "alert_type": filters.alert_type,
        "customer_id": filters.customer_id,
        "terminal_id": filters.terminal_id,
        "q": filters.q,
    }


def _incident_values(db: Session, row: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """The values of an `IncidentItem` from a row of `_select_incidents`."""
    step, assignee_id = row["step"], row["assignee_id"]
    return {
        **row,
        "response": _response(db, step, row["due_at"], now, None) if step is not None else None,
        "assignee": {"id": assignee_id, "name": row["assignee_name"]} if assignee_id is not None else None,
        "store_name": row["terminal_store_name"] if row["members"] == 1 else row["store_name"],
        "impact": impact.read_impact(row),
        "network": str(row["network"]) if row["network"] else None,
    }


def _response(db: Session, step: int, due_at: datetime, now: datetime, done_at: datetime | None) -> State:
    target = STEPS[step].target
    return read(target, due_at, now, holidays.calendar_named(db, target.calendar), done_at).state


def get_incident(db: Session, incident_id: int, *, lock: bool = False) -> Incident:
    statement = select(Incident).where(Incident.id == incident_id)
    incident = db.scalars(statement.with_for_update() if lock else statement).one_or_none()
    if incident is None:
        raise NotFound("指定された障害は見つかりません。アラート一覧を開き直してください。")
    return incident


def lock_incidents(db: Session, *conditions: ColumnElement[bool]) -> Sequence[int]:
    """Locks these incidents in the order of their ids and returns the ids. Called before any of their alerts is
    touched: so the alerts of an incident open and end one after the other, and a transaction that closes the incident
    sees all of them."""
    statement = select(Incident.id).where(*conditions).order_by(Incident.id)
    return db.scalars(statement.with_for_update(key_share=True)).all()


def recorded_steps(db: Session, incident_id: int) -> set[int]:
    statement = select(IncidentStep.step).where(
        IncidentStep.incident_id == incident_id, IncidentStep.done_at.is_not(None)
    )
    return set(db.scalars(statement))


def incident(db: Session, by: Actor, incident_id: int) -> schemas.IncidentDetail:
    """The incident with its steps, members and events."""
    is_resolved = get_incident(db, incident_id).resolved_at is not None
    now = app_now(db)
    row = (
        db.execute(_select_incidents().where(Incident.id == incident_id), impact.impact_parameters(now))
        .mappings()
        .one()
    )
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
        .limit(MAX_MEMBERS_LISTED)
    )
    events = select(IncidentEvent).where(IncidentEvent.incident_id == incident_id).order_by(IncidentEvent.id.desc())
    return schemas.IncidentDetail(
        **_incident_values(db, dict(row), now),
        steps=[
            _step_item(db, by, step, now, blocking_step(step.step, done, is_resolved=is_resolved)) for step in steps
        ],
        listed=[schemas.MemberItem(**member) for member in db.execute(members).mappings()],
        events=[schemas.EventItem.model_validate(event, from_attributes=True) for event in db.scalars(events)],
    )


def _step_item(db: Session, by: Actor, step: IncidentStep, now: datetime, blocking: Step | None) -> schemas.StepItem:
    definition = STEPS[step.step]
    return schemas.StepItem(
        step=step.step,
        title=definition.title,
        team=definition.team,
        due_at=step.due_at,
        done_at=step.done_at,
        done_by=step.done_by,
        note=step.note,
        response=_response(db, step.step, step.due_at, now, step.done_at) if step.due_at else None,
        may=definition.permission is not None and definition.permission in by.permissions,
        waits_for=blocking.title if blocking else None,
    )


def counts(db: Session) -> schemas.Counts:
    """How many incidents and alerts are open, and how urgent the incidents are."""
    is_snoozed = func.coalesce(Incident.snoozed_until > now_sql(), False)
    row = db.execute(
        select(
            func.count().label("open"),
            func.count().filter(Incident.acknowledged_at.is_(None)).label("unacknowledged"),
            func.count().filter(~is_snoozed & (_next_due < now_sql())).label("overdue"),
            func.count().filter(is_snoozed).label("snoozed"),
            func.min(Incident.opened_at).label("oldest_opened_at"),
        )
        .select_from(Incident)
        .where(_is_open)
    )
    alerts = db.scalar(select(func.count()).select_from(Alert).where(~Alert.is_resolved))
    return schemas.Counts(as_of=app_now(db), alerts=alerts, **row.mappings().one())


def opened_by_day(db: Session, since: datetime, until: datetime) -> dict[date, int]:
    """How many incidents began on each day in Tokyo; days without any are missing."""
    day = sql_cast(func.timezone(TOKYO.key, Incident.opened_at), Date)
    statement = select(day, func.count()).where(Incident.opened_at >= since, Incident.opened_at < until).group_by(day)
    return dict(db.execute(statement).all())


def responders(db: Session) -> list[schemas.Person]:
    """The users that an incident can be assigned to: the area's responders, by name."""
    statement = (
        select(User.id, User.name)
        .join(Membership, Membership.user_id == User.id)
        .where(User.is_active, Membership.area == "fleet", Membership.role.in_(["admin", "operator", "support"]))
        .order_by(User.name, User.id)
    )
    return [schemas.Person(**row) for row in db.execute(statement).mappings()]


# The condition under which a terminal has each kind of trouble. A failed update is reported by the roll-out, not
# derived from the state.
TROUBLE_CONDITIONS: dict[AlertType, ColumnElement[bool]] = {
    AlertType.OFFLINE: TerminalState.status == Status.OFFLINE,
    AlertType.ERROR: or_(
        TerminalState.status == Status.ERROR,
        and_(TerminalState.status == Status.ONLINE, TerminalState.cloned_at.is_not(None)),
    ),
    AlertType.HIGH_CPU: _is_high(TerminalState.cpu_run),
    AlertType.HIGH_MEMORY: _is_high(TerminalState.memory_run),
}


# The columns that tell where a terminal is, in the order of `Trouble`'s fields.
PLACE_COLUMNS = (
    Terminal.customer_id,
    Customer.company_name,
    Terminal.store,
    Terminal.store_name,
    Terminal.serial_number,
)


def recovered_condition(kind: AlertType) -> ColumnElement[bool]:
    """The condition under which an open alert of this kind resolves by itself. The start of a maintenance resolves no
    alert; going offline resolves neither an error nor a high usage: nothing shows that it is over."""
    is_reporting = TerminalState.status.in_([Status.ONLINE, Status.ERROR])
    return is_reporting & ~TROUBLE_CONDITIONS[kind]


def count_unrecovered(db: Session, incident_id: int) -> int:
    """How many of the incident's open alerts the next run of the watch would open again."""
    condition = or_(*(and_(Alert.alert_type == kind, ~recovered_condition(kind)) for kind in TROUBLE_CONDITIONS))
    statement = (
        select(func.count())
        .select_from(Alert)
        .join(TerminalState, TerminalState.terminal_id == Alert.terminal_id)
        .join(Terminal, Terminal.id == Alert.terminal_id)
        .where(Alert.incident_id == incident_id, ~Alert.is_resolved, Terminal.archived_at.is_(None), condition)
        .where(TerminalState.status != Status.MAINTENANCE)
    )
    return db.scalar(statement) or 0


def members_of(db: Session, incident_ids: Sequence[int]) -> dict[int, list[Trouble]]:
    """The members of each incident, recovered ones included, as they were detected."""
    statement = (
        select(
            Alert.incident_id,
            Alert.terminal_id,
            Alert.alert_type,
            Alert.message,
            *PLACE_COLUMNS,
            func.host(TerminalState.address),
        )
        .join(Terminal, Terminal.id == Alert.terminal_id)
        .join(TerminalState, TerminalState.terminal_id == Terminal.id)
        .join(Customer, Customer.id == Terminal.customer_id)
        .where(Alert.incident_id.in_(incident_ids))
        .order_by(Alert.id)
    )
    by_incident: dict[int, dict[int, Trouble]] = {}
    for row in db.execute(statement):
        by_incident.setdefault(row[0], {})[row[1]] = Trouble(
            row[1], AlertType(row[2]), row[3], row[4], row[5], row[6], row[7], row[8], network_of(row[9])
        )
    return {incident_id: list(members.values()) for incident_id, members in by_incident.items()}
