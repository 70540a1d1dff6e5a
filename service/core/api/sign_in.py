"""Sign-in, who-am-I, sign-out."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field

from service.core import audit, identity
from service.core.auth import Actor, SignedIn, actor_of, bearer_token, client_address
from service.core.db import Db, transaction
from service.core.problems import RESPONSES, Unauthorized
from service.core.settings import settings

router = APIRouter()


class Credentials(BaseModel):
    model_config = ConfigDict(extra="forbid")

    login_id: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00]*$")]
    password: Annotated[str, Field(min_length=1, max_length=1024)]


class AreaRole(BaseModel):
    area: str
    role: str


class Me(BaseModel):
    """The signed-in person: what the menus are cut to. The service checks every call again."""

    login_id: str
    name: str
    areas: list[AreaRole]
    permissions: list[str]
    session_expires_at: datetime


class SignedInAnswer(BaseModel):
    token: str
    expires_at: datetime
    user: Me


def _me(actor: Actor) -> Me:
    return Me(
        login_id=actor.login_id,
        name=actor.name,
        areas=[AreaRole(area=area, role=role) for area, role in actor.roles.items()],
        permissions=sorted(actor.permissions),
        session_expires_at=actor.session_expires_at,
    )


@router.post("/api/auth/login", responses={status: RESPONSES[status] for status in (400, 401, 422)}, tags=["auth"])
def sign_in(credentials: Credentials, request: Request) -> SignedInAnswer:
    """Opens a session; the token goes into `Authorization: Bearer …`."""
    address = client_address(request)
    # Transactions of its own: none is open while the password is checked, and a refused sign-in leaves its audit entry
    # though the answer is a refusal.
    with transaction() as db:
        user = identity.find_by_login_id(db, credentials.login_id)
    right = identity.is_right(credentials.password, user.password_hash if user else None)
    with transaction() as db:
        if user is not None and right and user.is_active:
            token, expires_at = identity.open_session(db, user, address, timedelta(hours=settings().session_hours))
            actor = actor_of(user, expires_at, address)
            audit.record(db, actor, "login", "core", "user", user.id)
            return SignedInAnswer(token=token, expires_at=expires_at, user=_me(actor))
        # What was typed for a login id that nobody has may be a password; the trail is for ever.
        typed = user.login_id if user else "（登録のないログインID）"
        audit.record(db, typed, "login_failed", "core", "user", user.id if user else "-", address=address)
    raise Unauthorized("ログインIDまたはパスワードが違います。入力を確認して、もう一度お試しください。")


@router.get("/api/auth/me", responses={401: RESPONSES[401]}, tags=["auth"])
def who_am_i(actor: SignedIn) -> Me:
    return _me(actor)


@router.post("/api/auth/logout", status_code=204, responses={401: RESPONSES[401]}, tags=["auth"])
def sign_out(actor: SignedIn, db: Db, token: Annotated[str, Depends(bearer_token)]) -> None:
    identity.close_session(db, token)
    audit.record(db, actor, "logout", "core", "user", actor.user_id)
