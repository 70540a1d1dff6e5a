"""People, their memberships in areas, and their sessions."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import bcrypt
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    String,
    UniqueConstraint,
    func,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from service.core.clock import real_now
from service.core.db import Base, Scopes, fetch
from service.core.settings import settings

BCRYPT_COST = 12


class User(Base):
    __tablename__ = "users"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    login_id: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(String(100))
    password_hash: Mapped[str] = mapped_column(String(72))
    mail: Mapped[str | None] = mapped_column(String(254))
    is_active: Mapped[bool] = mapped_column(default=True)
    must_change_password: Mapped[bool] = mapped_column(default=False)
    # Until when a one-time password opens the door; None when it is the person's own.
    one_time_until: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    last_signed_in_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.now())

    memberships: Mapped[list[Membership]] = relationship(
        lazy="selectin", order_by="Membership.area", cascade="all, delete-orphan"
    )


class Membership(Base):
    """A person's role in one area; `tenant_id` is the agency or nursery when the role is bound to one. Is that one out
    of use, the membership `is_suspended` and grants nothing. `details` are those that the area declares."""

    __tablename__ = "memberships"
    __table_args__ = (
        UniqueConstraint("user_id", "area"),
        CheckConstraint("jsonb_typeof(details) = 'object'", name="details"),
        Index("ix_memberships_area_tenant_id", "area", "tenant_id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"))
    area: Mapped[str] = mapped_column(String(32))
    role: Mapped[str] = mapped_column(String(32))
    tenant_id: Mapped[int | None] = mapped_column(BigInteger)
    details: Mapped[dict[str, str]] = mapped_column(JSONB, default=dict, server_default=text("'{}'"))
    is_suspended: Mapped[bool] = mapped_column(default=False, server_default=text("false"))


class UserSession(Base):
    """A signed-in browser. The token itself is never stored, only its SHA-256; `id` names the session in lists."""

    __tablename__ = "sessions"

    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    id: Mapped[int] = mapped_column(BigInteger, Identity(), unique=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"), index=True)
    address: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.now())
    last_seen_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.now())
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


def is_right(password: str, hashed: str | None) -> bool:
    """Slow on purpose; doors ask for it by `hashing`."""
    return bcrypt.checkpw(_digest(password), (hashed or _NOBODY).encode()) and hashed is not None


def find_by_login_id(db: Session, login_id: str) -> User | None:
    return db.scalars(select(User).where(User.login_id == login_id)).one_or_none()


def open_session(db: Session, user: User, address: str, lifetime: timedelta) -> tuple[str, datetime]:
    token, now = new_token(), real_now()
    expires_at = now + lifetime
    db.add(
        UserSession(
            token_hash=hash_token(token), user_id=user.id, address=address, last_seen_at=now, expires_at=expires_at
        )
    )
    return token, expires_at


@dataclass(frozen=True)
class Found:
    """A session that holds, and the person behind it; memberships that grant something as (area, role,
    tenant id)."""

    user_id: int
    login_id: str
    name: str
    must_change_password: bool
    session_id: int
    expires_at: datetime
    memberships: tuple[tuple[str, str, int | None], ...]


# Every request of a person begins with this, so it is one statement, and no object of the ORM is made for it.
_BY_TOKEN = """
    SELECT u.id, u.login_id, u.name, u.must_change_password, s.id, s.expires_at, s.last_seen_at, ARRAY(
        SELECT m.area || ' ' || m.role || ' ' || coalesce(m.tenant_id::text, '')
        FROM memberships m WHERE m.user_id = u.id AND NOT m.is_suspended ORDER BY m.area
    ) {more}
    FROM sessions s JOIN users u ON u.id = s.user_id
    WHERE s.token_hash = %(token_hash)s AND s.revoked_at IS NULL AND s.expires_at > %(now)s
        AND s.last_seen_at > %(idle_since)s AND u.is_active
