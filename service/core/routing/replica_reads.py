"""Replica reads, for routes whose answers may lag: `ReadDb` in place of `Db`.

The user is always authenticated at the primary, so that a revoked session or permission takes effect at once. Then the
work goes to the replica, if there is one that is recent enough for this user (`database.replica`). Such a route cannot
write anything, not even an audit entry.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, FastAPI, Request, Response
from fastapi.routing import APIRoute
from sqlalchemy.orm import Session
from starlette.types import Receive, Scope, Send

from service.core.access.auth import Actor, Authenticated
from service.core.database import replica
from service.core.database.session import Db, commit, exit_stack

_RETRIED_KEY = "genba.retried"


def open_replica(request: Request, actor: Actor) -> Session | None:
    """A session of the replica for this request, None when the primary has to answer."""
    since_write = request.headers.get(replica.SINCE_WRITE)
    return replica.open_session(actor.scopes, since_write, retried=_RETRIED_KEY in request.scope)


def read_only(session: Session) -> Session:
    """The primary's session when it answers in place of the replica. Tests patch this to make the session read-only."""
    return session


def _read_session(request: Request, actor: Authenticated, primary: Db) -> Session:
    session = open_replica(request, actor) if replica.is_configured() else None
    if session is None:
        return read_only(primary)
    stack = exit_stack(request)
    stack.enter_context(replica.failing_over())
    stack.enter_context(session)
    # Gives the primary's connection back to the pool.
    commit(primary)
    return session


_read_session.may_lag = True  # type: ignore[attr-defined]  # read when `service.main` writes the OpenAPI document
ReadDb = Annotated[Session, Depends(_read_session)]


def may_lag(route: APIRoute) -> bool:
    return any(getattr(dependency.call, "may_lag", False) for dependency in route.dependant.dependencies)


class _Retry(Response):
    """Runs the same request once more, from the app's router on."""

    def __init__(self, app: FastAPI) -> None:
        super().__init__()
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app.router({**scope, _RETRIED_KEY: True, "path_params": {}}, receive, send)


def install(app: FastAPI) -> None:
    @app.exception_handler(replica.Failed)
    async def retry_on_primary(request: Request, error: Exception) -> Response:
        return _Retry(app)
