"""What rows of a collection sheet are compared with: forms, devices, and rows that were imported before."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.loaners.collection.rules import Version
from service.loaners.forms.models import Form
from service.loaners.forms.rules import DEPOSIT, load_questions
from service.loaners.history.models import ArchivedEvent, Event
from service.loaners.history.rules import Source
from service.loaners.models import Device


def form_versions(db: Session) -> dict[str, list[Version]]:
    """The published forms of each kind, oldest first."""
    by_kind: dict[str, list[Version]] = {}
    for form in db.scalars(select(Form).where(Form.published_at.is_not(None)).order_by(Form.kind, Form.number)):
        by_kind.setdefault(form.kind, []).append(Version(form.id, load_questions(form.questions)))
    return by_kind


def device_kinds(db: Session, device_ids: Collection[int]) -> dict[int, str]:
    return dict(db.execute(select(Device.id, Device.kind).where(Device.id.in_(device_ids))).all())


def emptied_event_ids(db: Session, device_ids: Collection[int]) -> set[int]:
    """Imported events of these devices with an empty 預り機のステータス."""
    statement = select(Event.id).where(
        Event.device_id.in_(device_ids), Event.source == Source.IMPORT, Event.answers[DEPOSIT].astext == ""
    )
    return set(db.scalars(statement))


def stored_keys(db: Session, keys: Collection[str]) -> set[str]:
    """Those of the keys that are stored, in archived events too."""
    stored: set[str] = set()
    for column in (Event.import_key, ArchivedEvent.import_key):
        stored |= {key for key in db.scalars(select(column).where(column.in_(keys))) if key}
    return stored
