"""A kind of record, declared once: from the declaration come the plain actions and the routes.

`Resource` has the plain actions; `Changeable`, `Creatable` and `Archivable` have fewer. An area overrides those that
mean more. The model of a change comes from that of a new record: see `edits.change_of`. `add_routes` adds the routes.
"""

# No `from __future__ import annotations`: FastAPI reads the routes' annotations, which are values of this module.

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Generic, TypeVar

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel
from sqlalchemy.orm import Session

from service.core.access.auth import Actor, allow
from service.core.database.lookups import get_or_404
from service.core.database.paging import Cursor, Limit, Page
from service.core.database.session import Db
from service.core.edits import Edit, Edits, Record
from service.core.http.problem_responses import refusals
from service.core.routing.replica_reads import ReadDb

Row = TypeVar("Row", bound=Record)
# A record's id in a path.
PathId = Annotated[int, Path(ge=1, lt=2**63)]


class Created(BaseModel):
    id: int


@dataclass(frozen=True)
class Changeable(Generic[Row]):
    """The plain action on records that begin and end in their own ways: the change. It is written to the audit log.

    Args:
        change_model: what a user enters.
        find: reads a record that the user may see; the last argument says whether to lock it. Raises NotFound. None:
            who may change one may change all.
    """

    edits: Edits
    model: type[Row]
    change_model: type[Edit]
    find: Callable[[Session, Actor, int, bool], Row] | None = field(default=None, kw_only=True)

    def lock(self, db: Session, by: Actor, key: int) -> Row:
        """The record, locked. Raises NotFound."""
        if self.find is None:
            return get_or_404(db, self.model, key, self.edits.noun, lock=True)
        return self.find(db, by, key, True)

    def change(self, db: Session, by: Actor, key: int, new: Any) -> None:
        """Raises NotFound, and as `Edits.change` and `check`."""
        row = self.lock(db, by, key)
        self.edits.change(db, by, row, new, lambda after: self.check(db, row, after))

    def check(self, db: Session, row: Row, after: Mapping[str, Any]) -> None:
        """Raises Invalid or Conflict when the fields in `after` must not get these values. For an area to override."""


@dataclass(frozen=True)
class Creatable(Changeable[Row]):
    """`new_model`: what a user enters."""

    new_model: type[BaseModel]

    def create(self, db: Session, by: Actor, new: Any) -> Row:
        """Raises Conflict when a unique value exists already."""
        return self.add(db, by, new.model_dump())

    def add(self, db: Session, by: Actor, values: Mapping[str, Any]) -> Row:
        row = self.model(**values)
        self.edits.create(db, by, row, values)
        return row


@dataclass(frozen=True)
class Archivable(Changeable[Row]):
    def set_archived(self, db: Session, by: Actor, key: int, archived: bool) -> None:
        """Archives or restores. Raises NotFound."""
        self.edits.set_archived(db, by, self.lock(db, by, key), archived)


@dataclass(frozen=True)
class Resource(Creatable[Row], Archivable[Row]):
    """All plain actions."""


@dataclass(frozen=True)
class Permissions:
    read: str
    create: str
    update: str
    archive: str

    @classmethod
    def of(cls, read: str, update: str) -> "Permissions":
        """Who may change a record may also create, archive and restore it."""
        return cls(read, update, update, update)


@dataclass(frozen=True)
class Reads:
    """How records of one kind are read.

    Args:
        page: a page of the list; its arguments are the session, the user, the limit, the cursor and the filters.
        one: a record as in the list, by its id. None: there is no such route.
        may_lag: the list may come from the replica.
    """

    item: type[BaseModel]
    filters: type[BaseModel]
    page: Callable[[Session, Actor, int, str | None, Any], Page[Any]]
    one: Callable[[Session, Actor, int], BaseModel] | None = None
    may_lag: bool = False


@dataclass(frozen=True)
class Refused:
    """Further statuses of the routes, such as 404 for an unknown tenant."""

    list_and_create: tuple[int, ...] = ()
    archive: tuple[int, ...] = ()
    restore: tuple[int, ...] = ()


def add_routes(
    router: APIRouter,
    path: str,
    resource: Changeable[Any],
    permissions: Permissions,
    reads: Reads,
    *,
    refused: Refused = Refused(),
    id_name: str = "",
) -> None:
    """Adds the routes: list, read if `reads.one` is given, create if the resource has it, and those of
    `add_change_routes`.

    Args:
        path: also the list's name.
        id_name: the id's name in the paths, where it is not that of the audit log's subject.
    """
    subject, item, filters = resource.edits.subject, reads.item, reads.filters
    reader, filters_type = Annotated[Actor, allow(permissions.read)], Annotated[filters, Query()]
    list_session = ReadDb if reads.may_lag else Db

    @router.get(
        path,
        name=path.strip("/").replace("-", "_"),
        response_model=Page[item],
        responses=refusals(*refused.list_and_create),
    )
    def list_page(
        actor: reader, db: list_session, query: filters_type, limit: Limit = 50, cursor: Cursor = None
    ) -> Any:
        return reads.page(db, actor, limit, cursor, query)

    if isinstance(resource, Creatable):
        creator, new_type = Annotated[Actor, allow(permissions.create)], resource.new_model

        @router.post(path, name=f"create_{subject}", status_code=201, responses=refusals(*refused.list_and_create, 409))
        def create(actor: creator, db: Db, new: new_type) -> Created:
            return Created(id=resource.create(db, actor, new).id)

    if (one := reads.one) is not None:
        one_path, key_type = _record_path(path, resource, id_name)

        @router.get(one_path, name=subject, response_model=item, responses=refusals(404))
        def read(actor: reader, db: Db, key: key_type) -> Any:
            return one(db, actor, key)

    add_change_routes(router, path, resource, permissions, refused=refused, id_name=id_name)


def add_change_routes(
    router: APIRouter,
    path: str,
    resource: Changeable[Any],
    permissions: Permissions,
    *,
    refused: Refused = Refused(),
    id_name: str = "",
) -> None:
    """Adds the routes: change, and archive and restore if the resource has them. The arguments are as of
    `add_routes`."""
    subject, change_type = resource.edits.subject, resource.change_model
    one_path, key_type = _record_path(path, resource, id_name)
    editor = Annotated[Actor, allow(permissions.update)]

    @router.patch(one_path, name=f"change_{subject}", status_code=204, responses=refusals(404, 409))
    def change(actor: editor, db: Db, key: key_type, new: change_type) -> None:
        resource.change(db, actor, key, new)

    if not isinstance(resource, Archivable):
        return
    archiver = Annotated[Actor, allow(permissions.archive)]
    archive_responses, restore_responses = refusals(404, *refused.archive), refusals(404, *refused.restore)

    @router.post(f"{one_path}/archive", name=f"archive_{subject}", status_code=204, responses=archive_responses)
    def archive(actor: archiver, db: Db, key: key_type) -> None:
        resource.set_archived(db, actor, key, True)

    @router.post(f"{one_path}/restore", name=f"restore_{subject}", status_code=204, responses=restore_responses)
    def restore(actor: archiver, db: Db, key: key_type) -> None:
        resource.set_archived(db, actor, key, False)


def _record_path(path: str, resource: Changeable[Any], id_name: str) -> tuple[str, Any]:
    """A record's path, and the type of the id in it."""
    id_name = id_name or f"{resource.edits.subject}_id"
    return f"{path}/{{{id_name}}}", Annotated[int, Path(alias=id_name, ge=1, lt=2**63)]
