"""People, their memberships in areas, and their sessions."""

from __future__ import annotations

import hashlib
import secrets
import threading
from datetime import datetime, timedelta

import bcrypt
from sqlalchemy import BigInteger, ForeignKey, Identity, LargeBinary, String, UniqueConstraint, func, select, update
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from service.core.clock import real_now
from service.core.db import Base

BCRYPT_COST = 12


class User(Base):
    __tablename__ = "users"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    login_id: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(String(100))
    password_hash: Mapped[str] = mapped_column(String(72))
    is_active: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.now())

    memberships: Mapped[list[Membership]] = relationship(lazy="selectin", order_by="Membership.area")


class Membership(Base):
    """A person's role in one area; `tenant_id` is the agency or nursery when the role is bound to one."""

    __tablename__ = "memberships"
    __table_args__ = (UniqueConstraint("user_id", "area"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"))
    area: Mapped[str] = mapped_column(String(32))
    role: Mapped[str] = mapped_column(String(32))
    tenant_id: Mapped[int | None] = mapped_column(BigInteger)


class UserSession(Base):
    """A signed-in browser. The token itself is never stored, only its SHA-256."""

    __tablename__ = "sessions"

    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"), index=True)
    address: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.now())
    expires_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    revoked_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))


def hash_token(token: str) -> bytes:
    """SHA-256 is enough: a token is 256 random bits, there is nothing to guess."""
    return hashlib.sha256(token.encode()).digest()


def new_token() -> str:
    return secrets.token_urlsafe(32)


def hash_password(password: str) -> str:
    return bcrypt.hashpw(_digest(password), bcrypt.gensalt(BCRYPT_COST)).decode()


def _digest(password: str) -> bytes:
    # bcrypt reads 72 bytes and refuses more; a digest first lets a password be as long as its owner likes.
    return hashlib.sha256(password.encode()).hexdigest().encode()


# An unknown login id costs the same time as a wrong password, so that time does not tell who exists.
_NOBODY = "$2b$12$C6UzMDM.H6dfI/f/IKcEeO7ZBnKxHvGqXXJcBcXy1UFqvzWmvUmBG"
# A check takes a quarter of a second of a core by design: a rush of sign-ins must leave a core for everybody else.
_checking = threading.BoundedSemaphore(1)


def is_right(password: str, hashed: str | None) -> bool:
    """Slow on purpose; call it outside any transaction, or it holds a connection of the pool meanwhile."""
    with _checking:
        return bcrypt.checkpw(_digest(password), (hashed or _NOBODY).encode()) and hashed is not None


def find_by_login_id(db: Session, login_id: str) -> User | None:
    return db.scalars(select(User).where(User.login_id == login_id)).one_or_none()


def open_session(db: Session, user: User, address: str, lifetime: timedelta) -> tuple[str, datetime]:
    token, expires_at = new_token(), real_now() + lifetime
    db.add(UserSession(token_hash=hash_token(token), user_id=user.id, address=address, expires_at=expires_at))
    return token, expires_at


def find_session(db: Session, token: str) -> tuple[User, datetime] | None:
    """The signed-in person and when the session ends; None when unknown, expired, revoked or the person is inactive."""
    row = db.execute(
        select(User, UserSession.expires_at)
        .join(UserSession, UserSession.user_id == User.id)
        .where(
            UserSession.token_hash == hash_token(token),
            UserSession.revoked_at.is_(None),
            UserSession.expires_at > real_now(),
            User.is_active,
        )
    ).one_or_none()
    return (row[0], row[1]) if row else None


def close_session(db: Session, token: str) -> None:
    db.execute(
        update(UserSession)
        .where(UserSession.token_hash == hash_token(token), UserSession.revoked_at.is_(None))
        .values(revoked_at=real_now())
    )
