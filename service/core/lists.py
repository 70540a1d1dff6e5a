"""The door of a list: `asking: Annotated[Asking, lists("…")]`, and one call that gives the answer.

    @router.get("/alerts", response_model=Page[schemas.AlertItem])
    async def alerts(asking: Annotated[Asking, lists("area:alert:read")], limit: Limit = 50) -> Response:
        return await asking.page(lambda db, actor: queries.alerts(db, limit))

Lists are what people's pages ask for most. A route of the usual kind goes to a thread to recognise the person, to
another for its work, and to others to check and to commit; here all of it is done in one, which costs half.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from anyio import to_thread
from fastapi import Depends, Request, Response
from sqlalchemy.orm import Session

from service.core import reading, replica
from service.core.auth import Actor, BearerToken, permitted, recognised, usable
from service.core.db import transaction


@dataclass(frozen=True)
class Asking:
    """Somebody who asks for a list. There is no way to the database or to the person but by `page`, which lets nobody
    in without the permission; None: whoever is signed in."""

    request: Request
    token: str
    permission: str | None
    may_lag: bool

    async def page(self, found: Callable[[Session, Actor], Mapping[str, Any]]) -> Response:
        """What `found` gives for the person, who has been let in, as the route's `response_model`. Raises as
        `auth.allow`."""
        return Response(await to_thread.run_sync(self._page, found), media_type="application/json")

    def _page(self, found: Callable[[Session, Actor], Mapping[str, Any]]) -> bytes:
        model = self.request.scope["route"].response_model
        with transaction() as db:
            actor = usable(recognised(self.request, db, self.token))
            if self.permission is not None:
                permitted(actor, self.permission)
            lagging = reading.opened(self.request, actor) if self.may_lag else None
            if lagging is None:
                page = model.model_validate(found(reading.only_reads(db) if self.may_lag else db, actor))
        if lagging is not None:
            with replica.failing_over(), lagging:
                page = model.model_validate(found(lagging, actor))
        answer: str = page.model_dump_json()
        return answer.encode()


def lists(permission: str | None, *, may_lag: bool = False) -> Any:
    """A list's lock, as `auth.allow` is a route's. `may_lag`: see `core.reading`."""

    async def asking(request: Request, token: BearerToken) -> Asking:
        return Asking(request, token, permission, may_lag)

    asking.permission = permission  # type: ignore[attr-defined]  # read by the permission matrix test
    asking.may_lag = may_lag  # type: ignore[attr-defined]  # read by the front door's document
    return Depends(asking)
