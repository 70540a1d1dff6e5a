"""The demo's people and data: the documents' own examples. Never loaded outside demo mode; safe to run again."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module

from sqlalchemy.orm import Session

from service.core.areas import AREAS
from service.core.database.installation import mark_as_demo

# Whichever area is filled alone: its tables may refer to those of files.
from service.core.files import records as records
from service.demo import people


def fill(db: Session, areas: Iterable[str] = AREAS) -> None:
    """People first: an area's data may be somebody's."""
    mark_as_demo(db)
    people.fill(db)
    for area in areas:
        import_module(f"service.demo.{area}").fill(db)
