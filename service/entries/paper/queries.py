"""What paper is made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from service.core.auth import Actor
from service.entries import queries, schemas
from service.entries.paper import rules


def listed(db: Session, by: Actor, nursery_id: int | None) -> tuple[str, list[Mapping[str, Any]]]:
    """The nursery's name, and its children by class with their parents' names. Raises NotFound."""
    nursery = queries.get_shown_nursery(db, by, nursery_id)
    found = db.execute(queries.children_to_take_along(by, schemas.ChildFilters(nursery_id=nursery.id)))
    return nursery.name, rules.by_class([dict(row) for row in found.mappings()])
