"""Every read of maintenance windows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, select
from sqlalchemy.orm import Session

from service.core.access.identity import User
from service.core.database.clock import now_sql
from service.core.database.paging import Key, Listing, Page, equals, when_true
from service.core.problems import NotFound
from service.fleet.maintenance import schemas
from service.fleet.maintenance.models import Maintenance
from service.fleet.maintenance.rules import Phase
from service.fleet.models import Customer, Terminal

IS_OPEN = Maintenance.ended_at.is_(None)
_PHASES: dict[Phase, ColumnElement[bool]] = {
    Phase.NOW: and_(IS_OPEN, Maintenance.begun_at.is_not(None)),
    Phase.NEXT: and_(IS_OPEN, Maintenance.begun_at.is_(None)),
    Phase.PAST: Maintenance.ended_at.is_not(None),
}


def _select_windows() -> Select[*tuple[Any, ...]]:
    return (
        select(
            Maintenance.id,
            case(*((condition, phase.value) for phase, condition in _PHASES.items())).label("phase"),
            Maintenance.terminal_id,
            Terminal.serial_number,
            Terminal.customer_id,
            Customer.company_name.label("customer_name"),
            Terminal.store_name,
            Maintenance.starts_at,
            Maintenance.ends_at,
            Maintenance.reason,
            Maintenance.created_at,
            User.name.label("created_by"),
            Maintenance.begun_at,
            Maintenance.ended_at,
            Maintenance.ended_by,
        )
        .join(Terminal, Terminal.id == Maintenance.terminal_id)
        .join(Customer, Customer.id == Terminal.customer_id)
        .outerjoin(User, User.id == Maintenance.user_id)
    )


WINDOWS = Listing(
    _select_windows(),
    model=schemas.MaintenanceItem,
    unique=Maintenance.id,
    keys={"starts_at": Key(Maintenance.starts_at), "ends_at": Key(Maintenance.ends_at)},
    default="starts_at",
    filters={
        "terminal_id": equals(Maintenance.terminal_id),
        "customer_id": equals(Terminal.customer_id),
        **{phase.value: when_true(condition) for phase, condition in _PHASES.items()},
    },
)


def windows(
    db: Session, limit: int, cursor: str | None, filters: schemas.MaintenanceFilters
) -> Page[schemas.MaintenanceItem]:
    filter_values: dict[str, Any] = filters.model_dump(exclude={"phase", "sort"})
    if filters.phase is not None:
        filter_values[filters.phase.value] = True
    return WINDOWS.read(db, limit, cursor, filters.sort, **filter_values)


def window(db: Session, maintenance_id: int) -> schemas.MaintenanceItem:
    row = db.execute(_select_windows().where(Maintenance.id == maintenance_id)).mappings().one_or_none()
    if row is None:
        raise NotFound("指定されたメンテナンスは見つかりません。画面を開き直してください。")
    return schemas.MaintenanceItem(**row)


def open_windows(db: Session, terminal_id: int) -> list[schemas.MaintenanceItem]:
    """The terminal's current window and future ones, by time."""
    statement = _select_windows().where(IS_OPEN, Maintenance.terminal_id == terminal_id)
    rows = db.execute(statement.order_by(Maintenance.starts_at, Maintenance.id)).mappings()
    return [schemas.MaintenanceItem(**row) for row in rows]


def lock_selected_terminals(db: Session, new: schemas.NewMaintenance) -> dict[int, str]:
    """Serial numbers by id of the selected terminals in use, locked: of two concurrent plans the second one sees the
    windows of the first.

    Raises:
        NotFound: one of them does not exist or is archived, or the customer or store has no terminal in use.
    """
    statement = select(Terminal.id, Terminal.serial_number).where(Terminal.archived_at.is_(None))
    if new.terminal_ids is not None:
        statement = statement.where(Terminal.id.in_(new.terminal_ids))
    else:
        statement = statement.where(Terminal.customer_id == new.customer_id)
        if new.store is not None:
            statement = statement.where(Terminal.store == new.store)
    rows = dict(db.execute(statement.order_by(Terminal.id).with_for_update()).all())
    if not rows or (new.terminal_ids is not None and len(rows) < len(set(new.terminal_ids))):
        raise NotFound("指定された端末が見つからないか、アーカイブされています。一覧を開き直してください。")
    return rows


def overlapping_serials(db: Session, terminal_ids: Sequence[int], starts_at: datetime, ends_at: datetime) -> list[str]:
    """Serial numbers of the terminals that have an open window in that time."""
    statement = (
        select(Terminal.serial_number)
        .join(Maintenance, Maintenance.terminal_id == Terminal.id)
        .where(Terminal.id.in_(terminal_ids), IS_OPEN, Maintenance.starts_at < ends_at, Maintenance.ends_at > starts_at)
        .order_by(Terminal.serial_number)
        .distinct()
    )
    return list(db.scalars(statement))


def lock_windows(db: Session, ids: Sequence[int]) -> list[Maintenance]:
    """The windows, locked. Raises NotFound when one does not exist."""
    statement = select(Maintenance).where(Maintenance.id.in_(ids)).order_by(Maintenance.id).with_for_update()
    rows = list(db.scalars(statement))
    if len(rows) < len(set(ids)):
        raise NotFound("指定されたメンテナンスは見つかりません。画面を開き直してください。")
    return rows


def lock_open_windows(db: Session, terminal_id: int) -> list[Maintenance]:
    statement = select(Maintenance).where(Maintenance.terminal_id == terminal_id, IS_OPEN)
    return list(db.scalars(statement.order_by(Maintenance.id).with_for_update()))


def due_to_end(db: Session) -> list[Maintenance]:
    """Open windows whose time is over, including those that never began because the service was down."""
    return _due(db, Maintenance.ends_at <= now_sql())


def due_to_begin(db: Session) -> list[Maintenance]:
    return _due(db, Maintenance.begun_at.is_(None), Maintenance.starts_at <= now_sql(), Maintenance.ends_at > now_sql())


def _due(db: Session, *conditions: ColumnElement[bool]) -> list[Maintenance]:
    statement = select(Maintenance).where(IS_OPEN, *conditions).order_by(Maintenance.id)
    return list(db.scalars(statement.with_for_update(skip_locked=True)))


def planner_names(db: Session, windows: Sequence[Maintenance]) -> dict[int, str]:
    """The names of the users who planned the windows, by user id."""
    ids = {window.user_id for window in windows if window.user_id is not None}
    return dict(db.execute(select(User.id, User.name).where(User.id.in_(ids))).all()) if ids else {}
