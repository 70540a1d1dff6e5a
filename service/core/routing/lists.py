"""List routes: a dependency with the permission, and one call that gives the answer.

    @router.get("/alerts", response_model=Page[schemas.AlertItem])
    async def alerts(
        requested: Annotated[ListRequest, list_request("area:alert:read")], limit: Limit = 50
    ) -> Response:
        return await requested.page(lambda db, actor: queries.alerts(db, limit))

Lists are the most frequent requests. A usual route uses one thread to authenticate, another for its work, and others to
validate and to commit; a list route does all of it in one thread, which costs half.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from anyio import to_thread
from fastapi import Depends, Request, Response
from pydantic import BaseModel
from sqlalchemy.orm import Session

from service.core.access.auth import Actor, BearerToken, authenticate, require, require_own_password
from service.core.database import replica
from service.core.database.session import transaction
from service.core.routing import replica_reads

# A page: the route's `response_model`, or what it is made from.
Query = Callable[[Session, Actor], BaseModel | Mapping[str, Any]]


@dataclass(frozen=True)
class ListRequest:
    """A request for a list. Only `page` gives the database and the user, after it has checked the permission; a
    `permission` of None admits every signed-in user."""

    request: Request
    token: str
    permission: str | None
    may_lag: bool

    async def page(self, query: Query) -> Response:
        """The result of `query` for the authorised user, as the route's `response_model`. Raises as `auth.allow`."""
        return Response(await to_thread.run_sync(self._page_json, query), media_type="application/json")

    def _page_json(self, query: Query) -> bytes:
        model = self.request.scope["route"].response_model
        with transaction() as db:
            actor = require_own_password(authenticate(self.request, db, self.token))
            if self.permission is not None:
                require(actor, self.permission)
            replica_session = replica_reads.open_replica(self.request, actor) if self.may_lag else None
            if replica_session is None:
                page = model.model_validate(query(replica_reads.read_only(db) if self.may_lag else db, actor))
        if replica_session is not None:
            with replica.failing_over(), replica_session:
                page = model.model_validate(query(replica_session, actor))
        answer: str = page.model_dump_json()
        return answer.encode()


def list_request(permission: str | None, *, may_lag: bool = False) -> Any:
    """The permission of a list route, as `auth.allow` of other routes. `may_lag`: see `routing.replica_reads`."""

    async def dependency(request: Request, token: BearerToken) -> ListRequest:
        return ListRequest(request, token, permission, may_lag)

    dependency.permission = permission  # type: ignore[attr-defined]  # read by the permission matrix test
    dependency.may_lag = may_lag  # type: ignore[attr-defined]  # read when `service.main` writes the OpenAPI document
    return Depends(dependency)
