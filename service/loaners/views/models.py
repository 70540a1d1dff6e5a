"""データタイプマスタ (2.3)."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Identity, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from service.core.database.session import Base, RecordColumns


class View(RecordColumns, Base):
    """`archived_at` is the document's inactive. `filter`, `source` and `columns` are the document's JSON. They are
    stored as text so that an administrator finds the formatting unchanged."""

    __tablename__ = "loaners_views"
    __table_args__ = (
        CheckConstraint("key ~ '^[A-Z][A-Z_]{0,29}$'", name="key"),
        CheckConstraint("position > 0", name="position"),
        CheckConstraint("filter IS JSON OBJECT", name="filter"),
        CheckConstraint("source IS JSON OBJECT", name="source"),
        CheckConstraint("columns IS JSON OBJECT", name="columns"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    # データタイプID.
    key: Mapped[str] = mapped_column(String(30), unique=True)
    name: Mapped[str] = mapped_column(String(50))
    description: Mapped[str] = mapped_column(String(200), server_default="")
    # 表示順序.
    position: Mapped[int] = mapped_column(unique=True)
    filter: Mapped[str | None] = mapped_column(Text)
    source: Mapped[str] = mapped_column(Text)
    columns: Mapped[str] = mapped_column(Text)
