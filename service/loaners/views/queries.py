"""Every read of views."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.access.auth import Actor
from service.core.database.paging import Key, Listing, Page, archived_filter, filter_values
from service.core.problems import NotFound
from service.loaners.models import Column
from service.loaners.views import schemas
from service.loaners.views.models import View
from service.loaners.views.rules import INTEGRATED, INTEGRATED_NAME, INTEGRATED_VIEW, Definition

VIEWS = Listing(
    select(
        View.id,
        View.version,
        View.key,
        View.name,
        View.description,
        View.position,
        View.filter,
        View.source,
        View.columns,
        View.created_at,
        View.updated_at,
        View.archived_at,
    ),
    model=schemas.ViewItem,
    unique=View.id,
    keys={"position": Key(View.position), "key": Key(View.key), "name": Key(View.name)},
    default="position",
    filters=archived_filter(View.archived_at),
)


def views(
    db: Session, by: Actor, limit: int, cursor: str | None, filters: schemas.ViewFilters
) -> Page[schemas.ViewItem]:
    return VIEWS.read(db, limit, cursor, filters.sort, **filter_values(filters))


def get_definition(db: Session, key: str) -> tuple[str, Definition]:
    """The name and definition of a view. Raises NotFound for an unknown or archived one."""
    if key == INTEGRATED:
        return INTEGRATED_NAME, INTEGRATED_VIEW
    view = db.scalars(select(View).where(View.key == key, View.archived_at.is_(None))).one_or_none()
    if view is None:
        raise NotFound(f"データタイプ「{key}」は見つかりません。画面を開き直して選んでください。")
    return view.name, view_definition(view)


def view_definition(view: View) -> Definition:
    return schemas.read_definition(*map(schemas.parse_json, (view.source, view.columns, view.filter)))


def custom_titles(db: Session) -> dict[str, str]:
    """Titles of custom columns, by the key of their values in `extra`."""
    return {
        str(column_id): title
        for column_id, title in db.execute(select(Column.id, Column.title).order_by(Column.position))
    }
