"""What goes in and out of a customer's doors over HTTP."""

from __future__ import annotations

from datetime import date, datetime

from pydantic import BaseModel, ConfigDict

from service.core.texts import Edition, Mail, Name, Phone
from service.fleet.incidents.rules import Scope
from service.fleet.rules import AlertType, ContractType
from service.fleet.schemas import Person, StatusCounts


class CustomerChange(BaseModel):
    """What is left out, or null, stays as it is. `version` is the one that was read."""

    model_config = ConfigDict(extra="forbid")

    version: Edition
    company_name: Name | None = None
    contact_person: Person | None = None
    contact_email: Mail | None = None
    contact_phone: Phone | None = None
    contract_type: ContractType | None = None


class CustomerChoice(BaseModel):
    id: int
    company_name: str


class Store(BaseModel):
    """The terminals in use of one store."""

    store: str
    terminals: StatusCounts


class OpenIncident(BaseModel):
    """`members_open`: how many of the customer's own terminals are still in trouble."""

    id: int
    alert_type: AlertType
    scope: Scope
    opened_at: datetime
    members_open: int


class LastReport(BaseModel):
    """`month` is its first day."""

    id: int
    month: date
    drafted_at: datetime
    sent_at: datetime | None


class CustomerDetail(BaseModel):
    """`stores` are the first 200, those in trouble first; `store_count` is how many there are."""

    id: int
    version: int
    company_name: str
    contact_person: str
    contact_email: str
    contact_phone: str
    contract_type: ContractType
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None
    terminals: StatusCounts
    archived_terminals: int
    stores: list[Store]
    store_count: int
    open_incidents: list[OpenIncident]
    last_report: LastReport | None
