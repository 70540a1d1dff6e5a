"""The two export routes of a list, CSV and Excel, with the list's own permission and filters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from sqlalchemy.orm import Session

from service.core.access.auth import Actor, allow
from service.core.database.session import Db
from service.core.exports import answers
from service.core.exports.declared import ExportList
from service.core.purposes import FileKind

WRITERS: dict[FileKind, Callable[..., Response]] = {FileKind.CSV: answers.as_csv, FileKind.XLSX: answers.as_excel}
Refusals = Mapping[int | str, dict[str, Any]]


def add_export_routes(
    router: APIRouter, path: str, export_list: ExportList, refusals: Refusals = MappingProxyType({})
) -> None:
    """Adds `path`.csv and `path`.xlsx. A list that is too long for Excel is exported by a background task
    (POST /api/core/exports). `refusals`: the list's own responses in addition to the router's."""
    for kind, write in WRITERS.items():
        router.add_api_route(
            f"{path}{kind.extensions[0]}",
            _export_endpoint(export_list, write),
            response_class=Response,
            responses={**answers.download_responses(kind), **refusals},
            summary=f"{export_list.title} ({kind.name})",
        )


def _export_endpoint(export_list: ExportList, write: Callable[..., Response]) -> Callable[..., Any]:
    def export(actor: Actor, db: Session, filters: Any) -> Response:
        """The whole list with its filters."""
        return write(db, actor, export_list, filters)

    # FastAPI reads the annotations: each list has its own permission and filters.
    export.__annotations__ = {
        "actor": Annotated[Actor, allow(export_list.permission)],
        "db": Db,
        "filters": Annotated[export_list.filters, Query()],
        "return": Response,
    }
    return export
