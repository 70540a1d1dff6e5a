"""Throttling of attempts (sign-in, links, codes): a sliding window per key, in PostgreSQL for all processes.

An attempt is counted before it is made, in a transaction of its own and with the row locked, so that concurrent
attempts cannot exceed the limit. Refused attempts do not count: a caller who waits is let in again. Keys are hashes,
so the table does not show who tried.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Index, LargeBinary, text
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP
from sqlalchemy.orm import Mapped, Session, mapped_column

from service.core.database.session import Base
from service.core.problems import TooMany


class Throttle(Base):
    __tablename__ = "throttles"
    __table_args__ = (Index("ix_throttles_expires_at", "expires_at"),)

    key: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    hits: Mapped[list[datetime]] = mapped_column(ARRAY(TIMESTAMP(timezone=True)))
    # Of the last attempt: None when it was let through, else until when every attempt is refused.
    refused_until: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    expires_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))


@dataclass(frozen=True)
class Limit:
    """At most `most` attempts within any window. `name` separates the keys of different limits. A limit that `locks`
    counts attempts as long as each comes within a window after the one before, and then refuses for a whole window."""

    name: str
    most: int
    window: timedelta
    locks: bool = False

    def key(self, *parts: str) -> bytes:
        text_key = "\x1f".join((self.name, *(part.replace("\x1f", " ") for part in parts)))
        return hashlib.sha256(text_key.encode("utf-8", "surrogatepass")).digest()


_HIT = text(
    """
    INSERT INTO throttles AS kept (key, hits, expires_at)
    VALUES (:key, ARRAY[clock_timestamp()], clock_timestamp() + :window)
    ON CONFLICT (key) DO UPDATE SET (hits, refused_until, expires_at) = (
        SELECT
            CASE WHEN cardinality(recent) < :most THEN recent || clock_timestamp() ELSE recent END,
            CASE
                WHEN cardinality(recent) < :most THEN NULL
                ELSE :window + recent[
                    CASE WHEN :locks THEN cardinality(recent) ELSE cardinality(recent) - :most + 1 END
                ]
            END,
            clock_timestamp() + :window
        FROM (
            SELECT ARRAY(
                SELECT hit FROM unnest(kept.hits) hit
                WHERE CASE WHEN :locks THEN kept.hits[cardinality(kept.hits)] ELSE hit END
                    > clock_timestamp() - CAST(:window AS interval)
                ORDER BY hit
            ) AS recent
        ) counted
    )
    RETURNING coalesce(extract(epoch FROM refused_until - clock_timestamp()), 0)
    """
)


def attempt(db: Session, limit: Limit, *parts: str) -> float:
    """Counts an attempt under the key of `parts`: 0 when it is let through, else the seconds until the next one is."""
    result = db.execute(
        _HIT, {"key": limit.key(*parts), "most": limit.most, "window": limit.window, "locks": limit.locks}
    )
    return max(0.0, float(result.scalar_one()))


def reset(db: Session, limit: Limit, *parts: str) -> None:
    """Forgets the attempts so far, because the last one succeeded."""
    db.execute(text("DELETE FROM throttles WHERE key = :key"), {"key": limit.key(*parts)})


def undo_attempt(db: Session, limit: Limit, *parts: str) -> None:
    """Takes the last attempt out of the count."""
    db.execute(
        text("UPDATE throttles SET hits = trim_array(hits, 1) WHERE key = :key AND cardinality(hits) > 0"),
        {"key": limit.key(*parts)},
    )


def too_many(failures: str, seconds: float) -> TooMany:
    """The refusal for the user: the kind of failures that came too often, and when to try again."""
    return TooMany(
        f"{failures}が続いたため、一時的に停止しています。あと{minutes(seconds)}分ほど待ってから、もう一度お試しください。",
        seconds,
    )


def minutes(seconds: float) -> int:
    """Remaining whole minutes, rounded up."""
    return max(1, -int(-seconds // 60))
