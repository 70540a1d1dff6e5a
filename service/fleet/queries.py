"""Every read of the fleet."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, bindparam, case, func, select
from sqlalchemy.orm import Session

from service.core.access.auth import Actor
from service.core.access.identity import User
from service.core.database.clock import app_now
from service.core.database.lookups import get_or_404
from service.core.database.paging import (
    Filter,
    Key,
    Listing,
    Page,
    archived_filter,
    contains,
    equals,
    filter_values,
    when_true,
)
from service.core.files.records import File
from service.core.problems import NotFound
from service.fleet import schemas
from service.fleet.models import Alert, Customer, Terminal, TerminalPhoto, TerminalState
from service.fleet.rules import Status

COUNTS = [func.count(TerminalState.terminal_id).label("total")] + [
    func.count().filter(TerminalState.status == status).label(status.value) for status in Status
]

# Terminals with a problem come first.
_STATUS_RANK = case(
    {status: rank for rank, status in enumerate(("offline", "error", "maintenance"))},
    value=TerminalState.status,
    else_=3,
)

TERMINALS = Listing(
    select(
        Terminal.id,
        Terminal.serial_number,
        Terminal.customer_id,
        Customer.company_name.label("customer_name"),
        Terminal.store_name,
        Terminal.store,
        Terminal.installed_date,
        Terminal.tags,
        Terminal.archived_at,
        TerminalState.status,
        TerminalState.status_since,
        TerminalState.firmware_version,
        TerminalState.agent_version,
        TerminalState.last_heartbeat_at,
        TerminalState.cpu_usage,
        TerminalState.memory_usage,
        TerminalState.disk_usage,
        TerminalState.error,
    )
    .select_from(Terminal)
    # Every terminal has both rows. PostgreSQL drops an outer join of which no column is used, as in a count.
    .outerjoin(TerminalState, TerminalState.terminal_id == Terminal.id)
    .outerjoin(Customer, Customer.id == Terminal.customer_id),
    model=schemas.TerminalItem,
    unique=Terminal.id,
    keys={
        "status": Key(_STATUS_RANK),
        "serial_number": Key(Terminal.serial_number),
        "store_name": Key(Terminal.store_name),
        "customer_name": Key(Customer.company_name),
        "last_heartbeat_at": Key(TerminalState.last_heartbeat_at, nullable=True),
        "firmware_version": Key(TerminalState.firmware_version),
        "installed_date": Key(Terminal.installed_date, nullable=True),
    },
    default="status",
    filters={
        "status": equals(TerminalState.status),
        "customer_id": equals(Terminal.customer_id),
        "store": equals(Terminal.store),
        "tag": Filter(
            lambda name: Terminal.tags.contains(bindparam(name, type_=Terminal.tags.type)), lambda tag: [tag]
        ),
        "firmware_version": equals(TerminalState.firmware_version),
        "q": contains(Terminal.serial_number, Terminal.store_name, Customer.company_name),
        **archived_filter(Terminal.archived_at),
    },
    # The sort key is the status, which every heartbeat may change and which no index contains.
    late=True,
)
# Each customer's terminals in use, counted by status.
_STATUS_COUNTS = (
    select(Terminal.customer_id, *COUNTS)
    .join(TerminalState, TerminalState.terminal_id == Terminal.id)
    .where(Terminal.archived_at.is_(None))
    .group_by(Terminal.customer_id)
    .subquery()
)
CUSTOMERS = Listing(
    select(
        Customer.id,
        Customer.company_name,
        Customer.contact_person,
        Customer.contact_email,
        Customer.contact_phone,
        Customer.contract_type,
        Customer.created_at,
        Customer.archived_at,
        *(func.coalesce(_STATUS_COUNTS.c[name], 0).label(name) for name in ("total", *Status)),
    ).outerjoin(_STATUS_COUNTS, _STATUS_COUNTS.c.customer_id == Customer.id),
    model=schemas.CustomerItem,
    unique=Customer.id,
    keys={
        "company_name": Key(Customer.company_name),
        "terminals": Key(func.coalesce(_STATUS_COUNTS.c.total, 0)),
        "trouble": Key(func.coalesce(_STATUS_COUNTS.c.offline + _STATUS_COUNTS.c.error, 0)),
        "created_at": Key(Customer.created_at),
    },
    default="company_name",
    filters={
        "contract_type": equals(Customer.contract_type),
        "q": contains(Customer.company_name, Customer.contact_person),
        **archived_filter(Customer.archived_at),
    },
)
_ALERTS = Listing(
    select(
        Alert.id,
        Alert.incident_id,
        Alert.terminal_id,
        Terminal.serial_number,
        Terminal.customer_id,
        Customer.company_name.label("customer_name"),
        Terminal.store_name,
        Alert.alert_type,
        Alert.message,
        Alert.is_resolved,
        Alert.created_at,
        Alert.resolved_at,
        Alert.resolved_by,
    )
    .outerjoin(Terminal, Terminal.id == Alert.terminal_id)
    .outerjoin(Customer, Customer.id == Terminal.customer_id),
    model=schemas.AlertItem,
    unique=Alert.id,
    keys={"created_at": Key(Alert.created_at)},
    default="created_at",
    filters={"is_open": when_true(~Alert.is_resolved)},
)


def summary(db: Session) -> schemas.Summary:
    in_use = select(*COUNTS).join(Terminal, Terminal.id == TerminalState.terminal_id)
    counts = db.execute(in_use.where(Terminal.archived_at.is_(None))).mappings().one()
    columns = func.count(), func.count(Alert.incident_id.distinct()), func.min(Alert.created_at)
    alerts, incidents, oldest = db.execute(select(*columns).where(~Alert.is_resolved)).one()
    return schemas.Summary(
        as_of=app_now(db),
        terminals=schemas.StatusCounts(**counts),
        online_percent=round(100 * counts["online"] / counts["total"], 1) if counts["total"] else None,
        open_alerts=alerts,
        open_incidents=incidents,
        oldest_open_alert_at=oldest,
    )


def customers(
    db: Session, limit: int, cursor: str | None, filters: schemas.CustomerFilters | None = None
) -> Page[schemas.CustomerItem]:
    """Customers by name unless sorted otherwise, each with its terminals in use counted by status."""
    filters = filters or schemas.CustomerFilters()
    return CUSTOMERS.read(db, limit, cursor, filters.sort, item=_customer_values, **filter_values(filters))


def _customer_values(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"terminals": {name: row[name] for name in ("total", *Status)}}


def export_customers(_: Actor, filters: schemas.CustomerFilters) -> Select[*tuple[Any, ...]]:
    """All customers in the order of the list. Raises Invalid for an unknown sort order."""
    terminal_count = func.coalesce(_STATUS_COUNTS.c.total, 0).label("terminal_count")
    counts = (func.coalesce(_STATUS_COUNTS.c[status], 0).label(f"{status}_count") for status in Status)
    return CUSTOMERS.all(filters.sort, **filter_values(filters)).add_columns(terminal_count, *counts)


def terminals(
    db: Session, limit: int, cursor: str | None, filters: schemas.TerminalFilters | None = None
) -> Page[schemas.TerminalItem]:
    """Terminals; those with a problem come first unless sorted otherwise."""
    filters = filters or schemas.TerminalFilters()
    return TERMINALS.read(db, limit, cursor, filters.sort, **filter_values(filters))


def export_terminals(_: Actor, filters: schemas.TerminalFilters) -> Select[*tuple[Any, ...]]:
    """All terminals in the order of the list. Raises Invalid for an unknown sort order."""
    tags = func.array_to_string(Terminal.tags, "、").label("tag_words")
    # Before its first heartbeat a terminal has no usage, as on the page.
    reported = (
        case((TerminalState.last_heartbeat_at.is_not(None), usage)).label(f"reported_{usage.key}")
        for usage in (TerminalState.cpu_usage, TerminalState.memory_usage, TerminalState.disk_usage)
    )
    return TERMINALS.all(filters.sort, **filter_values(filters)).add_columns(tags, *reported)


def matching_terminal_ids(filters: schemas.TerminalFilters) -> Select[int]:
    """The ids of all terminals that match the filters."""
    return TERMINALS.all(**filter_values(filters)).with_only_columns(Terminal.id).order_by(None)


def customers_by_name(db: Session, names: Sequence[str]) -> dict[str, Customer]:
    return {
        customer.company_name: customer
        for customer in db.scalars(select(Customer).where(Customer.company_name.in_(names)))
    }


def versions(db: Session, kind: type[Customer | Terminal], keys: Sequence[int]) -> dict[int, int]:
    """Each row's version. Locks the rows."""
    rows = select(kind.id, kind.version).where(kind.id.in_(keys)).order_by(kind.id).with_for_update()
    return dict(db.execute(rows).all())


