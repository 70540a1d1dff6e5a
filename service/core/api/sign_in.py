"""Sign-in, the signed-in user, sign-out."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import update
from sqlalchemy.orm import Session

from service.core import audit
from service.core.access import identity, password_hashing, throttle
from service.core.access.auth import ADDRESS_NOT_ALLOWED, Actor, BearerToken, actor_of, authenticate, client_address
from service.core.access.throttle import Limit
from service.core.database.clock import app_now, real_now
from service.core.database.session import NO_SCOPES, Db
from service.core.http.addresses import source_of
from service.core.http.problem_responses import refusals
from service.core.problems import Forbidden, Problem, Unauthorized, Unavailable
from service.core.routing.short_transactions import short_transaction
from service.core.settings import settings
from service.core.values.texts import NO_NUL

PATH = "/api/auth/login"
HOUR = timedelta(hours=1)
ONE_TIME_PASSWORD_EXPIRED = (
    "仮のパスワードの有効期限（発行から72時間）が切れています。管理者に再発行を依頼してください。"
)
TENANT_SUSPENDED = "所属先（代理店・園）が無効になっているため、ログインできません。管理者にご相談ください。"
router = APIRouter()


class Credentials(BaseModel):
    model_config = ConfigDict(extra="forbid")

    login_id: Annotated[str, Field(min_length=1, max_length=64, pattern=NO_NUL)]
    password: Annotated[str, Field(min_length=1, max_length=1024)]


class AreaRole(BaseModel):
    area: str
    role: str


class Me(BaseModel):
    """The signed-in user, for the menus. The service checks permissions at every call again. `as_of`: the product's
    time, which pages use."""

    login_id: str
    name: str
    areas: list[AreaRole]
    permissions: list[str]
    session_expires_at: datetime
    must_change_password: bool
    as_of: datetime


class SignedInAnswer(BaseModel):
    token: str
    expires_at: datetime
    user: Me


def _me(db: Session, actor: Actor) -> Me:
    # A user who has to change the password first has no permissions yet.
    permissions = [] if actor.must_change_password else sorted(actor.permissions)
    return Me(
        login_id=actor.login_id,
        name=actor.name,
        areas=[AreaRole(area=area, role=role) for area, role in actor.roles.items()],
        permissions=permissions,
        session_expires_at=actor.session_expires_at,
        must_change_password=actor.must_change_password,
        as_of=app_now(db),
    )


@router.post(PATH, responses=refusals(400, 401, 403, 422, 429, 503), tags=["auth"])
async def sign_in(credentials: Credentials, request: Request) -> SignedInAnswer:
    """Opens a session; the token goes into `Authorization: Bearer …`."""
    # Short transactions: neither a transaction nor a slot is held while the password is checked, and the audit entry of
    # a refused sign-in is committed although the response is a refusal.
    attempt = Attempt(credentials.login_id, client_address(request))
    user, wait = await short_transaction(request, NO_SCOPES, attempt.begin)
    if wait:
        raise throttle.too_many("ログインの失敗", wait)
    try:
        is_correct = await password_hashing.check_password(credentials.password, user.password_hash if user else None)
    except Unavailable:
        await short_transaction(request, NO_SCOPES, attempt.withdraw)
        raise
    outcome = await short_transaction(request, NO_SCOPES, lambda db: attempt.conclude(db, user, is_correct))
    if isinstance(outcome, Problem):
        raise outcome
    return outcome


class Attempt:
    """One attempt to sign in. It is counted before the password is checked, for known and unknown login ids alike.

    Three limits: per source, for all login ids; per login id and source; per login id, for all sources, high enough
    that one source alone does not reach it. The rows are locked in this order everywhere, so that concurrent attempts
    cannot deadlock.
    """

    def __init__(self, login_id: str, address: str) -> None:
        config, source = settings(), source_of(address)
        window = timedelta(minutes=config.sign_in_window_minutes)
        self.login_id = login_id
        self.address = address
        self.source_limit = Limit("sign-in from a source", config.sign_in_attempts_per_source, window), source
        self.user_limit = Limit("sign-in", config.sign_in_attempts, window), login_id, source
        self.login_id_limit = Limit("sign-in of anybody", config.sign_in_attempts_per_login_id, HOUR), login_id

    def begin(self, db: Session) -> tuple[identity.User | None, float]:
        """The user of the login id, and the seconds to wait when the attempt is not allowed now."""
        wait = max(throttle.attempt(db, *self.source_limit), throttle.attempt(db, *self.user_limit))
        # A refused attempt must not count here: otherwise one source could lock the user out everywhere.
        return identity.find_by_login_id(db, self.login_id), wait or throttle.attempt(db, *self.login_id_limit)

    def withdraw(self, db: Session) -> None:
        """Takes the attempt out of the counts, because the password was not checked."""
        for limit in (self.source_limit, self.user_limit, self.login_id_limit):
            throttle.undo_attempt(db, *limit)

    def conclude(self, db: Session, user: identity.User | None, is_correct: bool) -> SignedInAnswer | Problem:
        refusal: Problem = Unauthorized(
            "ログインIDまたはパスワードが違います。入力を確認して、もう一度お試しください。"
        )
        # Reads the user again and locks the row until the session exists, because a concurrent reset or deactivation
        # only ends sessions that exist.
        current_user = db.get(identity.User, user.id, with_for_update=True) if user is not None and is_correct else None
        if (
            user is not None
            and current_user is not None
            and current_user.is_active
            and current_user.password_hash == user.password_hash
        ):
            throttle.undo_attempt(db, *self.source_limit)
            throttle.reset(db, *self.user_limit)
            throttle.undo_attempt(db, *self.login_id_limit)
            outcome = self._open_session_if_allowed(db, current_user)
            if not isinstance(outcome, Problem):
                return outcome
            refusal = outcome
        # An unknown login id may be a password that was typed into the wrong field, and audit entries stay: it is not
        # stored. Such an entry belongs to no area, so no area's administrator sees it.
        actor_name, user_id = (user.login_id, user.id) if user else ("（登録のないログインID）", None)
        audit.record(
            db, actor_name, "login_failed", "core", "user", user_id or "-", address=self.address, user_id=user_id
        )
        return refusal

    def _open_session_if_allowed(self, db: Session, user: identity.User) -> SignedInAnswer | Problem:
        if user.one_time_until is not None and user.one_time_until <= real_now():
            return Forbidden(ONE_TIME_PASSWORD_EXPIRED)
        if user.memberships and all(membership.is_suspended for membership in user.memberships):
            return Forbidden(TENANT_SUSPENDED)
        token, actor = _open_session(db, user, self.address)
        if actor.closed_out:
            identity.close_session(db, token)
            return Forbidden(ADDRESS_NOT_ALLOWED)
        audit.record(db, actor, "login", "core", "user", user.id)
        return SignedInAnswer(token=token, expires_at=actor.session_expires_at, user=_me(db, actor))


def _open_session(db: Session, user: identity.User, address: str) -> tuple[str, Actor]:
    token, _ = identity.open_session(db, user, address, timedelta(hours=settings().session_hours))
    db.execute(update(identity.User).where(identity.User.id == user.id).values(last_signed_in_at=real_now()))
    active_session = identity.find_session(db, token)
    if active_session is None:
        raise Unauthorized("このアカウントは無効になっています。管理者にご相談ください。")
    return token, actor_of(active_session, address)


@router.get("/api/auth/me", responses=refusals(401, 403), tags=["auth"])
def who_am_i(request: Request, db: Db, token: BearerToken) -> Me:
    return _me(db, authenticate(request, db, token))


@router.post("/api/auth/logout", status_code=204, responses=refusals(401), tags=["auth"])
def sign_out(request: Request, db: Db, token: BearerToken) -> None:
    """Every signed-in user can sign out, without any permission."""
    active_session = identity.find_session(db, token)
    if active_session is None:
        raise Unauthorized("セッションの有効期限が切れています。もう一度ログインしてください。")
    identity.close_session(db, token)
    audit.record(
        db, actor_of(active_session, client_address(request)), "logout", "core", "user", active_session.user_id
    )
