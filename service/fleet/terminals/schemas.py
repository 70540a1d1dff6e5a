"""What goes in and out of a terminal's doors over HTTP."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from service.core.texts import Edition, Key, Name
from service.fleet.maintenance.schemas import MaintenanceItem
from service.fleet.rules import MOST_TAGS, AlertType, ContractType, Status
from service.fleet.schemas import (
    Installed,
    Serial,
    StatusCounts,
    Tag,
    Tags,
    TerminalFilters,
)
from service.fleet.terminals.rules import Finding

MOST_AT_ONCE = 20_000


class TerminalChange(BaseModel):
    """What is left out stays as it is, as does what is null, except `installed_date`, which null empties. `version` is
    the one that was read."""

    model_config = ConfigDict(extra="forbid")

    version: Edition
    serial_number: Serial | None = None
    customer_id: Key | None = None
    store_name: Name | None = None
    installed_date: Installed | None = None
    tags: Tags | None = None


class TagChange(BaseModel):
    """For some terminals, or for all that a list's filters find (its `sort` says nothing here)."""

    model_config = ConfigDict(extra="forbid")

    ids: Annotated[list[Key], Field(min_length=1, max_length=MOST_AT_ONCE)] | None = None
    filters: TerminalFilters | None = None
    add: Annotated[list[Tag], Field(max_length=MOST_TAGS)] = []
    remove: Annotated[list[Tag], Field(max_length=100)] = []


class Changed(BaseModel):
    """How many terminals are different now."""

    changed: int


class Choice(BaseModel):
    """A value that terminals in use have, and how many do."""

    value: str
    terminals: int


class Choices(BaseModel):
    """What the list of terminals can be cut by. Tags are sorted by name, versions by number of terminals."""

    tags: list[Choice]
    firmware_versions: list[Choice]


class CustomerOfTerminal(BaseModel):
    id: int
    company_name: str
    contact_person: str
    contact_email: str
    contact_phone: str
    contract_type: ContractType


class State(BaseModel):
    """What the newest heartbeat said, and since when the status is what it is; usages in percent. `offline_after` is
    the moment from which silence means offline; `clock_skew_seconds` how far the PC's clock is ahead of ours."""

    status: Status
    since: datetime
    last_heartbeat_at: datetime | None
    offline_after: datetime | None
    cpu_usage: int
    memory_usage: int
    disk_usage: int
    firmware_version: str
    agent_version: str | None
    terminal_connected: bool | None
    terminal_serial: str | None
    error: str | None
    address: str | None
    network: str | None
    clock_skew_seconds: int | None
    cloned_at: datetime | None
    shutdown_at: datetime | None


class Neighbourhood(BaseModel):
    """Other terminals that were heard of at some time, and how many of them are silent without having said good-bye."""

    others: int
    silent: int


class Diagnosis(BaseModel):
    """`network` are the terminals behind the same line in other stores."""

    finding: Finding
    store: Neighbourhood
    network: Neighbourhood


class OpenAlert(BaseModel):
    id: int
    incident_id: int
    alert_type: AlertType
    message: str
    created_at: datetime


class StoreOfTerminal(BaseModel):
    """All terminals in use of the store, this one included: how many still take payments."""

    store: str
    terminals: StatusCounts


class TerminalDetail(BaseModel):
    """`enrolled_at` is when the present token was issued, null without one. `maintenances` are the window under way and
    those to come; past ones are in their list. `diagnosis` is null for an archived terminal."""

    as_of: datetime
    id: int
    version: int
    serial_number: str
    store_name: str
    installed_date: date | None
    tags: list[str]
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None
    enrolled_at: datetime | None
    customer: CustomerOfTerminal
    state: State
    diagnosis: Diagnosis | None
    alerts: list[OpenAlert]
    maintenances: list[MaintenanceItem]
    store: StoreOfTerminal
