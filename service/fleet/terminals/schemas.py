"""Request and response models of a terminal's routes."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from service.core.edits import Edit, change_of
from service.core.values.texts import RecordId
from service.fleet.maintenance.schemas import MaintenanceItem
from service.fleet.rules import MAX_TAGS, AlertType, Status
from service.fleet.schemas import (
    CustomerContact,
    NewTerminal,
    StatusCounts,
    Tag,
    TerminalFilters,
)
from service.fleet.terminals.rules import Finding

MAX_TERMINALS = 20_000


@change_of(NewTerminal)
class TerminalChange(Edit):
    """A field that is missing or null stays unchanged, except `installed_date`, which null clears."""


class TagChange(BaseModel):
    """For the terminals with these ids, or for all that match the list's filters (`sort` has no effect here)."""

    model_config = ConfigDict(extra="forbid")

    ids: Annotated[list[RecordId], Field(min_length=1, max_length=MAX_TERMINALS)] | None = None
    filters: TerminalFilters | None = None
    add: Annotated[list[Tag], Field(max_length=MAX_TAGS)] = []
    remove: Annotated[list[Tag], Field(max_length=100)] = []


class Changed(BaseModel):
    """How many terminals were changed."""

    changed: int


class Choice(BaseModel):
    """A value, and how many terminals in use have it."""

    value: str
    terminals: int


class Choices(BaseModel):
    """Choices for the filters of the terminal list. Tags are sorted by name, versions by number of terminals."""

    tags: list[Choice]
    firmware_versions: list[Choice]


class State(BaseModel):
    """The latest heartbeat, and since when the terminal has its status; usages in percent. `offline_after`: from when
    silence means offline; `clock_skew_seconds`: by how much the PC's clock is ahead of the server's."""

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
    """Other terminals with at least one heartbeat, and how many of them are silent without an orderly shutdown."""

    others: int
    silent: int


class Diagnosis(BaseModel):
    """`network`: the terminals on the same network in other stores."""

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
    """All terminals in use of the store, this one included, counted by status."""

    store: str
    terminals: StatusCounts


class TerminalDetail(BaseModel):
    """`enrolled_at`: when the present token was issued; null without one. `maintenances`: the current window and future
    ones; past ones are in the list of maintenances. `diagnosis`: null for an archived terminal."""

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
    customer: CustomerContact
    state: State
    diagnosis: Diagnosis | None
    alerts: list[OpenAlert]
    maintenances: list[MaintenanceItem]
    store: StoreOfTerminal
