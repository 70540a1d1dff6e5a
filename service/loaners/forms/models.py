"""Form definitions."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Identity, Index, String
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from service.core.database.session import Base, VersionColumns, enum_check
from service.loaners.rules import Kind


class Form(VersionColumns, Base):
    """One version of a kind's form: `forms.rules.Question`s as JSON. A published form never changes. The newest
    published one that is not for imports only is the current form."""

    __tablename__ = "loaners_forms"
    __table_args__ = (
        enum_check("kind", Kind),
        Index("uq_loaners_forms_kind_number", "kind", "number", unique=True),
        # One draft at a time.
        Index("uq_loaners_forms_draft", "kind", unique=True, postgresql_where="published_at IS NULL"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    kind: Mapped[str] = mapped_column(String(10))
    # 版.
    number: Mapped[int]
    questions: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    note: Mapped[str] = mapped_column(String(200), server_default="")
    import_only: Mapped[bool] = mapped_column(server_default="false")
    published_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    published_by: Mapped[str | None] = mapped_column(String(100))
    # Versions are not archived: a newer one replaces them.
    archived_at = None
