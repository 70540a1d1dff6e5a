"""The two routes by which a list is taken along, CSV and Excel, with the list's own permission and filters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from sqlalchemy.orm import Session

from service.core.auth import Actor, allow
from service.core.db import Db
from service.core.exports import answers
from service.core.exports.declared import List
from service.core.purposes import Kind

WRITERS: dict[Kind, Callable[..., Response]] = {Kind.CSV: answers.as_csv, Kind.XLSX: answers.as_excel}
Refusals = Mapping[int | str, dict[str, Any]]


def add(router: APIRouter, path: str, listed: List, refusals: Refusals = MappingProxyType({})) -> None:
    """`path`.csv and `path`.xlsx. A list too long for Excel here is a task of its own (POST /api/core/exports).
    `refusals`: what the list itself may answer beside the router's."""
    for kind, write in WRITERS.items():
        router.add_api_route(
            f"{path}{kind.endings[0]}",
            _door(listed, write),
            response_class=Response,
            responses={**answers.described(kind), **refusals},
            summary=f"{listed.title} ({kind.name})",
        )


def _door(listed: List, write: Callable[..., Response]) -> Callable[..., Any]:
    def take_along(actor: Actor, db: Session, filters: Any) -> Response:
        """With the filters of the list, all of it."""
        return write(db, actor, listed, filters)

    # What FastAPI reads: for each list another permission and other filters.
    take_along.__annotations__ = {
        "actor": Annotated[Actor, allow(listed.permission)],
        "db": Db,
        "filters": Annotated[listed.filters, Query()],
        "return": Response,
    }
    return take_along
