"""One's own account: the password, and the sessions that are open."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from fastapi import APIRouter, Request
from sqlalchemy.orm import Session

from service.core import hashing, identity, passwords, throttle
from service.core.api.users import session_list
from service.core.auth import BearerToken, SignedIn, recognised
from service.core.brief import brief
from service.core.db import NOBODY, Db
from service.core.paging import Page
from service.core.problems import RESPONSES, Invalid, Unavailable
from service.core.settings import settings
from service.core.users import actions, schemas

_REFUSALS: dict[int | str, dict[str, Any]] = {status: RESPONSES[status] for status in (400, 401, 403, 422, 503)}
PASSWORD_PATH = "/api/auth/password"
router = APIRouter(prefix="/api/auth", tags=["auth"], responses=_REFUSALS)


def _limit() -> throttle.Limit:
    """Whoever finds an open browser must not be able to try out what the password is."""
    window = timedelta(minutes=settings().sign_in_window_minutes)
    return throttle.Limit("own password", settings().sign_in_attempts, window)


@router.post("/password", responses={status: RESPONSES[status] for status in (409, 429)})
async def change_password(request: Request, token: BearerToken, change: schemas.PasswordChange) -> schemas.Ended:
    """Ends the person's other sessions. Open also to whoever has to change a one-time password first."""

    def attempt(db: Session) -> tuple[identity.User, float]:
        actor = recognised(request, db, token)
        return db.get_one(identity.User, actor.user_id), throttle.hit(db, _limit(), str(actor.user_id))

    def conclude(db: Session) -> int:
        return actions.change_own_password(db, recognised(request, db, token), hashed, user.password_hash)

    # Brief: neither a transaction nor a seat is held while passwords are checked and hashed.
    user, wait = await brief(request, NOBODY, attempt)
    if wait:
        raise throttle.too_many("現在のパスワードの誤り", wait)
    try:
        right = await hashing.is_right(change.current_password, user.password_hash)
    except Unavailable:
        await brief(request, NOBODY, lambda db: throttle.give_back(db, _limit(), str(user.id)))
        raise
    if not right:
        raise _wrong("current_password", "現在のパスワードが違います。入力を確認して、もう一度お試しください。")
    await brief(request, NOBODY, lambda db: throttle.forget(db, _limit(), str(user.id)))
    same = change.new_password == change.current_password
    if found := passwords.problem_with(change.new_password, user.login_id, is_old=same):
        raise _wrong("new_password", found)
    hashed = await hashing.hash_password(change.new_password)
    return schemas.Ended(ended=await brief(request, NOBODY, conclude))


def _wrong(field: str, message: str) -> Invalid:
    return Invalid(message, [(field, message)])


@router.get("/sessions")
def own_sessions(actor: SignedIn, db: Db) -> Page[schemas.SessionItem]:
    return session_list(identity.open_sessions(db, actor.user_id), actor)


@router.post("/sessions/revoke")
def revoke_own_sessions(actor: SignedIn, db: Db, which: schemas.SessionsToEnd) -> schemas.Ended:
    """Without an id: all but the one that asks."""
    return schemas.Ended(ended=actions.end_own_sessions(db, actor, which.session_id))
