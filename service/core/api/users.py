"""The page ユーザー管理: the users of the areas that the caller administers."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.orm import Session

from service.core.access import identity, password_hashing, passwords
from service.core.access.auth import Actor, allow
from service.core.database.paging import Cursor, Limit, Page
from service.core.database.session import Db
from service.core.http import idempotency
from service.core.http.problem_responses import refusals
from service.core.resources import PathId
from service.core.routing.short_transactions import allow_without_transaction, idempotent_transaction
from service.core.users import actions, queries, schemas
from service.core.users.scope import READ, UPDATE, AdminScope
from service.core.values.texts import NO_NUL

router = APIRouter(prefix="/api/core", tags=["users"], responses=refusals(400, 401, 403, 404, 422, 503))

Reader = Annotated[Actor, allow(READ)]
Administrator = Annotated[Actor, allow(UPDATE)]
# For routes that hash a password: no transaction is open meanwhile.
AdministratorWithoutTransaction = Annotated[Actor, allow_without_transaction(UPDATE)]
Code = Annotated[str | None, Query(max_length=32, pattern=NO_NUL)]


@router.get("/users")
def users(
    actor: Reader,
    db: Db,
    limit: Limit = 50,
    cursor: Cursor = None,
    q: Annotated[str | None, Query(max_length=100, pattern=NO_NUL)] = None,
    area: Code = None,
    role: Code = None,
    active: bool | None = None,
) -> Page[schemas.UserItem]:
    return queries.users(db, actor, limit, cursor, q, area, role, active)


@router.get("/users/summary")
def summary(actor: Reader, db: Db) -> schemas.Summary:
    return queries.summary(db, actor)


@router.get("/roles")
def roles(actor: Reader, db: Db) -> list[schemas.AreaChoice]:
    """The choices for a user's membership of an area."""
    return queries.roles(db, actor)


@router.post("/users", status_code=201, responses=refusals(409))
@idempotency.claims_by_itself
async def create_user(
    request: Request, actor: AdministratorWithoutTransaction, new_user: schemas.NewUser, response: Response
) -> schemas.OneTimePassword:
    password = passwords.one_time_password()
    hashed = await password_hashing.hash_password(password)

    def create(db: Session) -> schemas.OneTimePassword:
        return schemas.OneTimePassword(id=actions.create_user(db, actor, new_user, hashed).id, password=password)

    response.headers["Cache-Control"] = "no-store"
    return await idempotent_transaction(request, actor, 201, create)


@router.get("/users/{user_id}")
def user(actor: Reader, db: Db, user_id: PathId) -> schemas.UserItem:
    return _user_item(queries.get_user(db, actor, user_id), actor)


@router.patch("/users/{user_id}", responses=refusals(409))
def change_user(actor: Administrator, db: Db, user_id: PathId, change: schemas.UserChange) -> schemas.UserItem:
    return _user_item(actions.change_user(db, actor, user_id, change), actor)


@router.post("/users/{user_id}/password", responses=refusals(409))
@idempotency.claims_by_itself
async def reset_password(
    request: Request, actor: AdministratorWithoutTransaction, user_id: PathId, response: Response
) -> schemas.OneTimePassword:
    """Sets a new one-time password and ends all sessions of the user. The caller's own password is changed at
    /api/auth/password."""
    password = passwords.one_time_password()
    hashed = await password_hashing.hash_password(password)

    def reset(db: Session) -> schemas.OneTimePassword:
        return schemas.OneTimePassword(id=actions.reset_password(db, actor, user_id, hashed).id, password=password)

    response.headers["Cache-Control"] = "no-store"
    return await idempotent_transaction(request, actor, 200, reset)


@router.post("/users/{user_id}/deactivate", responses=refusals(409))
def deactivate(actor: Administrator, db: Db, user_id: PathId) -> schemas.UserItem:
    return _user_item(actions.set_active(db, actor, user_id, False), actor)


@router.post("/users/{user_id}/activate")
def activate(actor: Administrator, db: Db, user_id: PathId) -> schemas.UserItem:
    return _user_item(actions.set_active(db, actor, user_id, True), actor)


@router.get("/users/{user_id}/sessions")
def sessions(actor: Reader, db: Db, user_id: PathId) -> Page[schemas.SessionItem]:
    return session_list(identity.open_sessions(db, queries.get_user(db, actor, user_id).id), actor)


@router.post("/users/{user_id}/sessions/revoke")
def revoke_sessions(actor: Administrator, db: Db, user_id: PathId, selection: schemas.SessionsToEnd) -> schemas.Ended:
    return schemas.Ended(ended=actions.end_sessions(db, actor, user_id, selection.session_id))


def session_list(open_sessions: list[identity.UserSession], actor: Actor) -> Page[schemas.SessionItem]:
    items = [
        schemas.SessionItem(
            id=session.id,
            address=session.address,
            created_at=session.created_at,
            last_seen_at=session.last_seen_at,
            expires_at=session.expires_at,
            current=session.id == actor.session_id,
        )
        for session in open_sessions
    ]
    return Page(items=items, total=len(items))


def _user_item(user: identity.User, actor: Actor) -> schemas.UserItem:
    return queries.user_item(user, AdminScope.of(actor, READ))
