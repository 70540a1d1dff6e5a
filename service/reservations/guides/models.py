"""Tables of printed guides, and of the manuals that were mailed to shops."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, String, func
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP, UUID
from sqlalchemy.orm import Mapped, mapped_column

from service.core.database.session import Base


class GuideFile(Base):
    """The PDF of a guide. `digest` is of its contents: all shops get the same file until the contents change."""

    __tablename__ = "reservations_guide_files"
    __table_args__ = (CheckConstraint("digest ~ '^[0-9a-f]{64}$'", name="digest"),)

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    file_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("files.id", ondelete="RESTRICT"))
    made_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())


class ShopManual(Base):
    """A mail with the guides to a shop: the address, the files, and the outbox message."""

    __tablename__ = "reservations_shop_manuals"
    __table_args__ = (Index("ix_reservations_shop_manuals_shop_id", "shop_id", "id"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    shop_id: Mapped[int] = mapped_column(ForeignKey("reservations_shops.id", ondelete="RESTRICT"))
    at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())
    address: Mapped[str] = mapped_column(String(254))
    message_key: Mapped[uuid.UUID] = mapped_column(UUID)
    files: Mapped[list[uuid.UUID]] = mapped_column(ARRAY(UUID(as_uuid=True)))
