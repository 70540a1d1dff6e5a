"""The masters: sites, models, custom columns, devices and their aliases."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Computed,
    ForeignKey,
    Identity,
    Index,
    SmallInteger,
    String,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB, TSTZRANGE, Range
from sqlalchemy.orm import Mapped, mapped_column

from service.core.database.session import Base, RecordColumns, enum_check
from service.loaners.rules import Kind


class Site(RecordColumns, Base):
    """拠点. `archived_at` is the document's inactive: the site gets no new devices; its devices stay."""

    __tablename__ = "loaners_sites"
    __table_args__ = (
        CheckConstraint("key ~ '^[a-z0-9]{1,20}$'", name="key"),
        CheckConstraint("code ~ '^[A-Z]{1,20}$'", name="code"),
        CheckConstraint(r"name ~ '\S'", name="name"),
        CheckConstraint(r"jurisdiction ~ '\S'", name="jurisdiction"),
        CheckConstraint(r"group_mail ~ '^[^@\s]+@[^@\s]+\.[^@\s]+$'", name="group_mail"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    # 拠点ID.
    key: Mapped[str] = mapped_column(String(20), unique=True)
    code: Mapped[str] = mapped_column(String(20), unique=True)
    name: Mapped[str] = mapped_column(String(100))
    # 管轄.
    jurisdiction: Mapped[str] = mapped_column(String(50))
    group_mail: Mapped[str] = mapped_column(String(254))
    # ステータス変更通知.
    notifies: Mapped[bool] = mapped_column(server_default="false")


class Model(RecordColumns, Base):
    """機種. A name has no blank and no underscore (2.2.2)."""

    __tablename__ = "loaners_models"
    __table_args__ = (
        CheckConstraint(r"name !~ '[\s_]'", name="name"),
        CheckConstraint(r"maker ~ '\S'", name="maker"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    # 機種ID: MODEL_001.
    code: Mapped[str] = mapped_column(
        String(30), Computed("'MODEL_' || lpad(id::text, greatest(3, length(id::text)), '0')", persisted=True)
    )
    name: Mapped[str] = mapped_column(String(60), unique=True)
    maker: Mapped[str] = mapped_column(String(100))
    category: Mapped[str] = mapped_column(String(10))
    note: Mapped[str] = mapped_column(String(500), server_default="")


class Column(RecordColumns, Base):
    """A custom column of a master, added by an administrator (2.4 to 2.6). The values are in `Device.extra`, by the
    column's id."""

    __tablename__ = "loaners_columns"
    __table_args__ = (
        enum_check("kind", Kind),
        CheckConstraint("value_type IN ('text', 'number', 'date', 'choice')", name="value_type"),
        Index("uq_loaners_columns_kind_title", "kind", "title", unique=True),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    kind: Mapped[str] = mapped_column(String(10))
    title: Mapped[str] = mapped_column(String(50))
    value_type: Mapped[str] = mapped_column(String(10))
    choices: Mapped[list[str]] = mapped_column(JSONB, server_default="[]")
    required: Mapped[bool] = mapped_column(server_default="false")
    position: Mapped[int]


class Device(RecordColumns, Base):
    """A row of the 端末, プリンタ or その他 master. Its history says where it is and who has it. `updated_at` is
    更新日: the last change of the record or of its status, whichever is later."""

    __tablename__ = "loaners_devices"
    __table_args__ = (
        CheckConstraint("number ~ '^[A-Z]{1,20}_[A-Za-z]+_[A-Za-z0-9-]+_[A-Za-z0-9-]{1,20}_[0-9]{3}$'", name="number"),
        CheckConstraint("serial ~ '^[A-Za-z0-9-]{1,20}$'", name="serial"),
        CheckConstraint("kind <> 'terminal' OR asset_number <> ''", name="asset_number"),
        CheckConstraint(
            "(category IN ('Desktop', 'Laptop', 'Server', 'Tablet') AND kind = 'terminal')"
            " OR (category = 'Printer' AND kind = 'printer')"
            " OR (category IN ('Router', 'Hub', 'Other') AND kind = 'other')",
            name="category",
        ),
        Index("ix_loaners_devices_model_id_serial", "model_id", "serial"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    # 拠点管理番号. It never changes.
    number: Mapped[str] = mapped_column(String(100), unique=True)
    kind: Mapped[str] = mapped_column(String(10))
    category: Mapped[str] = mapped_column(String(10))
    model_id: Mapped[int] = mapped_column(ForeignKey("loaners_models.id", ondelete="RESTRICT"))
    serial: Mapped[str] = mapped_column(String(20))
    asset_number: Mapped[str] = mapped_column(String(50), server_default="")
    software: Mapped[str] = mapped_column(String(200), server_default="")
    os: Mapped[str] = mapped_column(String(100), server_default="")
    extra: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default="{}")


class Alias(Base):
    """Another number of a device: the dotted form on an older label, or a number from before an import."""

    __tablename__ = "loaners_aliases"

    alias: Mapped[str] = mapped_column(String(100), primary_key=True)
    device_id: Mapped[int] = mapped_column(ForeignKey("loaners_devices.id", ondelete="CASCADE"), index=True)


class DeviceState(Base):
    """Projection: the state of a device from one event to the next. It can be rebuilt from the events. The row without
    an end is the current state."""

    __tablename__ = "loaners_states"
    __table_args__ = (
        CheckConstraint("deposit IS NULL OR (status = 1 AND held)", name="deposit"),
        Index("uq_loaners_states_now", "device_id", unique=True, postgresql_where="upper_inf(during)"),
        Index("ix_loaners_states_since", "device_id", func.lower("during")),
    )

    device_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("loaners_devices.id", ondelete="RESTRICT"), primary_key=True, autoincrement=False
    )
    during: Mapped[Range[datetime]] = mapped_column(TSTZRANGE, primary_key=True)
    # The event that started the state, and the last form event up to then.
    event_id: Mapped[int] = mapped_column(BigInteger)
    form_event_id: Mapped[int | None] = mapped_column(BigInteger)
    site_id: Mapped[int] = mapped_column(ForeignKey("loaners_sites.id", ondelete="RESTRICT"))
    status: Mapped[int | None] = mapped_column(SmallInteger)
    held: Mapped[bool | None]
    deposit: Mapped[int | None] = mapped_column(SmallInteger)
    is_archived: Mapped[bool] = mapped_column(server_default="false")
