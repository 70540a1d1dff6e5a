"""Personal links to parents' cards."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKeyConstraint, Identity, Index, LargeBinary, String, func
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from service.core.database.session import Base


class Card(Base):
    """A link opens one parent's card until it is revoked; a new link replaces the old one. Only the SHA-256 of the
    token is stored. The token can be derived again from the SECRET_KEY, `parent_id` and `issued_at`."""

    __tablename__ = "entries_cards"
    __table_args__ = (
        ForeignKeyConstraint(
            ["parent_id", "nursery_id"], ["entries_parents.id", "entries_parents.nursery_id"], ondelete="RESTRICT"
        ),
        Index("uq_entries_cards_parent_id", "parent_id", unique=True, postgresql_where="revoked_at IS NULL"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    parent_id: Mapped[int] = mapped_column(BigInteger)
    nursery_id: Mapped[int] = mapped_column(BigInteger)
    issued_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())
    issued_by: Mapped[str] = mapped_column(String(100))
    last_opened_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    revoked_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
