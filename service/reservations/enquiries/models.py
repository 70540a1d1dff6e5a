"""Tables of enquiries and their history."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, String, text
from sqlalchemy.dialects.postgresql import TIMESTAMP, UUID
from sqlalchemy.orm import Mapped, mapped_column

from service.core.database.session import Base, enum_check
from service.reservations.enquiries.rules import Category, Channel, Faq, Party, Status, Way
from service.reservations.history import EventColumns
from service.reservations.incidents.rules import Level

_UNRESOLVED = text("resolved_at IS NULL")


class Enquiry(Base):
    """An enquiry. Its targets are fixed when it is received; `…_minutes` are the working minutes it took.

    `reservation_given` and `shop_given` are the codes as the sender wrote them; `reservation_id` and `shop_id` the rows
    that match. `resolution_…` is empty for a level without a resolution target."""

    __tablename__ = "reservations_enquiries"
    __table_args__ = (
        enum_check("party", Party),
        enum_check("channel", Channel),
        enum_check("category", Category),
        enum_check("level", Level),
        enum_check("status", Status),
        enum_check("way", Way),
        enum_check("faq", Faq),
        CheckConstraint("(resolved_at IS NULL) = (status <> 'resolved')", name="resolved_at"),
        CheckConstraint(r"phone = '' OR phone ~ '^\+[0-9]{8,15}$'", name="phone"),
        Index("ix_reservations_enquiries_received_at", "received_at", "id"),
        Index("ix_reservations_enquiries_resolved_at", "resolved_at", "id"),
        Index("ix_reservations_enquiries_open", "first_due_at", "id", postgresql_where=_UNRESOLVED),
        Index("ix_reservations_enquiries_reservation_id", "reservation_id", "id"),
        Index("ix_reservations_enquiries_shop_id", "shop_id", "id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    party: Mapped[str] = mapped_column(String(10))
    channel: Mapped[str] = mapped_column(String(10))
    is_from_form: Mapped[bool] = mapped_column(server_default="false")
    sender_name: Mapped[str] = mapped_column(String(100))
    phone: Mapped[str] = mapped_column(String(16), server_default="")
    mail: Mapped[str] = mapped_column(String(254), server_default="")
    topic: Mapped[str] = mapped_column(String(200))
    content: Mapped[str] = mapped_column(String(4000))
    category: Mapped[str] = mapped_column(String(20))
    level: Mapped[str] = mapped_column(String(10), server_default="low")
    reservation_given: Mapped[str] = mapped_column(String(30), server_default="")
    reservation_id: Mapped[int | None] = mapped_column(ForeignKey("reservations_reservations.id", ondelete="RESTRICT"))
    shop_given: Mapped[str] = mapped_column(String(30), server_default="")
    shop_id: Mapped[int | None] = mapped_column(ForeignKey("reservations_shops.id", ondelete="RESTRICT"))
    status: Mapped[str] = mapped_column(String(10), server_default="received")
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"))
    received_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    received_by: Mapped[str] = mapped_column(String(100))
    first_due_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    # When to warn that it will be late, when the warning was sent, and when it was reported as late.
    first_warn_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    first_warned_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    first_breached_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    first_response_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    first_response_by: Mapped[str | None] = mapped_column(String(100))
    first_minutes: Mapped[int | None]
    resolution_due_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    resolution_warn_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    resolution_warned_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    resolution_breached_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    resolved_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    resolved_by: Mapped[str | None] = mapped_column(String(100))
    resolution_minutes: Mapped[int | None]
    way: Mapped[str | None] = mapped_column(String(10))
    outcome: Mapped[str] = mapped_column(String(2000), server_default="")
    faq: Mapped[str] = mapped_column(String(10), server_default="none")
    operation_id: Mapped[int | None] = mapped_column(ForeignKey("reservations_operations.id", ondelete="RESTRICT"))
    version: Mapped[int] = mapped_column(server_default="1")


class EnquiryEvent(EventColumns, Base):
    """History of an enquiry. `message_key`: the outbox message of a mail. Append-only."""

    __tablename__ = "reservations_enquiry_events"
    __table_args__ = (Index("ix_reservations_enquiry_events_enquiry_id", "enquiry_id", "id"),)

    enquiry_id: Mapped[int] = mapped_column(ForeignKey("reservations_enquiries.id", ondelete="CASCADE"))
    text: Mapped[str | None] = mapped_column(String(8000))
    message_key: Mapped[uuid.UUID | None] = mapped_column(UUID)
