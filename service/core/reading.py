"""Doors whose answers may lag: `ReadDb` in place of `Db`, or `lists("…", may_lag=True)`.

Who asks is always found at the primary, so that a session that has ended and a right that was taken away are gone at
once. Only then the work goes to the replica, if there is one that is young enough for this person (`core.replica`).
Such a door may write nothing, not even a trail.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from anyio import to_thread
from fastapi import Depends, FastAPI, Request, Response
from fastapi.routing import APIRoute
from sqlalchemy.orm import Session
from starlette.types import Receive, Scope, Send

from service.core import replica
from service.core.auth import Actor, Recognised
from service.core.db import Db, commit, in_a_thread

_RETRIED = "genba.retried"


def opened(request: Request, actor: Actor) -> Session | None:
    """The replica's session for this request, None when the primary has to answer."""
    said = request.headers.get(replica.SINCE_WRITE)
    return replica.opened(actor.scopes, said, retried=_RETRIED in request.scope)


def only_reads(session: Session) -> Session:
    """What the primary answers with in place of the replica. Tests hold it to reading."""
    return session


async def _session_that_may_lag(request: Request, actor: Recognised, primary: Db) -> AsyncIterator[Session]:
    session = await to_thread.run_sync(opened, request, actor) if replica.is_set() else None
    if session is None:
        yield only_reads(primary)
        return
    with replica.failing_over():
        try:
            # Its connection goes to others.
            await in_a_thread(commit, primary)
            yield session
        finally:
            await in_a_thread(session.close)


_session_that_may_lag.may_lag = True  # type: ignore[attr-defined]  # read by the front door's document
ReadDb = Annotated[Session, Depends(_session_that_may_lag, scope="function")]


def may_lag(route: APIRoute) -> bool:
    return any(getattr(dependency.call, "may_lag", False) for dependency in route.dependant.dependencies)


class _Again(Response):
    """The same request once more, from the front door's router on."""

    def __init__(self, app: FastAPI) -> None:
        super().__init__()
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app.router({**scope, _RETRIED: True, "path_params": {}}, receive, send)


def install(app: FastAPI) -> None:
    @app.exception_handler(replica.Failed)
    async def ask_the_primary(request: Request, error: Exception) -> Response:
        return _Again(app)
