"""Queries of the queue of 手動対応."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, case, func, select
from sqlalchemy.orm import Session, aliased

from service.core.access.auth import Actor
from service.core.access.identity import User
from service.core.database.clock import app_now, now_sql
from service.core.database.lookups import get_or_404
from service.core.database.paging import Key, Listing, Page, equals, when_true
from service.core.holidays import calendar_named
from service.core.values import phones
from service.core.values.targets import read
from service.core.values.times import day_bounds, local_date
from service.reservations.desk import queries as desk
from service.reservations.desk.queries import SEARCH, STATE_TITLE
from service.reservations.desk.rules import is_waiting_for
from service.reservations.flow.queries import case_of
from service.reservations.history import events_where
from service.reservations.models import Reservation, Service
from service.reservations.operations.models import Operation, OperationEvent
from service.reservations.operations.rules import TARGETS, Priority
from service.reservations.queue import rules, schemas
from service.reservations.roster import queries as roster
from service.reservations.state_machine.states import Task

_owner = aliased(User)
_is_open = Operation.resolved_at.is_(None)
_is_late = Operation.due_at < func.coalesce(Operation.resolved_at, now_sql())

OPERATIONS = Listing(
    select(
        Operation.id,
        Operation.version,
        Operation.kind,
        Operation.title,
        Operation.priority,
        Operation.detail,
        Operation.opened_at,
        Operation.due_at,
        Operation.owner_id,
        _owner.name.label("owner_name"),
        Operation.claimed_at,
        Operation.resolved_at,
        Operation.resolved_by,
        Operation.outcome,
        Reservation.code,
        Reservation.state,
        case((Reservation.id.is_not(None), STATE_TITLE)).label("state_title"),
        Reservation.customer_name,
        phones.format_phone_column(Reservation.phone).label("phone_shown"),
        Service.name.label("service_name"),
        Reservation.starts_at,
    )
    .outerjoin(Reservation, Reservation.id == Operation.reservation_id)
    .outerjoin(Service, Service.id == Reservation.service_id)
    .outerjoin(_owner, _owner.id == Operation.owner_id),
    model=schemas.OperationItem,
    unique=Operation.id,
    keys={
        # Resolved operations have no due time and come last.
        "due_at": Key(case((_is_open, Operation.due_at)), nullable=True),
        "opened_at": Key(Operation.opened_at),
        "resolved_at": Key(Operation.resolved_at, nullable=True),
    },
    default="due_at",
    filters={
        "is_open": when_true(_is_open),
        "is_resolved": when_true(~_is_open),
        "priority": equals(Operation.priority),
        "kind": equals(Operation.kind),
        "owner_id": equals(Operation.owner_id),
        "is_unclaimed": when_true(Operation.owner_id.is_(None)),
        "is_late": when_true(_is_late),
        "q": SEARCH,
    },
)


def _filter_values(by: Actor, filters: schemas.OperationFilters) -> dict[str, Any]:
    owner_filter: dict[str, Any] = {}
    if filters.owner == "none":
        owner_filter["is_unclaimed"] = True
    elif filters.owner is not None:
        owner_filter["owner_id"] = by.user_id if filters.owner == "me" else int(filters.owner)
    return owner_filter | {
        "is_open": filters.state == "open",
        "is_resolved": filters.state == "resolved",
        "priority": filters.priority,
        "kind": filters.kind,
        "is_late": filters.late,
        "q": filters.q,
    }


def operations(
    db: Session, by: Actor, limit: int, cursor: str | None, filters: schemas.OperationFilters
) -> Page[schemas.OperationItem]:
    """Ordered by due time by default."""
    now = app_now(db)
    values = _filter_values(by, filters)
    return OPERATIONS.read(db, limit, cursor, filters.sort, item=lambda row: _item(db, row, now), **values)


def operations_export(by: Actor, filters: schemas.OperationFilters) -> Select[*tuple[Any, ...]]:
    """Raises Invalid for an unknown sort order."""
    met_label = case(
        (_is_open & _is_late, "期限超過"), (_is_open, "対応中"), (_is_late, "期限後に完了"), else_="期限内に完了"
    )
    return OPERATIONS.all(filters.sort, **_filter_values(by, filters)).add_columns(met_label.label("met"))


def _item(db: Session, row: dict[str, Any], now: datetime) -> dict[str, Any]:
    item = dict(row)
    owner_id, owner_name = item.pop("owner_id"), item.pop("owner_name")
    target = TARGETS[Priority(item["priority"])]
    status = read(target, item["due_at"], now, calendar_named(db, target.calendar), item["resolved_at"])
    return item | {
        "owner": {"id": owner_id, "name": owner_name} if owner_id is not None else None,
        "response": status.state,
        "left_seconds": status.left_seconds,
    }


def counts(db: Session, by: Actor) -> schemas.Counts:
    now = app_now(db)
    today, _ = day_bounds(local_date(now))
    row = db.execute(
        select(
            func.count().label("open"),
            func.count().filter(Operation.owner_id.is_(None)).label("unclaimed"),
            func.count().filter(Operation.owner_id == by.user_id).label("mine"),
            func.count().filter(Operation.priority == Priority.URGENT).label("urgent"),
            func.count().filter(and_(Operation.warn_at <= now, Operation.due_at >= now)).label("near"),
            func.count().filter(Operation.due_at < now).label("overdue"),
            func.min(Operation.due_at).label("next_due_at"),
        ).where(_is_open)
    ).one()
    resolved_today = db.scalar(select(func.count()).select_from(Operation).where(Operation.resolved_at >= today)) or 0
    on_call = roster.on_call_now(db).shift
    return schemas.Counts(as_of=now, resolved_today=resolved_today, on_call=on_call, **row._mapping)


def get(db: Session, operation_id: int, *, lock: bool = False) -> Operation:
    """Raises NotFound with a message for the user."""
    return get_or_404(db, Operation, operation_id, "手動対応", lock=lock)


def is_reservation_blocked(db: Session, operation: Operation) -> bool:
    """Whether its reservation waits until one of the reservation's own actions decides this."""
    if operation.reservation_id is None:
        return False
    current_case = case_of(db.get_one(Reservation, operation.reservation_id, populate_existing=True))
    return is_waiting_for(current_case, Task(operation.kind))


