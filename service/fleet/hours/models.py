"""What heartbeats have taught of each terminal's opening hours."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ARRAY, BigInteger, CheckConstraint, ForeignKey, SmallInteger, String
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from service.core.db import Base


class LearnedHours(Base):
    """`week`: 0 and 1, one for each hour from Monday 0:00 Tokyo time; null when too little is known. `ahead`: of each
    hour from `learned_until` (a midnight) on, how many hours after it the shop opens next, negative while it is open;
    null when nobody is to wait for it."""

    __tablename__ = "fleet_hours"
    __table_args__ = (
        CheckConstraint("week ~ '^[01]{168}$'", name="week"),
        CheckConstraint("ahead IS NULL OR (cardinality(ahead) = 192 AND week IS NOT NULL)", name="ahead"),
    )

    terminal_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("fleet_terminals.id", ondelete="RESTRICT"), primary_key=True, autoincrement=False
    )
    # The days before this moment have taught it.
    learned_until: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    # Days known of since the terminal was first heard of.
    days: Mapped[int] = mapped_column(SmallInteger)
    week: Mapped[str | None] = mapped_column(String(168))
    ahead: Mapped[list[int] | None] = mapped_column(ARRAY(SmallInteger))
