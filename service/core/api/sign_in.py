"""Sign-in, who-am-I, sign-out."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import update
from sqlalchemy.orm import Session

from service.core import audit, hashing, identity, throttle
from service.core.addresses import source_of
from service.core.auth import CLOSED_OUT, Actor, BearerToken, Recognised, actor_of, client_address
from service.core.brief import brief
from service.core.clock import app_now, real_now
from service.core.db import NOBODY, Db
from service.core.problems import RESPONSES, Forbidden, Problem, Unauthorized, Unavailable
from service.core.settings import settings
from service.core.texts import NO_NUL
from service.core.throttle import Limit

PATH = "/api/auth/login"
HOUR = timedelta(hours=1)
RUN_OUT = "仮のパスワードの有効期限（発行から72時間）が切れています。管理者に再発行を依頼してください。"
SUSPENDED = "所属先（代理店・園）が無効になっているため、ログインできません。管理者にご相談ください。"
router = APIRouter()


class Credentials(BaseModel):
    model_config = ConfigDict(extra="forbid")

    login_id: Annotated[str, Field(min_length=1, max_length=64, pattern=NO_NUL)]
    password: Annotated[str, Field(min_length=1, max_length=1024)]


class AreaRole(BaseModel):
    area: str
    role: str


class Me(BaseModel):
    """The signed-in person: what the menus are cut to. The service checks every call again. `as_of`: the product's
    time, which pages go by."""

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
    # Who has to change the password first can do nothing else yet.
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


@router.post(PATH, responses={status: RESPONSES[status] for status in (400, 401, 403, 422, 429, 503)}, tags=["auth"])
async def sign_in(credentials: Credentials, request: Request) -> SignedInAnswer:
    """Opens a session; the token goes into `Authorization: Bearer …`."""
    # Brief: neither a transaction nor a seat is held while the password is checked, and a refused sign-in leaves its
    # audit entry though the answer is a refusal.
    attempt = Attempt(credentials.login_id, client_address(request))
    user, wait = await brief(request, NOBODY, attempt.begin)
    if wait:
        raise throttle.too_many("ログインの失敗", wait)
    try:
        right = await hashing.is_right(credentials.password, user.password_hash if user else None)
    except Unavailable:
        await brief(request, NOBODY, attempt.withdraw)
        raise
    outcome = await brief(request, NOBODY, lambda db: attempt.conclude(db, user, right))
    if isinstance(outcome, Problem):
        raise outcome
    return outcome


class Attempt:
    """One sign-in: counted before the password is looked at, known or not makes no difference.

    Three limits: per source, whatever is tried from there; per login id and source; per login id, wherever it comes
    from, wide enough for one source not to reach it. Rows are taken in this order everywhere, so that of two attempts
    at once none waits for the other in a circle.
    """

    def __init__(self, login_id: str, address: str) -> None:
        config, source = settings(), source_of(address)
        window = timedelta(minutes=config.sign_in_window_minutes)
        self.login_id = login_id
        self.address = address
        self.of_source = Limit("sign-in from a source", config.sign_in_attempts_per_source, window), source
        self.of_person = Limit("sign-in", config.sign_in_attempts, window), login_id, source
        self.of_login_id = Limit("sign-in of anybody", config.sign_in_attempts_per_login_id, HOUR), login_id

    def begin(self, db: Session) -> tuple[identity.User | None, float]:
        """Who it would be, and the seconds to wait when it may not be tried now."""
        wait = max(throttle.hit(db, *self.of_source), throttle.hit(db, *self.of_person))
        # What is refused anyway must not count here: one source could shut the person out everywhere.
        return identity.find_by_login_id(db, self.login_id), wait or throttle.hit(db, *self.of_login_id)

    def withdraw(self, db: Session) -> None:
        """The password was never looked at."""
        for limit in (self.of_source, self.of_person, self.of_login_id):
            throttle.give_back(db, *limit)

    def conclude(self, db: Session, user: identity.User | None, right: bool) -> SignedInAnswer | Problem:
        refusal: Problem = Unauthorized(
            "ログインIDまたはパスワードが違います。入力を確認して、もう一度お試しください。"
        )
        # As it is now, and stays until the session is there: a reset or a deactivation meanwhile ends no later session.
        now = db.get(identity.User, user.id, with_for_update=True) if user is not None and right else None
        if user is not None and now is not None and now.is_active and now.password_hash == user.password_hash:
            throttle.give_back(db, *self.of_source)
            throttle.forget(db, *self.of_person)
            throttle.give_back(db, *self.of_login_id)
            outcome = self._let_in(db, now)
            if not isinstance(outcome, Problem):
                return outcome
            refusal = outcome
        # What was typed for a login id that nobody has may be a password; the trail is for ever. Such an entry belongs
        # to no area, so no area's administrator sees it.
        typed, known = (user.login_id, user.id) if user else ("（登録のないログインID）", None)
        audit.record(db, typed, "login_failed", "core", "user", known or "-", address=self.address, user_id=known)
        return refusal

    def _let_in(self, db: Session, user: identity.User) -> SignedInAnswer | Problem:
        if user.one_time_until is not None and user.one_time_until <= real_now():
            return Forbidden(RUN_OUT)
        if user.memberships and all(held.is_suspended for held in user.memberships):
            return Forbidden(SUSPENDED)
        token, actor = _open_session(db, user, self.address)
        if actor.closed_out:
            identity.close_session(db, token)
            return Forbidden(CLOSED_OUT)
        audit.record(db, actor, "login", "core", "user", user.id)
        return SignedInAnswer(token=token, expires_at=actor.session_expires_at, user=_me(db, actor))


def _open_session(db: Session, user: identity.User, address: str) -> tuple[str, Actor]:
    token, _ = identity.open_session(db, user, address, timedelta(hours=settings().session_hours))
    db.execute(update(identity.User).where(identity.User.id == user.id).values(last_signed_in_at=real_now()))
    found = identity.find_session(db, token)
    if found is None:
        raise Unauthorized("このアカウントは無効になっています。管理者にご相談ください。")
    return token, actor_of(found, address)


@router.get("/api/auth/me", responses={status: RESPONSES[status] for status in (401, 403)}, tags=["auth"])
def who_am_i(actor: Recognised, db: Db) -> Me:
    return _me(db, actor)


@router.post("/api/auth/logout", status_code=204, responses={401: RESPONSES[401]}, tags=["auth"])
def sign_out(request: Request, db: Db, token: BearerToken) -> None:
    """Whatever else the person may not do: leaving is always possible."""
    found = identity.find_session(db, token)
    if found is None:
        raise Unauthorized("セッションの有効期限が切れています。もう一度サインインしてください。")
    identity.close_session(db, token)
    audit.record(db, actor_of(found, client_address(request)), "logout", "core", "user", found.user_id)
