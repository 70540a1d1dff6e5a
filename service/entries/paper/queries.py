"""Reads for printed documents."""

from __future__ import annotations

from sqlalchemy.orm import Session

from service.core.access.auth import Actor
from service.entries import queries, schemas
from service.entries.paper.rules import ListedChild, sorted_by_class


def children_by_class(db: Session, by: Actor, nursery_id: int | None) -> tuple[str, list[ListedChild]]:
    """The nursery's name, and its children by class with their parents' names. Raises NotFound."""
    nursery = queries.get_default_nursery(db, by, nursery_id)
    rows = db.execute(queries.export_children(by, schemas.ChildFilters(nursery_id=nursery.id)))
    return nursery.name, sorted_by_class(ListedChild(row.name, row.kana, row.class_name, row.relatives) for row in rows)
