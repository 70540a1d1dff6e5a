"""A corporation's card. The application can write and clear sealed values; only the database function
`agencies_sealed_card` reads them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Computed,
    Index,
    LargeBinary,
    String,
    func,
)
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from service.agencies.models import corporation_key
from service.core.database.session import Base


class Card(Base):
    __tablename__ = "agencies_cards"
    __table_args__ = (
        corporation_key("agencies_cards"),
        CheckConstraint("last4 ~ '^[0-9]{4}$'", name="last4"),
        CheckConstraint("(number IS NOT NULL) = (number_key <> '')", name="number"),
        CheckConstraint(
            "(code IS NOT NULL) = (code_key <> '') AND (code IS NULL OR code_stored_at IS NOT NULL)", name="code"
        ),
        Index("ix_agencies_cards_purge_at", "purge_at", postgresql_where="has_number"),
        Index("ix_agencies_cards_code_stored_at", "code_stored_at", postgresql_where="has_code"),
    )

    corporation_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    agency_id: Mapped[int] = mapped_column(BigInteger)
    # Deferred and never loaded: the application's database role may not select them.
    number: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True, deferred_raiseload=True)
    number_key: Mapped[str] = mapped_column(String(32), server_default="")
    code: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True, deferred_raiseload=True)
    code_key: Mapped[str] = mapped_column(String(32), server_default="")
    has_number: Mapped[bool] = mapped_column(Computed("number IS NOT NULL", persisted=True))
    has_code: Mapped[bool] = mapped_column(Computed("code IS NOT NULL", persisted=True))
    last4: Mapped[str] = mapped_column(String(4))
    brand: Mapped[str] = mapped_column(String(20), server_default="")
    expire_month: Mapped[str] = mapped_column(String(2), server_default="")
    expire_year: Mapped[str] = mapped_column(String(4), server_default="")
    holder: Mapped[str] = mapped_column(String(100), server_default="")
    stored_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())
    code_stored_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    # When the number has to be deleted; None while a request of the corporation is open.
    purge_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