"""
_FIND = _BY_TOKEN.format(more="")
_FIND_AND_SET = _BY_TOKEN.format(
    more=", set_config('genba.areas', %(areas)s, true), set_config('genba.tenants', %(tenants)s, true)"
)
# Of requests at once only one writes; the others do not wait for it.
_SEEN = text(
    """
    UPDATE sessions SET last_seen_at = :now WHERE token_hash = (
        SELECT token_hash FROM sessions WHERE token_hash = :token_hash FOR NO KEY UPDATE SKIP LOCKED
    )
    """
)
SEEN_EVERY = timedelta(minutes=1)


def find_session(db: Session, token: str, guess: Scopes | None = None) -> Found | None:
    """The session of a token and its person; None when unknown, expired, idle for too long or revoked, or when the
    person is inactive. Notes, once a minute, that it is in use.

    With a `guess` the transaction sees, from here on, what was guessed that the person may see. Whoever guesses has to
    compare it with what the answer says, and to set it right.
    """
    hashed, now = hash_token(token), real_now()
    idle_since = now - timedelta(minutes=settings().session_idle_minutes)
    asked: dict[str, Any] = {"token_hash": hashed, "now": now, "idle_since": idle_since}
    if guess is None:
        rows = fetch(db, _FIND, asked)
    else:
        named = guess.as_settings()
        seen = {"areas": named["genba.areas"], "tenants": named["genba.tenants"]}
        rows = fetch(db, _FIND_AND_SET, asked | seen)
    if not rows:
        return None
    [row] = rows
    user_id, login_id, name, must_change, session_id, expires_at, last_seen_at, held = row[:8]
    if now - last_seen_at > SEEN_EVERY:
        db.execute(_SEEN, {"token_hash": hashed, "now": now})
    return Found(user_id, login_id, name, must_change, session_id, expires_at, tuple(map(_membership, held)))


def find_person(db: Session, user_id: int) -> Found | None:
    """The person as they are now, outside any session (id 0): for work that goes on after they left. None when unknown
    or inactive."""
    user = db.get(User, user_id)
    if user is None or not user.is_active:
        return None
    held = tuple((m.area, m.role, m.tenant_id) for m in user.memberships if not m.is_suspended)
    return Found(user.id, user.login_id, user.name, user.must_change_password, 0, real_now(), held)


def _membership(written: str) -> tuple[str, str, int | None]:
    area, role, tenant = written.split(" ")
    return area, role, int(tenant) if tenant else None


def close_session(db: Session, token: str) -> int | None:
    """Ends it; whose it was, None when it was none."""
    ended: int | None = db.scalar(
        update(UserSession)
        .where(UserSession.token_hash == hash_token(token), UserSession.revoked_at.is_(None))
        .values(revoked_at=real_now())
        .returning(UserSession.user_id)
    )
    return ended


def close_sessions(db: Session, user_id: int, *, but: int | None = None, only: int | None = None) -> int:
    """Ends a person's sessions, all `but` one or `only` one; how many were open."""
    ended = (
        update(UserSession)
        .where(UserSession.user_id == user_id, UserSession.revoked_at.is_(None), UserSession.expires_at > real_now())
        .values(revoked_at=real_now())
        .returning(UserSession.id)
    )
    if but is not None:
        ended = ended.where(UserSession.id != but)
    if only is not None:
        ended = ended.where(UserSession.id == only)
    return len(db.scalars(ended).all())


def open_sessions(db: Session, user_id: int) -> list[UserSession]:
    """Sessions that would be let in now, the one last used first."""
    now = real_now()
    idle_since = now - timedelta(minutes=settings().session_idle_minutes)
    return list(
        db.scalars(
            select(UserSession)
            .where(
                UserSession.user_id == user_id,
                UserSession.revoked_at.is_(None),
                UserSession.expires_at > now,
                UserSession.last_seen_at > idle_since,
            )
            .order_by(UserSession.last_seen_at.desc(), UserSession.id.desc())
        )
    )
