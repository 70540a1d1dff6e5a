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

from service.core.auth import Actor, BearerToken, permitted, recognised, usable
from service.core.db import transaction


@dataclass(frozen=True)
class Asking:
    """Somebody who asks for a list. There is no way to the database or to the person but by `page`, which lets nobody
    in without the permission; None: whoever is signed in."""

    request: Request
    token: str
    permission: str | None

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
            page = model.model_validate(found(db, actor))
        answer: str = page.model_dump_json()
        return answer.encode()


def lists(permission: str | None) -> Any:
    """A list's lock, as `auth.allow` is a route's."""

    async def asking(request: Request, token: BearerToken) -> Asking:
        return Asking(request, token, permission)

    asking.permission = permission  # type: ignore[attr-defined]  # read by the permission matrix test
    return Depends(asking)
