"""Request and response models of a customer's routes."""

from __future__ import annotations

from datetime import date, datetime

from pydantic import BaseModel

from service.core.edits import Edit, change_of
from service.fleet.incidents.rules import Scope
from service.fleet.rules import AlertType
from service.fleet.schemas import CustomerItem, NewCustomer, StatusCounts


@change_of(NewCustomer)
class CustomerChange(Edit):
    """A field that is missing or null stays unchanged."""


class CustomerChoice(BaseModel):
    id: int
    company_name: str


class Store(BaseModel):
    """A store with its terminals in use."""

    store: str
    terminals: StatusCounts


class OpenIncident(BaseModel):
    """`members_open`: how many of the customer's own terminals have not recovered."""

    id: int
    alert_type: AlertType
    scope: Scope
    opened_at: datetime
    members_open: int


class LastReport(BaseModel):
    """`month` is the first day of the month."""

    id: int
    month: date
    drafted_at: datetime
    sent_at: datetime | None


class CustomerDetail(CustomerItem):
    """`stores`: the first 200, those with a problem first; `store_count`: the number of all stores."""

    version: int
    created_at: datetime
    updated_at: datetime
    archived_terminals: int
    stores: list[Store]
    store_count: int
    open_incidents: list[OpenIncident]
    last_report: LastReport | None
