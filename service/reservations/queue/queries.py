"""Every read of the queue of 手動対応."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, case, func, select
from sqlalchemy.orm import Session, aliased

from service.core import phones
from service.core.auth import Actor
from service.core.clock import app_now, now_sql
from service.core.holidays import calendar_named
from service.core.identity import User
from service.core.paging import Key, Listing, equals, when
from service.core.problems import NotFound
from service.core.targets import read
from service.core.times import day_bounds, local_date
from service.reservations.desk import queries as desk
from service.reservations.desk.queries import SEARCH, STATE_TITLE
from service.reservations.desk.rules import is_waiting_for
from service.reservations.events.rules import Task
from service.reservations.flow.models import Reservation
from service.reservations.flow.queries import case_of
from service.reservations.operations.models import Operation, OperationEvent
from service.reservations.operations.rules import TARGETS, Priority
from service.reservations.queue import rules, schemas
from service.reservations.roster import queries as roster
from service.reservations.services.models import Service

_owner = aliased(User)
_is_open = Operation.resolved_at.is_(None)
_late = Operation.due_at < func.coalesce(Operation.resolved_at, now_sql())

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
        phones.shown_column(Reservation.phone).label("phone_shown"),
        Service.name.label("service_name"),
        Reservation.starts_at,
    )
    .outerjoin(Reservation, Reservation.id == Operation.reservation_id)
    .outerjoin(Service, Service.id == Reservation.service_id)
    .outerjoin(_owner, _owner.id == Operation.owner_id),
    unique=Operation.id,
    keys={
        # What is done has no more to be due: it comes after all that has.
        "due_at": Key(case((_is_open, Operation.due_at)), nullable=True),
        "opened_at": Key(Operation.opened_at),
        "resolved_at": Key(Operation.resolved_at, nullable=True),
    },
    default="due_at",
    filters={
        "is_open": when(_is_open),
        "is_resolved": when(~_is_open),
        "priority": equals(Operation.priority),
        "kind": equals(Operation.kind),
        "owner_id": equals(Operation.owner_id),
        "is_unclaimed": when(Operation.owner_id.is_(None)),
        "is_late": when(_late),
        "q": SEARCH,
    },
)


def _cut(by: Actor, filters: schemas.OperationFilters) -> dict[str, Any]:
    whose: dict[str, Any] = {}
    if filters.owner == "none":
        whose["is_unclaimed"] = True
    elif filters.owner is not None:
        whose["owner_id"] = by.user_id if filters.owner == "me" else int(filters.owner)
    return whose | {
        "is_open": filters.state == "open",
        "is_resolved": filters.state == "resolved",
        "priority": filters.priority.value if filters.priority else None,
        "kind": filters.kind.value if filters.kind else None,
        "is_late": filters.late,
        "q": filters.q,
    }


def operations(
    db: Session, by: Actor, limit: int, cursor: str | None, filters: schemas.OperationFilters
) -> dict[str, Any]:
    """What is due next comes first."""
    found = OPERATIONS.page(db, limit, cursor, filters.sort, **_cut(by, filters))
    now = app_now(db)
    found["items"] = [_as_seen(db, row, now) for row in found["items"]]
    return found


def operations_to_take_along(by: Actor, filters: schemas.OperationFilters) -> Select[*tuple[Any, ...]]:
    """Raises Invalid for an order that is none of ours."""
    met = case((_is_open & _late, "期限超過"), (_is_open, "対応中"), (_late, "期限後に完了"), else_="期限内に完了")
    return OPERATIONS.all(filters.sort, **_cut(by, filters)).add_columns(met.label("met"))


def _as_seen(db: Session, row: dict[str, Any], now: datetime) -> dict[str, Any]:
    seen = dict(row)
    owner_id, name = seen.pop("owner_id"), seen.pop("owner_name")
    target = TARGETS[Priority(seen["priority"])]
    stands = read(target, seen["due_at"], now, calendar_named(db, target.calendar), seen["resolved_at"])
    return seen | {
        "owner": {"id": owner_id, "name": name} if owner_id is not None else None,
        "response": stands.state,
        "left_seconds": int(stands.remaining.total_seconds()),
    }


def counts(db: Session, by: Actor) -> dict[str, Any]:
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
    done = db.scalar(select(func.count()).select_from(Operation).where(Operation.resolved_at >= today)) or 0
    on_call = roster.on_call_now(db)["shift"]
    return {"as_of": now, **row._mapping, "resolved_today": done, "on_call": on_call}


def get(db: Session, operation_id: int, *, lock: bool = False) -> Operation:
    """Raises NotFound, in words."""
    found = db.get(Operation, operation_id, with_for_update=lock, populate_existing=lock)
    if found is None:
        raise NotFound("指定された手動対応は見つかりません。一覧を開き直してください。")
    return found


def stands_still(db: Session, operation: Operation) -> bool:
    """Whether its reservation waits for this to be decided by one of the reservation's actions."""
    if operation.reservation_id is None:
        return False
    case = case_of(db.get_one(Reservation, operation.reservation_id, populate_existing=True))
    return is_waiting_for(case, Task(operation.kind))


def operation_in_full(db: Session, operation_id: int) -> dict[str, Any]:
    """With the procedure, its events and the whole of its reservation. Raises NotFound."""
    db.flush()
    operation, now = get(db, operation_id), app_now(db)
    row = dict(db.execute(OPERATIONS.rows.where(Operation.id == operation.id)).one()._mapping)
    kind = Task(operation.kind)
    events = (
        select(OperationEvent.id, OperationEvent.at, OperationEvent.kind, OperationEvent.by, OperationEvent.text)
        .where(OperationEvent.operation_id == operation.id)
        .order_by(OperationEvent.id.desc())
    )
    return _as_seen(db, row, now) | {
        "minutes": rules.MINUTES.get(kind),
        "steps": list(rules.STEPS[kind]),
        "may_resolve": operation.resolved_at is None and not stands_still(db, operation),
        "events": [dict(one._mapping) for one in db.execute(events)],
        "reservation": desk.in_full(db, row["code"]) if row["code"] else None,
    }


def due_to_be_told(now: datetime, limit: int) -> Select[Operation, str | None]:
    """Open ones that nobody has and that will soon be late, or are; with the reservation's 予約ID."""
    warned = and_(Operation.warn_at <= now, Operation.warned_at.is_(None))
    breached = and_(Operation.due_at < now, Operation.breached_at.is_(None))
    return (
        select(Operation, Reservation.code)
        .outerjoin(Reservation, Reservation.id == Operation.reservation_id)
        .where(_is_open, Operation.owner_id.is_(None), warned | breached)
        .order_by(Operation.due_at, Operation.id)
        .limit(limit)
        .with_for_update(of=Operation, skip_locked=True)
    )
