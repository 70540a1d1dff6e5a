"""For routes that wait for the world outside while a body trickles in or out, or for a password to be checked: they
hold no connection meanwhile.

Each look at the database is a transaction of its own, on a thread, with a seat for just as long (see `seats`). A path
that is not among the front door's brief ones comes in with a seat, and leaves it at the first look.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from anyio import to_thread
from fastapi import Depends, Request
from pydantic import BaseModel
from sqlalchemy.orm import Session

from service.core import once
from service.core.auth import Actor, BearerToken, permitted, recognised, usable
from service.core.db import NOBODY, Scopes, transaction
from service.core.seats import one_seat

Result = TypeVar("Result")
Made = TypeVar("Made", bound=BaseModel)


async def brief(request: Request, scopes: Scopes, work: Callable[[Session], Result]) -> Result:
    """What `work` gives, once its transaction has been committed."""

    def run() -> Result:
        with transaction(scopes) as db:
            return work(db)

    async with one_seat(request.scope):
        return await to_thread.run_sync(run)


async def brief_once(request: Request, actor: Actor, status: int, work: Callable[[Session], Made]) -> Made:
    """As `brief`, for the one transaction that does what was asked for: what it makes is the route's answer, and a
    repeat is told it again. For routes marked `once.by_itself`."""

    def done(db: Session) -> Made:
        once.claim(request, db, actor.user_id)
        once.answer_repeat(request)
        made = work(db)
        if (asked := once.of(request)) is not None:
            once.keep(asked, db, status, made.model_dump_json().encode())
        return made

    return await brief(request, actor.scopes, done)


async def signed_in_briefly(request: Request, token: BearerToken) -> Actor:
    return await brief(request, NOBODY, lambda db: usable(recognised(request, db, token)))


SignedInBriefly = Annotated[Actor, Depends(signed_in_briefly)]


def allow_briefly(permission: str) -> Any:
    """As `auth.allow`, without a transaction that stays open until the route has ended."""

    async def check(actor: SignedInBriefly) -> Actor:
        return permitted(actor, permission)

    check.permission = permission  # type: ignore[attr-defined]  # read by the permission matrix test
    return Depends(check)
