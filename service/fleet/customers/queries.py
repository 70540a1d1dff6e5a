"""Reads for a customer's page."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.fleet import queries
from service.fleet.customers import schemas
from service.fleet.incidents.models import Incident
from service.fleet.models import Alert, Customer, Terminal, TerminalState
from service.fleet.monthly.models import MonthlyReport
from service.fleet.rules import Status
from service.fleet.schemas import StatusCounts

MAX_STORES_LISTED = 200
MAX_CHOICES = 1000
CUSTOMER_FIELDS = (
    "id",
    "version",
    "company_name",
    "contact_person",
    "contact_email",
    "contact_phone",
    "contract_type",
    "created_at",
    "updated_at",
    "archived_at",
)


def choices(db: Session) -> list[schemas.CustomerChoice]:
    customers = select(Customer.id, Customer.company_name).where(Customer.archived_at.is_(None))
    statement = customers.order_by(Customer.company_name, Customer.id).limit(MAX_CHOICES)
    return [schemas.CustomerChoice(**row) for row in db.execute(statement).mappings()]


def customer(db: Session, customer_id: int) -> schemas.CustomerDetail:
    """Raises NotFound."""
    customer_row = queries.get_customer(db, customer_id)
    stores = _stores(db, customer_id)
    terminals = {name: sum(getattr(store.terminals, name) for store in stores) for name in ("total", *Status)}
    archived = select(func.count()).where(Terminal.customer_id == customer_id, Terminal.archived_at.is_not(None))
    return schemas.CustomerDetail(
        **{name: getattr(customer_row, name) for name in CUSTOMER_FIELDS},
        terminals=terminals,
        archived_terminals=db.scalar(archived),
        stores=stores[:MAX_STORES_LISTED],
        store_count=len(stores),
        open_incidents=_open_incidents(db, customer_id),
        last_report=_last_report(db, customer_id),
    )


def _stores(db: Session, customer_id: int) -> list[schemas.Store]:
    """All stores of the customer, those with a problem first, then by name."""
    statement = (
        select(Terminal.store, *queries.COUNTS)
        .join(TerminalState, TerminalState.terminal_id == Terminal.id)
        .where(Terminal.customer_id == customer_id, Terminal.archived_at.is_(None))
        .group_by(Terminal.store)
        .order_by(func.count().filter(TerminalState.status.in_([Status.OFFLINE, Status.ERROR])).desc(), Terminal.store)
    )
    rows = db.execute(statement).mappings().all()
    return [schemas.Store(store=row["store"], terminals=StatusCounts(**row)) for row in rows]


def _open_incidents(db: Session, customer_id: int) -> list[schemas.OpenIncident]:
    statement = (
        select(Incident.id, Incident.alert_type, Incident.scope, Incident.opened_at, func.count().label("members_open"))
        .join(Alert, Alert.incident_id == Incident.id)
        .join(Terminal, Terminal.id == Alert.terminal_id)
        .where(Terminal.customer_id == customer_id, ~Alert.is_resolved, Incident.resolved_at.is_(None))
        .group_by(Incident.id)
        .order_by(Incident.opened_at, Incident.id)
    )
    return [schemas.OpenIncident(**row) for row in db.execute(statement).mappings()]


def _last_report(db: Session, customer_id: int) -> schemas.LastReport | None:
    statement = (
        select(MonthlyReport.id, MonthlyReport.month, MonthlyReport.drafted_at, MonthlyReport.sent_at)
        .where(MonthlyReport.customer_id == customer_id)
        .order_by(MonthlyReport.month.desc())
        .limit(1)
    )
    row = db.execute(statement).mappings().one_or_none()
    return schemas.LastReport(**row) if row else None


def terminals_in_use(db: Session, customer_id: int) -> int:
    statement = select(func.count()).where(Terminal.customer_id == customer_id, Terminal.archived_at.is_(None))
    return db.scalar(statement) or 0
