"""The user's own account: the password and the open sessions."""

from __future__ import annotations

from datetime import timedelta

from fastapi import APIRouter, Request
from sqlalchemy.orm import Session

from service.core.access import identity, password_hashing, passwords, throttle
from service.core.access.auth import BearerToken, SignedIn, authenticate
from service.core.api.users import session_list
from service.core.database.paging import Page
from service.core.database.session import NO_SCOPES, Db
from service.core.http.problem_responses import refusals
from service.core.problems import Invalid, Unavailable
from service.core.routing.short_transactions import short_transaction
from service.core.settings import settings
from service.core.users import actions, schemas

PASSWORD_PATH = "/api/auth/password"
router = APIRouter(prefix="/api/auth", tags=["auth"], responses=refusals(400, 401, 403, 422, 503))


def _limit() -> throttle.Limit:
    """Limits attempts to guess the password in a browser that a user left open."""
    window = timedelta(minutes=settings().sign_in_window_minutes)
    return throttle.Limit("own password", settings().sign_in_attempts, window)


@router.post("/password", responses=refusals(409, 429))
async def change_password(request: Request, token: BearerToken, change: schemas.PasswordChange) -> schemas.Ended:
    """Ends the user's other sessions. Also allowed for a user who has to change a one-time password first."""

    def attempt(db: Session) -> tuple[identity.User, float]:
        actor = authenticate(request, db, token)
        return db.get_one(identity.User, actor.user_id), throttle.attempt(db, _limit(), str(actor.user_id))

    def conclude(db: Session) -> int:
        return actions.change_own_password(db, authenticate(request, db, token), hashed, user.password_hash)

    # Short transactions: neither a transaction nor a slot is held while passwords are checked and hashed.
    user, wait = await short_transaction(request, NO_SCOPES, attempt)
    if wait:
        raise throttle.too_many("現在のパスワードの誤り", wait)
    try:
        is_correct = await password_hashing.check_password(change.current_password, user.password_hash)
    except Unavailable:
        await short_transaction(request, NO_SCOPES, lambda db: throttle.undo_attempt(db, _limit(), str(user.id)))
        raise
    if not is_correct:
        raise _wrong("current_password", "現在のパスワードが違います。入力を確認して、もう一度お試しください。")
    await short_transaction(request, NO_SCOPES, lambda db: throttle.reset(db, _limit(), str(user.id)))
    is_old = change.new_password == change.current_password
    if problem := passwords.problem_with(change.new_password, user.login_id, is_old=is_old):
        raise _wrong("new_password", problem)
    hashed = await password_hashing.hash_password(change.new_password)
    return schemas.Ended(ended=await short_transaction(request, NO_SCOPES, conclude))


def _wrong(field: str, message: str) -> Invalid:
    return Invalid(message, [(field, message)])


@router.get("/sessions")
def own_sessions(actor: SignedIn, db: Db) -> Page[schemas.SessionItem]:
    return session_list(identity.open_sessions(db, actor.user_id), actor)


@router.post("/sessions/revoke")
def revoke_own_sessions(actor: SignedIn, db: Db, selection: schemas.SessionsToEnd) -> schemas.Ended:
    """Without an id: all except the session of this request."""
    return schemas.Ended(ended=actions.end_own_sessions(db, actor, selection.session_id))
