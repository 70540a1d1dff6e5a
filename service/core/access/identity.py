"""Users, their memberships in areas, and their sessions."""

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

from service.core.database.clock import real_now
from service.core.database.session import Base, Scopes, fetch
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
    # Until when a one-time password is valid; None when the password is the user's own.
    one_time_until: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    last_signed_in_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.now())

    memberships: Mapped[list[Membership]] = relationship(
        lazy="selectin", order_by="Membership.area", cascade="all, delete-orphan"
    )


class Membership(Base):
    """A user's role in one area; `tenant_id` is the agency or nursery when the role is bound to one. While that tenant
    is out of use, the membership `is_suspended` and grants nothing. `details` are those that the area declares."""

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
    """A signed-in browser. Only the SHA-256 of the token is stored; `id` names the session in lists."""

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
    """SHA-256 is enough: a token is 256 random bits, which cannot be guessed."""
    return hashlib.sha256(token.encode()).digest()


def new_token() -> str:
    return secrets.token_urlsafe(32)


def hash_password(password: str) -> str:
    return bcrypt.hashpw(_digest(password), bcrypt.gensalt(BCRYPT_COST)).decode()


def _digest(password: str) -> bytes:
    # bcrypt refuses more than 72 bytes; with a digest first, a password may have any length.
    return hashlib.sha256(password.encode()).hexdigest().encode()


# An unknown login id takes as long as a wrong password, so that the time does not show which login ids exist.
_UNKNOWN_USER_HASH = "$2b$12$C6UzMDM.H6dfI/f/IKcEeO7ZBnKxHvGqXXJcBcXy1UFqvzWmvUmBG"


def check_password(password: str, hashed: str | None) -> bool:
    """Slow on purpose; routes call it through `password_hashing`."""
    return bcrypt.checkpw(_digest(password), (hashed or _UNKNOWN_USER_HASH).encode()) and hashed is not None


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
class ActiveSession:
    """A valid session and its user; `memberships` that are not suspended, as (area, role, tenant id)."""

    user_id: int
    login_id: str
    name: str
    must_change_password: bool
    session_id: int
    expires_at: datetime
    memberships: tuple[tuple[str, str, int | None], ...]


# Every request of a user begins with this, so it is one statement and creates no ORM object.
_BY_TOKEN = """
    SELECT u.id, u.login_id, u.name, u.must_change_password, s.id, s.expires_at, s.last_seen_at, ARRAY(
        SELECT m.area || ' ' || m.role || ' ' || coalesce(m.tenant_id::text, '')
        FROM memberships m WHERE m.user_id = u.id AND NOT m.is_suspended ORDER BY m.area
    ) {more}
    FROM sessions s JOIN users u ON u.id = s.user_id
    WHERE s.token_hash = %(token_hash)s AND s.revoked_at IS NULL AND s.expires_at > %(now)s
        AND s.last_seen_at > %(idle_since)s AND u.is_active
"""
_FIND_SESSION = _BY_TOKEN.format(more="")
_FIND_SESSION_AND_SET_SCOPES = _BY_TOKEN.format(
    more=", set_config('genba.areas', %(areas)s, true), set_config('genba.tenants', %(tenants)s, true)"
)
# Of concurrent requests only one writes; the others do not wait for it.
_UPDATE_LAST_SEEN = text(
    """
    UPDATE sessions SET last_seen_at = :now WHERE token_hash = (
        SELECT token_hash FROM sessions WHERE token_hash = :token_hash FOR NO KEY UPDATE SKIP LOCKED
    )
    """
)
LAST_SEEN_INTERVAL = timedelta(minutes=1)


def find_session(db: Session, token: str, cached_scopes: Scopes | None = None) -> ActiveSession | None:
    """The session of a token and its user; None when it is unknown, expired, idle for too long or revoked, or when the
    user is inactive. Updates `last_seen_at` once a minute.

    With `cached_scopes` the transaction sees, from here on, the rows of these scopes. The caller has to compare them
    with the memberships that are returned, and to set the right scopes when they differ.
    """
    hashed, now = hash_token(token), real_now()
    idle_since = now - timedelta(minutes=settings().session_idle_minutes)
    parameters: dict[str, Any] = {"token_hash": hashed, "now": now, "idle_since": idle_since}
    if cached_scopes is None:
        rows = fetch(db, _FIND_SESSION, parameters)
    else:
        scope_settings = cached_scopes.as_settings()
        scope_parameters = {"areas": scope_settings["genba.areas"], "tenants": scope_settings["genba.tenants"]}
        rows = fetch(db, _FIND_SESSION_AND_SET_SCOPES, parameters | scope_parameters)
    if not rows:
        return None
    [row] = rows
    user_id, login_id, name, must_change, session_id, expires_at, last_seen_at, memberships = row[:8]
    if now - last_seen_at > LAST_SEEN_INTERVAL:
        db.execute(_UPDATE_LAST_SEEN, {"token_hash": hashed, "now": now})
    return ActiveSession(
        user_id, login_id, name, must_change, session_id, expires_at, tuple(map(_membership, memberships))
    )


def find_user(db: Session, user_id: int) -> ActiveSession | None:
    """The user as of now, outside any session (id 0): for work that goes on after the user has signed out. None when
    unknown or inactive."""
    user = db.get(User, user_id)
    if user is None or not user.is_active:
        return None
    memberships = tuple((m.area, m.role, m.tenant_id) for m in user.memberships if not m.is_suspended)
    return ActiveSession(user.id, user.login_id, user.name, user.must_change_password, 0, real_now(), memberships)


def _membership(text_form: str) -> tuple[str, str, int | None]:
    area, role, tenant = text_form.split(" ")
    return area, role, int(tenant) if tenant else None


def close_session(db: Session, token: str) -> int | None:
    """Revokes the session; returns its user's id, None when there was no open session."""
    user_id: int | None = db.scalar(
        update(UserSession)
        .where(UserSession.token_hash == hash_token(token), UserSession.revoked_at.is_(None))
        .values(revoked_at=real_now())
        .returning(UserSession.user_id)
    )
    return user_id


def close_sessions(db: Session, user_id: int, *, but: int | None = None, only: int | None = None) -> int:
    """Revokes a user's sessions, all `but` one or `only` one; returns how many were open."""
    statement = (
        update(UserSession)
        .where(UserSession.user_id == user_id, UserSession.revoked_at.is_(None), UserSession.expires_at > real_now())
        .values(revoked_at=real_now())
        .returning(UserSession.id)
    )
    if but is not None:
        statement = statement.where(UserSession.id != but)
    if only is not None:
        statement = statement.where(UserSession.id == only)
    return len(db.scalars(statement).all())


def open_sessions(db: Session, user_id: int) -> list[UserSession]:
    """The sessions that are valid now, the last used first."""
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
