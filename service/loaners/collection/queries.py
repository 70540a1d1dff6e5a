"""What rows of a collection sheet are compared with: forms, devices, and what has been taken in before."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.loaners.collection.rules import Version
from service.loaners.forms.models import Form
from service.loaners.forms.rules import DEPOSIT, read
from service.loaners.history.models import ArchivedEvent, Event
from service.loaners.history.rules import Source
from service.loaners.models import Device


def versions(db: Session) -> dict[str, list[Version]]:
    """The published forms of each kind, the oldest first."""
    found: dict[str, list[Version]] = {}
    for form in db.scalars(select(Form).where(Form.published_at.is_not(None)).order_by(Form.kind, Form.number)):
        found.setdefault(form.kind, []).append(Version(form.id, read(form.questions)))
    return found


def kinds(db: Session, device_ids: Collection[int]) -> dict[int, str]:
    return dict(db.execute(select(Device.id, Device.kind).where(Device.id.in_(device_ids))).all())


def emptied(db: Session, device_ids: Collection[int]) -> set[int]:
    """The rows of sheets about these devices that left 預り機のステータス empty."""
    found = select(Event.id).where(
        Event.device_id.in_(device_ids), Event.source == Source.IMPORT, Event.answers[DEPOSIT].astext == ""
    )
    return set(db.scalars(found))


def known_keys(db: Session, keys: Collection[str]) -> set[str]:
    """Those that are there, put away or not."""
    found: set[str] = set()
    for column in (Event.import_key, ArchivedEvent.import_key):
        found |= {key for key in db.scalars(select(column).where(column.in_(keys))) if key}
    return found
