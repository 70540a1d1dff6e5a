"""Scratch: actions."""

from service.scratch import queries
from service.scratch.models import Note
from service.scratch.rules import AREA
from sqlalchemy.orm import Session

from service.core import audit
from service.core.access.auth import Actor


def rewrite(db: Session, by: Actor, note_id: int, text: str) -> Note:
    note = queries.get_note(db, note_id)
    audit.record(db, by, "update", AREA.name, "note", note.id, before={"text": note.text}, after={"text": text})
    note.text = text
    return note


def tidy(db: Session) -> int:
    return 0
