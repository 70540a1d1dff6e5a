"""The fleet's tables. Columns that change with every heartbeat are in a narrow table of their own."""

from __future__ import annotations

import uuid
from datetime import date, datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, INET, JSONB, TIMESTAMP, UUID
from sqlalchemy.orm import Mapped, mapped_column

from service.core.database.session import Base, RecordColumns, enum_check
from service.fleet.rules import AlertType, ContractType, Status

# An SQL expression, as a raw string because PostgreSQL reads the escapes.
STORE = r"regexp_replace(store_name, '[ \u3000]+[^ \u3000]*(レジ|端末|[0-9０-９]).*$', '')"


class Customer(RecordColumns, Base):
    """A company that bought TC-200 terminals (requirements document 2.1)."""

    __tablename__ = "fleet_customers"
    __table_args__ = (enum_check("contract_type", ContractType),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    company_name: Mapped[str] = mapped_column(String(100), unique=True)
    contact_person: Mapped[str] = mapped_column(String(50))
    contact_email: Mapped[str] = mapped_column(String(254))
    contact_phone: Mapped[str] = mapped_column(String(20))
    contract_type: Mapped[str] = mapped_column(String(20), server_default="basic")
    # Whether opening hours are learned from its terminals' heartbeats.
    learned_hours: Mapped[bool] = mapped_column(server_default="true")


class Terminal(RecordColumns, Base):
    """A TC-200 and the store PC it is plugged into."""

    __tablename__ = "fleet_terminals"
    __table_args__ = (
        Index("ix_fleet_terminals_customer_id_store", "customer_id", "store"),
        Index("ix_fleet_terminals_tags", "tags", postgresql_using="gin"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    serial_number: Mapped[str] = mapped_column(String(50), unique=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("fleet_customers.id", ondelete="RESTRICT"))
    store_name: Mapped[str] = mapped_column(String(100))
    # The store without the till: 新宿店 レジ1番 is in 新宿店.
    store: Mapped[str] = mapped_column(String(100), Computed(STORE, persisted=True))
    installed_date: Mapped[date | None]
    tags: Mapped[list[str]] = mapped_column(ARRAY(String(30)), server_default="{}")
    # Whether opening hours are learned from its heartbeats. No effect when the customer's switch is off.
    learned_hours: Mapped[bool] = mapped_column(server_default="true")


class TerminalPhoto(Base):
    """A picture of the terminal's place. The file belongs to this terminal only."""

    __tablename__ = "fleet_terminal_photos"

    file_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("files.id", ondelete="RESTRICT"), primary_key=True)
    terminal_id: Mapped[int] = mapped_column(ForeignKey("fleet_terminals.id", ondelete="RESTRICT"), index=True)
    added_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())


class TerminalState(Base):
    """The latest state of a terminal. No column here may be indexed: an index on a column that every heartbeat
    changes makes each heartbeat four to five times as expensive (no heap-only update), and the watch scans the narrow
    table in milliseconds."""

    __tablename__ = "fleet_terminal_states"
    __table_args__ = (enum_check("status", Status),)

    terminal_id: Mapped[int] = mapped_column(ForeignKey("fleet_terminals.id", ondelete="RESTRICT"), primary_key=True)
    status: Mapped[str] = mapped_column(String(20), server_default="offline")
    status_since: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())
    last_heartbeat_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    # From this time on, silence means offline; null until the first heartbeat.
    offline_after: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    cpu_usage: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    memory_usage: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    disk_usage: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    firmware_version: Mapped[str] = mapped_column(String(20), server_default="1.0.0")
    agent_version: Mapped[str | None] = mapped_column(String(20))
    terminal_connected: Mapped[bool | None]
    error: Mapped[str | None] = mapped_column(String(500))
    sent_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    # The spool of the newest heartbeat and its position in it: anything not newer is a replay.
    stream_id: Mapped[uuid.UUID | None] = mapped_column(UUID)
    sequence: Mapped[int | None] = mapped_column(BigInteger)
    # The previous stream and its last position: a heartbeat that continues it comes from a second agent with the same
    # token (a clone).
    previous_stream_id: Mapped[uuid.UUID | None] = mapped_column(UUID)
    previous_sequence: Mapped[int | None] = mapped_column(BigInteger)
    cloned_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    # The sender's address, and by how much the PC's clock is ahead of the server's.
    address: Mapped[str | None] = mapped_column(INET)
    clock_skew_seconds: Mapped[int | None]
    # Consecutive heartbeats at 90 percent or more, capped at 2; stays 2 until the usage falls below 80.
    cpu_run: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    memory_run: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    # Before this time no alert is opened: the end of a maintenance does not raise the alerts that it suppressed.
    alerts_from: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    # When the agent reported an orderly shutdown; null after its next heartbeat.
    shutdown_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    # When silence that began outside the learned hours becomes an alert. Written when the terminal goes offline.
    alert_after: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    # The serial number that the connected TC-200 reports.
    terminal_serial: Mapped[str | None] = mapped_column(String(50))


class TerminalToken(Base):
    """The token that an agent authenticates with; only its SHA-256 is stored. A terminal has at most one valid
    token."""

    __tablename__ = "fleet_terminal_tokens"
    __table_args__ = (
        Index(
            "uq_fleet_terminal_tokens_valid", "terminal_id", unique=True, postgresql_where=text("revoked_at IS NULL")
        ),
    )

    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    terminal_id: Mapped[int] = mapped_column(ForeignKey("fleet_terminals.id", ondelete="RESTRICT"), index=True)
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())
    revoked_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))


