"""Masters of sections 8 and 9, and where each column goes in the carrier's screen."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Identity, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from service.core.database.session import Base, RecordColumns


class Choice(RecordColumns, Base):
    """One value of a list (`rules.ChoiceList`). Its code is never changed, because records refer to it."""

    __tablename__ = "agencies_choices"
    __table_args__ = (
        UniqueConstraint("list", "code"),
        CheckConstraint(r"name ~ '\S'", name="name"),
        CheckConstraint("code ~ '^[A-Za-z0-9_-]+$'", name="code"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    list: Mapped[str] = mapped_column(String(40))
    code: Mapped[str] = mapped_column(String(20))
    name: Mapped[str] = mapped_column(String(100))
    # The specification names the list but none of its values.
    is_example: Mapped[bool] = mapped_column(server_default="false")
    position: Mapped[int]


class Option(RecordColumns, Base):
    """オプションサービス (8)."""

    __tablename__ = "agencies_options"
    __table_args__ = (
        CheckConstraint(r"name ~ '\S'", name="name"),
        CheckConstraint("code ~ '^[A-Za-z0-9_-]+$'", name="code"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    code: Mapped[str] = mapped_column(String(20), unique=True)
    name: Mapped[str] = mapped_column(String(100))
    price: Mapped[str] = mapped_column(String(50), server_default="")
    is_support_pack: Mapped[bool] = mapped_column(server_default="false")
    position: Mapped[int]


class CarrierField(RecordColumns, Base):
    """元フィールド: a field of the carrier's screen, and which part of which column goes there."""

    __tablename__ = "agencies_carrier_fields"
    __table_args__ = (
        UniqueConstraint("record", "field", "part"),
        CheckConstraint("record IN ('agency', 'user', 'corporation', 'site')", name="record"),
        CheckConstraint("part IN ('whole', 'first', 'second', 'third', 'year', 'month', 'day')", name="part"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    record: Mapped[str] = mapped_column(String(20))
    field: Mapped[str] = mapped_column(String(60))
    part: Mapped[str] = mapped_column(String(20), server_default="whole")
    page: Mapped[str] = mapped_column(String(10))
    carrier_field: Mapped[str] = mapped_column(String(60))
    position: Mapped[int]
