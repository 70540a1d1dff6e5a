"""Tables of surveys, invitations with their answers, and links."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    SmallInteger,
    String,
    UniqueConstraint,
    func,
)
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from service.core.database.session import Base


class Survey(Base):
    """The survey of a quarter. It is open from `sent_at` until `closes_at`."""

    __tablename__ = "reservations_surveys"
    __table_args__ = (
        UniqueConstraint("year", "quarter"),
        CheckConstraint("quarter BETWEEN 1 AND 4", name="quarter"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    year: Mapped[int] = mapped_column(SmallInteger)
    quarter: Mapped[int] = mapped_column(SmallInteger)
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())
    created_by: Mapped[str] = mapped_column(String(100))
    sent_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    sent_by: Mapped[str | None] = mapped_column(String(100))
    closes_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    reminded_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    reminded: Mapped[int] = mapped_column(server_default="0")
    closed_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    version: Mapped[int] = mapped_column(server_default="1")


class Invitation(Base):
    """An invited customer and the answer. `address` is deleted when the survey closes: the answer is then anonymous."""

    __tablename__ = "reservations_survey_invitations"
    __table_args__ = (
        UniqueConstraint("survey_id", "address"),
        CheckConstraint("channel IN ('mail', 'sms')", name="channel"),
        CheckConstraint("stars BETWEEN 1 AND 5", name="stars"),
        CheckConstraint("(stars IS NULL) = (answered_at IS NULL)", name="answered_at"),
        Index("ix_reservations_survey_invitations_answered_at", "answered_at", "id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    survey_id: Mapped[int] = mapped_column(ForeignKey("reservations_surveys.id", ondelete="RESTRICT"))
    channel: Mapped[str] = mapped_column(String(10))
    address: Mapped[str | None] = mapped_column(String(254))
    stars: Mapped[int | None] = mapped_column(SmallInteger)
    comment: Mapped[str] = mapped_column(String(1000), server_default="")
    answered_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))


class SurveyLink(Base):
    """A link to the page of an invitation: the hash of its token. A reminder has its own link."""

    __tablename__ = "reservations_survey_links"
    __table_args__ = (Index("ix_reservations_survey_links_invitation_id", "invitation_id"),)

    token_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    invitation_id: Mapped[int] = mapped_column(ForeignKey("reservations_survey_invitations.id", ondelete="RESTRICT"))
