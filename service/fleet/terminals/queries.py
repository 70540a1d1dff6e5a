"""Reads for a terminal's page, and the choices for the terminal list's filters."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, and_, cast, func, select
from sqlalchemy.dialects.postgresql import CIDR
from sqlalchemy.orm import Session

from service.core.database.clock import app_now
from service.core.problems import NotFound
from service.fleet import queries
from service.fleet.incidents.rules import network_of
from service.fleet.maintenance.queries import open_windows
from service.fleet.models import Alert, Customer, Terminal, TerminalState, TerminalToken
from service.fleet.rules import Status
from service.fleet.schemas import CustomerContact, StatusCounts, TerminalFilters
from service.fleet.settings import settings
from service.fleet.terminals import rules, schemas
from service.fleet.terminals.rules import Neighbours

_TERMINAL_FIELDS = (
    "id",
    "version",
    "serial_number",
    "store_name",
    "installed_date",
    "tags",
    "created_at",
    "updated_at",
    "archived_at",
)


def terminal(db: Session, terminal_id: int) -> schemas.TerminalDetail:
    """Raises NotFound."""
    statement = (
        select(Terminal, Customer, TerminalState)
        .join(Customer, Customer.id == Terminal.customer_id)
        .join(TerminalState, TerminalState.terminal_id == Terminal.id)
        .where(Terminal.id == terminal_id)
        .execution_options(populate_existing=True)
    )
    row = db.execute(statement).one_or_none()
    if row is None:
        raise NotFound("指定された端末は見つかりません。一覧を開き直してください。")
    terminal_row, customer, state = row
    return schemas.TerminalDetail(
        **{name: getattr(terminal_row, name) for name in _TERMINAL_FIELDS},
        as_of=app_now(db),
        enrolled_at=_enrolled_at(db, terminal_id),
        customer=CustomerContact.model_validate(customer, from_attributes=True),
        state=_state(state),
        diagnosis=_diagnosis(db, terminal_row, state) if terminal_row.archived_at is None else None,
        alerts=_open_alerts(db, terminal_id),
        maintenances=open_windows(db, terminal_id),
        store=_store(db, terminal_row),
    )


def _enrolled_at(db: Session, terminal_id: int) -> datetime | None:
    is_valid = TerminalToken.revoked_at.is_(None)
    return db.scalar(select(TerminalToken.created_at).where(TerminalToken.terminal_id == terminal_id, is_valid))


def _state(state: TerminalState) -> schemas.State:
    address = str(state.address).partition("/")[0] if state.address else None
    derived = {"since": state.status_since, "address": address, "network": network_of(address)}
    columns = {name: getattr(state, name) for name in schemas.State.model_fields if name not in derived}
    return schemas.State(**columns, **derived)


def _diagnosis(db: Session, terminal: Terminal, state: TerminalState) -> schemas.Diagnosis:
    same_store = and_(Terminal.customer_id == terminal.customer_id, Terminal.store == terminal.store)
    store_neighbours = _neighbours(db, terminal.id, same_store)
    network = network_of(str(state.address) if state.address else None)
    network_neighbours = Neighbours(0, 0)
    if network is not None:
        same_network = TerminalState.address.op("<<=", is_comparison=True)(cast(network, CIDR))
        network_neighbours = _neighbours(db, terminal.id, same_network & ~same_store)
    deadline, now = state.offline_after, app_now(db)
    opens_at = state.alert_after if settings().learned_hours and state.status == Status.OFFLINE else None
    facts = rules.Facts(
        has_heartbeat=state.last_heartbeat_at is not None,
        silent=state.status == Status.OFFLINE or (deadline is not None and deadline < now),
        shut_down=state.shutdown_at is not None,
        closed=opens_at is not None and opens_at > now,
        cloned=state.cloned_at is not None,
        connected=state.terminal_connected,
        other_serial=state.terminal_serial not in (None, terminal.serial_number),
        error=state.error is not None,
        store=store_neighbours,
        network=network_neighbours,
    )
    return schemas.Diagnosis(
        finding=rules.diagnose(facts),
        store=schemas.Neighbourhood(**vars(store_neighbours)),
        network=schemas.Neighbourhood(**vars(network_neighbours)),
    )


def _neighbours(db: Session, terminal_id: int, condition: ColumnElement[bool]) -> Neighbours:
    is_silent = and_(TerminalState.status == Status.OFFLINE, TerminalState.shutdown_at.is_(None))
    statement = (
        select(func.count(), func.count().filter(is_silent))
        .select_from(Terminal)
        .join(TerminalState, TerminalState.terminal_id == Terminal.id)
        .where(
            condition,
            Terminal.id != terminal_id,
            Terminal.archived_at.is_(None),
            TerminalState.last_heartbeat_at.is_not(None),
        )
    )
    others, silent = db.execute(statement).one()
    return Neighbours(others, silent)


def _open_alerts(db: Session, terminal_id: int) -> list[schemas.OpenAlert]:
    columns = [getattr(Alert, name) for name in schemas.OpenAlert.model_fields]
    statement = select(*columns).where(Alert.terminal_id == terminal_id, ~Alert.is_resolved).order_by(Alert.id)
    return [schemas.OpenAlert(**row) for row in db.execute(statement).mappings()]


def _store(db: Session, terminal: Terminal) -> schemas.StoreOfTerminal:
    statement = (
        select(*queries.COUNTS)
        .join(Terminal, Terminal.id == TerminalState.terminal_id)
        .where(
            Terminal.customer_id == terminal.customer_id,
            Terminal.store == terminal.store,
            Terminal.archived_at.is_(None),
        )
    )
    counts = StatusCounts(**db.execute(statement).mappings().one())
    return schemas.StoreOfTerminal(store=terminal.store, terminals=counts)


def choices(db: Session) -> schemas.Choices:
    tag = func.unnest(Terminal.tags).label("value")
    tags = select(tag, func.count().label("terminals")).where(Terminal.archived_at.is_(None)).group_by(tag)
    terminal_count = func.count().label("terminals")
    versions = (
        select(TerminalState.firmware_version.label("value"), terminal_count)
        .join(Terminal, Terminal.id == TerminalState.terminal_id)
        .where(Terminal.archived_at.is_(None))
        .group_by(TerminalState.firmware_version)
        .order_by(terminal_count.desc(), TerminalState.firmware_version)
    )
    return schemas.Choices(
        tags=[schemas.Choice(**row) for row in db.execute(tags.order_by(tag)).mappings()],
        firmware_versions=[schemas.Choice(**row) for row in db.execute(versions).mappings()],
    )


def lock_selected_terminals(db: Session, ids: Sequence[int] | None, filters: TerminalFilters | None) -> list[Terminal]:
    """The selected terminals, locked.

    Raises:
        NotFound: a terminal selected by id does not exist or is archived.
    """
    is_selected = Terminal.id.in_(queries.matching_terminal_ids(filters or TerminalFilters()) if ids is None else ids)
    statement = select(Terminal).where(is_selected, Terminal.archived_at.is_(None))
    rows = list(db.scalars(statement.order_by(Terminal.id).with_for_update()))
    if ids is not None and len(rows) < len(set(ids)):
        raise NotFound("指定された端末が見つからないか、アーカイブされています。一覧を開き直してください。")
    return rows
