"""Agencies. Every record of an agency has its id, also in the foreign keys between records: a record cannot refer to
another agency's record."""

from __future__ import annotations

import uuid
from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Numeric,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP, UUID
from sqlalchemy.orm import Mapped, mapped_column

from service.agencies.rules import Service, Status
from service.core.database.session import Base, RecordColumns, VersionColumns, enum_check


class Agency(RecordColumns, Base):
    """`archived_at` is is_active of the specification: null is 有効."""

    __tablename__ = "agencies_agencies"
    __table_args__ = (
        CheckConstraint(r"name ~ '\S'", name="name"),
        CheckConstraint("code ~ '^[A-Za-z0-9_-]+$'", name="code"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    code: Mapped[str] = mapped_column(String(30), unique=True)
    referral_shop_code: Mapped[str] = mapped_column(String(30), server_default="")
    referral_shop_name: Mapped[str] = mapped_column(String(100), server_default="")
    contact_name: Mapped[str] = mapped_column(String(100), server_default="")
    phone: Mapped[str] = mapped_column(String(20), server_default="")
    mail_address: Mapped[str] = mapped_column(String(254), server_default="")


def corporation_key(table: str) -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["corporation_id", "agency_id"],
        ["agencies_corporations.id", "agencies_corporations.agency_id"],
        ondelete="RESTRICT",
        name=f"fk_{table}_corporation_id_agency_id",
    )


def request_key(table: str) -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["request_id", "agency_id"],
        ["agencies_requests.id", "agencies_requests.agency_id"],
        ondelete="RESTRICT",
        name=f"fk_{table}_request_id_agency_id",
    )