class EnrolmentCode(Base):
    """Lets a technician enrol agents until it expires, up to `maximum_uses` times: for terminals of one customer, new
    ones included, or, without a customer, for any terminal that is registered already."""

    __tablename__ = "fleet_enrolment_codes"
    __table_args__ = (CheckConstraint("uses <= maximum_uses", name="uses"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    code_hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    customer_id: Mapped[int | None] = mapped_column(ForeignKey("fleet_customers.id", ondelete="RESTRICT"))
    expires_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    maximum_uses: Mapped[int]
    uses: Mapped[int] = mapped_column(server_default="0")
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"))
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())
    revoked_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))


class Alert(Base):
    """A problem of a terminal; at most one open alert of each type per terminal."""

    __tablename__ = "fleet_alerts"
    __table_args__ = (
        enum_check("alert_type", AlertType),
        Index(
            "uq_fleet_alerts_open", "terminal_id", "alert_type", unique=True, postgresql_where=text("NOT is_resolved")
        ),
        Index("ix_fleet_alerts_open", "created_at", "id", postgresql_where=text("NOT is_resolved")),
        Index("ix_fleet_alerts_incident_id_id", "incident_id", "id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    terminal_id: Mapped[int] = mapped_column(ForeignKey("fleet_terminals.id", ondelete="RESTRICT"), index=True)
    incident_id: Mapped[int] = mapped_column(ForeignKey("fleet_incidents.id", ondelete="RESTRICT"))
    alert_type: Mapped[str] = mapped_column(String(20))
    message: Mapped[str] = mapped_column(Text)
    is_resolved: Mapped[bool] = mapped_column(server_default="false")
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())
    resolved_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    resolved_by: Mapped[str] = mapped_column(String(50), server_default="")


# Every heartbeat as received, in daily partitions by the time received. A table without a primary key: rows are only
# appended by the ingest and read by terminal and time; a replay is recognised by its sequence before it gets here.
heartbeats = Table(
    "fleet_heartbeats",
    Base.metadata,
    Column("terminal_id", BigInteger, nullable=False),
    Column("received_at", TIMESTAMP(timezone=True), nullable=False),
    Column("sent_at", TIMESTAMP(timezone=True), nullable=False),
    Column("stream_id", UUID, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("cpu_usage", SmallInteger, nullable=False),
    Column("memory_usage", SmallInteger, nullable=False),
    Column("disk_usage", SmallInteger, nullable=False),
    Column("terminal_connected", Boolean, nullable=False),
    Column("error", String(500)),
    Index("ix_fleet_heartbeats_terminal_id_received_at", "terminal_id", "received_at"),
    postgresql_partition_by="RANGE (received_at)",
)


# The events of a terminal, in monthly partitions. A trigger writes the changes of status; the reports count them.
terminal_logs = Table(
    "fleet_terminal_logs",
    Base.metadata,
    # Orders events with the same timestamp.
    Column("id", BigInteger, Identity(), nullable=False),
    Column("terminal_id", BigInteger, nullable=False),
    Column("at", TIMESTAMP(timezone=True), nullable=False, server_default=func.app_now()),
    Column("kind", String(30), nullable=False),
    Column("status", String(20)),
    Column("detail", JSONB(none_as_null=True)),
    Column("by", String(100)),
    Index("ix_fleet_terminal_logs_terminal_id_at", "terminal_id", "at"),
    Index("ix_fleet_terminal_logs_status", "at", "terminal_id", postgresql_where=text("kind = 'status'")),
    postgresql_partition_by="RANGE (at)",
)


class Day(Base):
    """The daily aggregate of a terminal's heartbeats; `begins_at` is midnight in Tokyo. The seconds of the four
    statuses and of closed hours add up to the part of the day for which the terminal was registered."""

    __tablename__ = "fleet_days"
    __table_args__ = ({"postgresql_partition_by": "RANGE (begins_at)"},)

    terminal_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    begins_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), primary_key=True)
    heartbeats: Mapped[int]
    online_seconds: Mapped[int]
    offline_seconds: Mapped[int]
    error_seconds: Mapped[int]
    maintenance_seconds: Mapped[int]
    # Offline outside the learned opening hours.
    closed_seconds: Mapped[int] = mapped_column(server_default="0")
    cpu_average: Mapped[int | None] = mapped_column(SmallInteger)
    cpu_highest: Mapped[int | None] = mapped_column(SmallInteger)
    memory_average: Mapped[int | None] = mapped_column(SmallInteger)
    memory_highest: Mapped[int | None] = mapped_column(SmallInteger)
    disk_highest: Mapped[int | None] = mapped_column(SmallInteger)
    first_heartbeat_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    last_heartbeat_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    firmware_version: Mapped[str | None] = mapped_column(String(20))
    # Bit n: online during the whole hour from n o'clock, Tokyo time. Null: summed up before hours were recorded.
    heard_hours: Mapped[int | None]


class Liveness(Base):
    """One row: when the ingest last could have stored a heartbeat. An outage of the service makes no terminal
    offline."""

    __tablename__ = "fleet_liveness"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    alive_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
