"""Request and response models of the fleet's routes."""

from __future__ import annotations

import uuid
from datetime import date, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from service.core.values.messages import described
from service.core.values.texts import HIDDEN, NO_NUL, Instant, Mail, Name, NotBlank, Phone, RecordId
from service.fleet.rules import MAX_TAG_LENGTH, MAX_TAGS, AlertType, ContractType, Status, distinct

Percent = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
Version = Annotated[str, Field(min_length=1, max_length=20, pattern=NO_NUL)]
Serial = Annotated[
    str,
    Field(
        min_length=1,
        max_length=50,
        pattern=described(
            r"^[A-Za-z0-9][A-Za-z0-9-]*$",
            "半角の英数字で始まる、英数字・ハイフンで入力してください（例: TC200-000042）。",
        ),
    ),
]
Person = Annotated[Name, Field(max_length=50)]
Installed = Annotated[date, Field(ge=date(2000, 1, 1), le=date(9000, 1, 1))]
# A single line without commas: they separate tags in files.
Tag = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True,
        min_length=1,
        max_length=MAX_TAG_LENGTH,
        pattern=described(
            rf"^[^\x00-\x1f\x7f\u2028\u2029{HIDDEN},、]*$",
            "1行で入力してください。読点（、）とカンマは使えません（例: 新宿）。",
        ),
    ),
    NotBlank,
]
Tags = Annotated[list[Tag], Field(max_length=MAX_TAGS), AfterValidator(distinct)]


class Heartbeat(BaseModel):
    """What an agent reports about its PC and its TC-200; usages in percent. `sequence` rises within a `stream_id`
    (one per spool); a replay gets the same answer as the first one and is stored once.

    Older agents omit the fields after `sequence`, and unknown fields of newer agents are ignored. `agent_time`: the
    PC's clock when the request is sent. `terminal_serial`: the serial number that the connected TC-200 reports.
    `event`: why the heartbeat comes outside the interval (started, shutdown, plugged, unplugged)."""

    model_config = ConfigDict(strict=True, extra="ignore")

    cpu_usage: Percent
    memory_usage: Percent
    disk_usage: Percent
    firmware_version: Version
    agent_version: Version
    terminal_connected: bool
    error: Annotated[str, Field(max_length=500, pattern=NO_NUL)] | None = None
    sent_at: Instant
    stream_id: uuid.UUID
    sequence: Annotated[int, Field(ge=1, lt=2**63)]
    agent_time: Instant | None = None
    terminal_serial: Annotated[str, Field(max_length=50, pattern=NO_NUL)] | None = None
    event: Annotated[str, Field(max_length=20, pattern=NO_NUL)] | None = None


class Command(BaseModel):
    """What the agent has to do; sent with every heartbeat until the agent has reported on it."""

    id: int
    name: str
    arguments: dict[str, Any]


class HeartbeatAnswer(BaseModel):
    """`next_heartbeat_in`, in seconds, leads each agent to its own offset in the interval."""

    server_time: datetime
    next_heartbeat_in: int
    commands: list[Command]


class NewCustomer(BaseModel):
    model_config = ConfigDict(extra="forbid")

    company_name: Name
    contact_person: Person
    contact_email: Mail
    contact_phone: Phone
    contract_type: ContractType = ContractType.BASIC


class NewTerminal(BaseModel):
    model_config = ConfigDict(extra="forbid")

    serial_number: Serial
    customer_id: RecordId
    store_name: Name
    installed_date: Installed | None = None
    tags: Tags = []


class TerminalRow(BaseModel):
    """A terminal as a row of an imported file: its customer by name."""

    serial_number: Serial
    company_name: Name
    store_name: Name
    installed_date: Installed | None = None
    tags: Tags = []


class TerminalFilters(BaseModel):
    """The filters of the terminal list. `q`: part of a serial number, a store name or a customer's name. `store`: the
    full name of a store, without the till. `archived`: only archived terminals, else only terminals in use."""

    status: Status | None = None
    customer_id: RecordId | None = None
    store: Annotated[str, Field(max_length=100, pattern=NO_NUL)] | None = None
    tag: Annotated[str, Field(max_length=MAX_TAG_LENGTH, pattern=NO_NUL)] | None = None
    firmware_version: Annotated[str, Field(max_length=20, pattern=NO_NUL)] | None = None
    q: Annotated[str, Field(max_length=100, pattern=NO_NUL)] | None = None
    archived: bool = False
    sort: Annotated[str, Field(max_length=50)] = "status"


class CustomerFilters(BaseModel):
    """The filters of the customer list. `q`: part of a company's or a contact's name. `archived`: as with
    terminals."""

    q: Annotated[str, Field(max_length=100, pattern=NO_NUL)] | None = None
    contract_type: ContractType | None = None
    archived: bool = False
    sort: Annotated[str, Field(max_length=50)] = "company_name"


class Created(BaseModel):
    id: int


class NewPhoto(BaseModel):
    """`file_id` comes from an upload for the purpose `fleet.terminal_photo`."""

    model_config = ConfigDict(extra="forbid")

    file_id: uuid.UUID


class Photo(BaseModel):
    """`id` is the file's id: `GET /api/core/files/{id}`, with `?thumbnail=1` for the thumbnail. Width and height as
    displayed."""

    id: uuid.UUID
    name: str
    size: int
    content_type: str
    width: int
    height: int
    added_at: datetime
    added_by: str


class Photos(BaseModel):
    items: list[Photo]
    total: int


class StatusCounts(BaseModel):
    total: int
    online: int
    offline: int
    error: int
    maintenance: int


class Summary(BaseModel):
    """`online_percent` is the dashboard's 稼働率: the share of terminals that are online now; null without terminals.
    `open_alerts` belong to `open_incidents`: アラート一覧 has one row per incident."""

    as_of: datetime
    terminals: StatusCounts
    online_percent: float | None
    open_alerts: int
    open_incidents: int
    oldest_open_alert_at: datetime | None


class CustomerContact(BaseModel):
    id: int
    company_name: str
    contact_person: str
    contact_email: str
    contact_phone: str
    contract_type: ContractType


class CustomerItem(CustomerContact):
    archived_at: datetime | None
    terminals: StatusCounts


class TerminalItem(BaseModel):
    """`error` is what the agent reported last; usages in percent."""

    id: int
    serial_number: str
    customer_id: int
    customer_name: str
    store_name: str
    store: str
    installed_date: date | None
    tags: list[str]
    archived_at: datetime | None
    status: Status
    status_since: datetime
    firmware_version: str
    agent_version: str | None
    last_heartbeat_at: datetime | None
    cpu_usage: int
    memory_usage: int
    disk_usage: int
    error: str | None


class AlertItem(BaseModel):
    """A problem of one terminal; the response to it is recorded in its incident. `resolved_by`: the user, or the
    system's name when it resolved by itself; empty while the alert is open."""

    id: int
    incident_id: int
    terminal_id: int
    serial_number: str
    customer_id: int
    customer_name: str
    store_name: str
    alert_type: AlertType
    message: str
    is_resolved: bool
    created_at: datetime
    resolved_at: datetime | None
    resolved_by: str