def operation_detail(db: Session, operation_id: int) -> schemas.OperationDetail:
    """With the procedure, its events and its complete reservation. Raises NotFound."""
    db.flush()
    operation, now = get(db, operation_id), app_now(db)
    row = dict(db.execute(OPERATIONS.rows.where(Operation.id == operation.id)).one()._mapping)
    kind = Task(operation.kind)
    return schemas.OperationDetail(
        **_item(db, row, now),
        minutes=rules.ESTIMATED_MINUTES.get(kind),
        steps=list(rules.PROCEDURES[kind]),
        may_resolve=operation.resolved_at is None and not is_reservation_blocked(db, operation),
        events=events_where(db, OperationEvent, OperationEvent.operation_id == operation.id),
        reservation=desk.reservation_detail(db, row["code"]) if row["code"] else None,
    )


def due_for_notice(now: datetime, limit: int) -> Select[Operation, str | None]:
    """Open operations without an owner that are due soon or overdue and not yet notified, with the 予約ID."""
    is_due_soon = and_(Operation.warn_at <= now, Operation.warned_at.is_(None))
    is_overdue = and_(Operation.due_at < now, Operation.breached_at.is_(None))
    return (
        select(Operation, Reservation.code)
        .outerjoin(Reservation, Reservation.id == Operation.reservation_id)
        .where(_is_open, Operation.owner_id.is_(None), is_due_soon | is_overdue)
        .order_by(Operation.due_at, Operation.id)
        .limit(limit)
        .with_for_update(of=Operation, skip_locked=True)
    )
