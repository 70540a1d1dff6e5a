"""For routes that wait for the world outside while a body trickles in or out: they hold no connection meanwhile.

Each look at the database is a transaction of its own, on a thread, with a seat for just as long (see `seats`). The
path has to be among the front door's brief ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, TypeVar

from anyio import to_thread
from fastapi import Depends, Request
from sqlalchemy.orm import Session

from service.core.auth import Actor, bearer_token, recognised, usable
from service.core.db import NOBODY, Scopes, transaction
from service.core.seats import one_seat

Result = TypeVar("Result")


async def brief(request: Request, scopes: Scopes, work: Callable[[Session], Result]) -> Result:
    """What `work` gives, once its transaction has been committed."""

    def run() -> Result:
        with transaction(scopes) as db:
            return work(db)

    async with one_seat(request.scope):
        return await to_thread.run_sync(run)


async def signed_in_briefly(request: Request, token: Annotated[str, Depends(bearer_token)]) -> Actor:
    return await brief(request, NOBODY, lambda db: usable(recognised(request, db, token)))


SignedInBriefly = Annotated[Actor, Depends(signed_in_briefly)]
