"""Every read of logs."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ARRAY, ColumnElement, String, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from service.entries.logs.models import EntryExitLog
from service.entries.models import Child, Guardianship, Parent
from service.entries.rules import DOUBLE_SCAN


def children_of(parent_id: InstrumentedAttribute[int]) -> ColumnElement[list[str]]:
    """The names of a parent's children, in the order of the nursery's lists."""
    names = (
        select(Child.name)
        .join(Guardianship, Guardianship.child_id == Child.id)
        .where(Guardianship.parent_id == parent_id, Child.archived_at.is_(None))
        .order_by(Child.kana, Child.id)
    )
    return func.array(names.scalar_subquery(), type_=ARRAY(String))


@dataclass(frozen=True)
class Known:
    """A parent as a scan needs to know it."""

    id: int
    name: str
    child_names: list[str]


def lock_parents(db: Session, nursery_id: int, ids: Sequence[int]) -> dict[int, Known]:
    """The nursery's own among them, each locked: of two scans of one parent at once, the second sees the first."""
    found = db.execute(
        select(Parent.id, Parent.name, children_of(Parent.id))
        .where(Parent.nursery_id == nursery_id, Parent.id.in_(ids), Parent.archived_at.is_(None))
        .order_by(Parent.id)
        .with_for_update(key_share=True, of=Parent)
    )
    return {parent_id: Known(parent_id, name, list(children)) for parent_id, name, children in found}


def by_event(db: Session, nursery_id: int, events: Sequence[uuid.UUID]) -> dict[uuid.UUID, EntryExitLog]:
    found = db.scalars(
        select(EntryExitLog).where(EntryExitLog.nursery_id == nursery_id, EntryExitLog.client_event_id.in_(events))
    )
    return {log.client_event_id: log for log in found if log.client_event_id is not None}


def around(db: Session, nursery_id: int, parents: Sequence[int], first: datetime, last: datetime) -> list[EntryExitLog]:
    """The logs of these parents that a scan between these moments could repeat."""
    return list(
        db.scalars(
            select(EntryExitLog).where(
                EntryExitLog.nursery_id == nursery_id,
                EntryExitLog.parent_id.in_(parents),
                EntryExitLog.timestamp > first - DOUBLE_SCAN,
                EntryExitLog.timestamp < last + DOUBLE_SCAN,
                EntryExitLog.deleted_at.is_(None),
            )
        )
    )