class Request(VersionColumns, Base):
    """`status` and `is_open` are derived from its sites and deficiencies (`actions.update_status`)."""

    __tablename__ = "agencies_requests"
    __table_args__ = (
        corporation_key("agencies_requests"),
        UniqueConstraint("id", "corporation_id", "agency_id"),
        UniqueConstraint("id", "agency_id"),
        UniqueConstraint("requested_by", "client_id"),
        enum_check("status", Status),
        CheckConstraint("site_count BETWEEN 0 AND 999", name="site_count"),
        CheckConstraint("(claimed_by IS NULL) = (claimed_at IS NULL)", name="claimed"),
        Index("ix_agencies_requests_created_at", "created_at", "id"),
        Index("ix_agencies_requests_agency_id", "agency_id", "created_at", "id", postgresql_include=["status"]),
        Index("ix_agencies_requests_requested_by", "requested_by", "created_at", "id"),
        Index("ix_agencies_requests_corporation_id", "corporation_id"),
        Index("ix_agencies_requests_open", "created_at", "id", postgresql_where="is_open"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    agency_id: Mapped[int] = mapped_column(BigInteger)
    corporation_id: Mapped[int] = mapped_column(BigInteger)
    requested_by: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"))
    status: Mapped[str] = mapped_column(String(10), server_default=Status.WORKING.value)
    # Whether work remains: sites to enter or deficiencies to answer. False for a mixture of 投入済 and キャンセル
    # (残りなし).
    is_open: Mapped[bool] = mapped_column(server_default="true")
    remarks: Mapped[str] = mapped_column(Text, server_default="")
    # As declared by sales; the actual number is counted from the sites.
    site_count: Mapped[int] = mapped_column(server_default="0")
    claimed_by: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"))
    claimed_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    cancelled_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    # The idempotency key: a request that is sent again gets the first one as its answer.
    client_id: Mapped[uuid.UUID | None] = mapped_column(UUID)
    # Never archived: a request ends by its status.
    archived_at = None


class Site(VersionColumns, Base):
    """Names as in table 2.5; `power_area` is 電力供給エリア of 3.2."""

    __tablename__ = "agencies_sites"
    __table_args__ = (
        ForeignKeyConstraint(
            ["request_id", "corporation_id", "agency_id"],
            ["agencies_requests.id", "agencies_requests.corporation_id", "agencies_requests.agency_id"],
            ondelete="RESTRICT",
            name="fk_agencies_sites_request_id_corporation_id_agency_id",
        ),
        UniqueConstraint("id", "request_id"),
        enum_check("status", Status),
        enum_check("service_type", Service),
        CheckConstraint("latest_charges >= 0", name="latest_charges"),
        CheckConstraint("latest_power_usage >= 0", name="latest_power_usage"),
        CheckConstraint("latest_date ~ '^([0-9]{4}-(0[1-9]|1[0-2]))?$'", name="latest_date"),
        CheckConstraint("jsonb_typeof(option_plans) = 'array'", name="option_plans"),
        CheckConstraint("(status = 'entered') = (entered_at IS NOT NULL)", name="entered_at"),
        Index("ix_agencies_sites_request_id", "request_id", "id"),
        Index("ix_agencies_sites_corporation_id", "corporation_id", "entered_at", postgresql_include=["agency_id"]),
        Index("ix_agencies_sites_agency_id", "agency_id", "entered_at"),
        Index(
            "ix_agencies_sites_entered_at",
            "entered_at",
            "corporation_id",
            postgresql_include=["agency_id", "request_id", "power_branch_name"],
            postgresql_where="entered_at IS NOT NULL",
        ),
        Index(
            "ix_agencies_sites_location",
            "power_customer_location_number",
            postgresql_where="power_customer_location_number <> ''",
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    agency_id: Mapped[int] = mapped_column(BigInteger)
    corporation_id: Mapped[int] = mapped_column(BigInteger)
    request_id: Mapped[int] = mapped_column(BigInteger)
    status: Mapped[str] = mapped_column(String(10), server_default=Status.WORKING.value)
    pps_business_number: Mapped[str] = mapped_column(String(20), server_default="")
    service_type: Mapped[str] = mapped_column(String(12), server_default=Service.ELECTRICITY.value)
    application_type: Mapped[str] = mapped_column(String(20), server_default="")
    power_area: Mapped[str] = mapped_column(String(20), server_default="")
    power_supplier_type: Mapped[str] = mapped_column(String(20), server_default="")
    power_customer_number: Mapped[str] = mapped_column(String(40), server_default="")
    power_customer_location_number: Mapped[str] = mapped_column(String(22), server_default="")
    power_zip_code: Mapped[str] = mapped_column(String(7), server_default="")
    power_prefecture: Mapped[str] = mapped_column(String(10), server_default="")
    power_city: Mapped[str] = mapped_column(String(100), server_default="")
    power_town: Mapped[str] = mapped_column(String(100), server_default="")
    power_street: Mapped[str] = mapped_column(String(200), server_default="")
    power_building: Mapped[str] = mapped_column(String(200), server_default="")
    power_room_number: Mapped[str] = mapped_column(String(20), server_default="")
    power_building_type: Mapped[str] = mapped_column(String(20), server_default="")
    power_branch_name: Mapped[str] = mapped_column(String(100), server_default="")
    power_customer_name: Mapped[str] = mapped_column(String(200), server_default="")
    power_customer_name_kana: Mapped[str] = mapped_column(String(200), server_default="")
    # Yen, and kWh or m³.
    latest_charges: Mapped[int | None]
    latest_power_usage: Mapped[Decimal | None] = mapped_column(Numeric(12, 2))
    # A month, as 2026-11.
    latest_date: Mapped[str] = mapped_column(String(7), server_default="")
    power_plan_name: Mapped[str] = mapped_column(String(100), server_default="")
    contract_capacity: Mapped[str] = mapped_column(String(20), server_default="")
    power_amounts_form: Mapped[str] = mapped_column(String(20), server_default="")
    moving_in_date: Mapped[date | None]
    # Codes of options.
    option_plans: Mapped[list[str]] = mapped_column(JSONB, server_default="[]")
    note: Mapped[str] = mapped_column(Text, server_default="")
    contract_corporation_type: Mapped[str] = mapped_column(String(20), server_default="")
    saisan_gas_yoto: Mapped[str] = mapped_column(String(20), server_default="")
    ecolog_gas_yoto: Mapped[str] = mapped_column(String(20), server_default="")
    # 投入完了日.
    entered_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    archived_at = None
