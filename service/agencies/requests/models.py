"""投入依頼, 地点, 明細画像, 不備・コメント (2.3, 2.5 to 2.7)."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    String,
    Text,
    UniqueConstraint,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from service.agencies.models import request_key
from service.agencies.rules import CommentType
from service.core.database.session import Base, enum_check


def _site_key(table: str) -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["site_id", "request_id"],
        ["agencies_sites.id", "agencies_sites.request_id"],
        ondelete="RESTRICT",
        name=f"fk_{table}_site_id_request_id",
    )


class Image(Base):
    """明細画像: uploaded by sales, linked to a site by an operator."""

    __tablename__ = "agencies_images"
    __table_args__ = (
        request_key("agencies_images"),
        _site_key("agencies_images"),
        UniqueConstraint("id", "request_id"),
        Index("ix_agencies_images_request_id", "request_id", "id"),
        Index("ix_agencies_images_site_id", "site_id", postgresql_where="site_id IS NOT NULL"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    agency_id: Mapped[int] = mapped_column(BigInteger)
    request_id: Mapped[int] = mapped_column(BigInteger)
    site_id: Mapped[int | None] = mapped_column(BigInteger)
    file_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("files.id", ondelete="RESTRICT"), unique=True)
    file_name: Mapped[str] = mapped_column(String(200))
    ocr_result: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    uploaded_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())


class Comment(Base):
    """不備通知 or 一般コメント; without a site it is about the whole request."""

    __tablename__ = "agencies_comments"
    __table_args__ = (
        request_key("agencies_comments"),
        _site_key("agencies_comments"),
        enum_check("type", CommentType),
        CheckConstraint(r"message ~ '\S'", name="message"),
        CheckConstraint("resolved_at IS NULL OR type = 'deficiency'", name="resolved_at"),
        Index("ix_agencies_comments_request_id", "request_id", "id"),
        Index("ix_agencies_comments_site_id", "site_id", postgresql_where="site_id IS NOT NULL"),
        Index(
            "ix_agencies_comments_open",
            "request_id",
            postgresql_where="type = 'deficiency' AND resolved_at IS NULL",
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    agency_id: Mapped[int] = mapped_column(BigInteger)
    request_id: Mapped[int] = mapped_column(BigInteger)
    site_id: Mapped[int | None] = mapped_column(BigInteger)
    author_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"))
    type: Mapped[str] = mapped_column(String(12))
    message: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())
    # Of a deficiency: when it was resolved, or ended with its site or request.
    resolved_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))


class Read(Base):
    """Up to which comment of a request a reader has read."""

    __tablename__ = "agencies_reads"
    __table_args__ = (request_key("agencies_reads"),)

    request_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    user_id: Mapped[int] = mapped_column(
        ForeignKey("users.id", ondelete="RESTRICT"), primary_key=True, autoincrement=False
    )
    agency_id: Mapped[int] = mapped_column(BigInteger)
    comment_id: Mapped[int] = mapped_column(BigInteger)


class Viewer(Base):
    """Who has a request open now; `seen_at` is real time, not the product's clock."""

    __tablename__ = "agencies_viewers"
    __table_args__ = (request_key("agencies_viewers"),)

    request_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    user_id: Mapped[int] = mapped_column(
        ForeignKey("users.id", ondelete="RESTRICT"), primary_key=True, autoincrement=False
    )
    agency_id: Mapped[int] = mapped_column(BigInteger)
    seen_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.now())
