"""What a user has arranged for herself: favourites, folded areas, hidden columns. The dashboards give them meaning."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from sqlalchemy import BigInteger, ForeignKey, String, func, select
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP, insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from service.core.database.clock import app_now
from service.core.database.session import Base
from service.core.problems import Invalid

MAX_BYTES = 8 * 1024
MAX_LEVELS = 10
MAX_PREFERENCES = 200


class Preference(Base):
    """Row-level security shows a user her own (`_see_own`)."""

    __tablename__ = "core_preferences"

    user_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[Any] = mapped_column(JSONB)
    updated_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())


def _is_too_deep(value: object, levels: int = MAX_LEVELS) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels == 0 or any(_is_too_deep(part, levels - 1) for part in inner)


def _check_storable(value: Any) -> Any:
    if _is_too_deep(value):
        raise ValueError(f"設定の値の入れ子は{MAX_LEVELS}段までです。")
    try:
        content = json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except ValueError:  # not a number, or half of a character
        content = b"\\u0000"
    if rb"\u0000" in content:  # PostgreSQL has no NUL
        raise ValueError("設定に保存できない文字または数値が含まれています。")
    if len(content) > MAX_BYTES:
        raise ValueError(f"1つの設定に保存できるのは{MAX_BYTES // 1024}KBまでです。")
    return value


class NewValue(BaseModel):
    model_config = ConfigDict(extra="forbid")

    value: Annotated[Any, Field(), AfterValidator(_check_storable)]


class Preferences(BaseModel):
    items: dict[str, Any]


def read(db: Session, user_id: int) -> Preferences:
    _see_own(db, user_id)
    rows = db.execute(select(Preference.name, Preference.value).where(Preference.user_id == user_id))
    return Preferences(items={row.name: row.value for row in rows})


def put(db: Session, user_id: int, name: str, value: Any) -> None:
    """Not in the audit log: it concerns nobody else.

    Raises:
        Invalid: the user has as many as there may be.
    """
    _see_own(db, user_id)
    others = select(func.count()).where(Preference.user_id == user_id, Preference.name != name)
    if db.scalars(others).one() >= MAX_PREFERENCES:
        raise Invalid(f"保存できる設定は{MAX_PREFERENCES}件までです。")
    statement = insert(Preference).values(user_id=user_id, name=name, value=value)
    db.execute(
        statement.on_conflict_do_update(
            index_elements=[Preference.user_id, Preference.name],
            set_={"value": statement.excluded.value, "updated_at": app_now(db)},
        )
    )


def _see_own(db: Session, user_id: int) -> None:
    db.execute(select(func.set_config("genba.person", str(user_id), True)))
