"""Short transactions, for routes that wait for a slow body or a password check and must not hold a connection then.

Each use of the database is a transaction of its own, on a thread, with a slot of the concurrency limit for just as
long (see `http.concurrency`). A path that is not among the short ones in `service.main` starts with a slot, and
releases it at the first short transaction.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from anyio import to_thread
from fastapi import Depends, Request
from pydantic import BaseModel
from sqlalchemy.orm import Session

from service.core.access.auth import Actor, BearerToken, authenticate, require, require_own_password
from service.core.database.session import NO_SCOPES, Scopes, transaction
from service.core.http import idempotency
from service.core.http.concurrency import slot

Result = TypeVar("Result")
Made = TypeVar("Made", bound=BaseModel)


async def short_transaction(request: Request, scopes: Scopes, work: Callable[[Session], Result]) -> Result:
    """The result of `work`, after its transaction has been committed."""

    def run() -> Result:
        with transaction(scopes) as db:
            return work(db)

    async with slot(request.scope):
        return await to_thread.run_sync(run)


async def idempotent_transaction(request: Request, actor: Actor, status: int, work: Callable[[Session], Made]) -> Made:
    """As `short_transaction`, for the one transaction with the effect of the request: its result is the route's answer,
    and a request with the same idempotency key gets it again. For routes marked `idempotency.claims_by_itself`."""

    def work_once(db: Session) -> Made:
        idempotency.claim(request, db, actor.user_id)
        idempotency.raise_replay(request)
        answer = work(db)
        if (idempotent_request := idempotency.find_idempotent_request(request)) is not None:
            idempotency.store_answer(idempotent_request, db, status, answer.model_dump_json().encode())
        return answer

    return await short_transaction(request, actor.scopes, work_once)


async def signed_in_without_transaction(request: Request, token: BearerToken) -> Actor:
    return await short_transaction(
        request, NO_SCOPES, lambda db: require_own_password(authenticate(request, db, token))
    )


SignedInWithoutTransaction = Annotated[Actor, Depends(signed_in_without_transaction)]


def allow_without_transaction(permission: str) -> Any:
    """As `auth.allow`, but without a transaction that stays open until the route has ended."""

    async def check(actor: SignedInWithoutTransaction) -> Actor:
        return require(actor, permission)

    check.permission = permission  # type: ignore[attr-defined]  # read by the permission matrix test
    return Depends(check)