def terminals_by_serial(db: Session, serials: Sequence[str]) -> dict[str, tuple[Terminal, str]]:
    """Terminals by serial number, each with its customer's name."""
    rows = db.execute(
        select(Terminal, Customer.company_name)
        .join(Customer, Customer.id == Terminal.customer_id)
        .where(Terminal.serial_number.in_(serials))
    )
    return {terminal.serial_number: (terminal, company) for terminal, company in rows}


def alerts(db: Session, limit: int, cursor: str | None, only_open: bool) -> Page[schemas.AlertItem]:
    """Alerts, the oldest first."""
    return _ALERTS.read(db, limit, cursor, is_open=only_open)


def get_customer(db: Session, customer_id: int, *, lock: bool = False) -> Customer:
    return get_or_404(db, Customer, customer_id, "顧客企業", lock=lock)


def get_terminal(db: Session, terminal_id: int, *, lock: bool = False) -> Terminal:
    return get_or_404(db, Terminal, terminal_id, "端末", lock=lock)


def photos(db: Session, terminal_id: int) -> schemas.Photos:
    """The terminal's photos, newest first; there are never many."""
    get_terminal(db, terminal_id)
    statement = (
        select(
            File.id,
            File.name,
            File.size,
            File.content_type,
            File.width,
            File.height,
            TerminalPhoto.added_at,
            func.coalesce(User.name, "システム").label("added_by"),
        )
        .join(TerminalPhoto, TerminalPhoto.file_id == File.id)
        .outerjoin(User, User.id == File.user_id)
        .where(TerminalPhoto.terminal_id == terminal_id)
        .order_by(TerminalPhoto.added_at.desc(), File.id)
    )
    items = [schemas.Photo(**row) for row in db.execute(statement).mappings()]
    return schemas.Photos(items=items, total=len(items))


def get_photo(db: Session, terminal_id: int, file_id: uuid.UUID) -> tuple[TerminalPhoto, File]:
    """The photo and its file, locked. Of two concurrent removals the second one raises NotFound."""
    statement = (
        select(TerminalPhoto, File)
        .join(File, File.id == TerminalPhoto.file_id)
        .where(TerminalPhoto.file_id == file_id, TerminalPhoto.terminal_id == terminal_id)
        .with_for_update(of=File)
    )
    row = db.execute(statement).one_or_none()
    if row is None:
        raise NotFound("指定された写真は見つかりません。すでに外された可能性があります。画面を開き直してください。")
    return row[0], row[1]


def count_photos(db: Session, terminal_id: int) -> int:
    statement = select(func.count()).select_from(TerminalPhoto).where(TerminalPhoto.terminal_id == terminal_id)
    return db.scalar(statement) or 0
