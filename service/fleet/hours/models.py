"""The opening hours learned from each terminal's heartbeats."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ARRAY, BigInteger, CheckConstraint, ForeignKey, SmallInteger, String
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from service.core.database.session import Base


class LearnedHours(Base):
    """`week`: a 0 or 1 for each hour from Monday 0:00 Tokyo time; null when too few days are known. `ahead`: for each
    hour from `learned_until` (a midnight) on, how many hours after it the store opens next, negative while it is open;
    null when alerts do not wait for it."""

    __tablename__ = "fleet_hours"
    __table_args__ = (
        CheckConstraint("week ~ '^[01]{168}$'", name="week"),
        CheckConstraint("ahead IS NULL OR (cardinality(ahead) = 192 AND week IS NOT NULL)", name="ahead"),
    )

    terminal_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("fleet_terminals.id", ondelete="RESTRICT"), primary_key=True, autoincrement=False
    )
    # Learned from the days before this time.
    learned_until: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    # Known days since the terminal's first heartbeat.
    days: Mapped[int] = mapped_column(SmallInteger)
    week: Mapped[str | None] = mapped_column(String(168))
    ahead: Mapped[list[int] | None] = mapped_column(ARRAY(SmallInteger))
