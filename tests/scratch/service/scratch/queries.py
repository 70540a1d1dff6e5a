"""Scratch: queries."""

from typing import Any

from service.scratch.models import Note
from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from service.core.access.auth import Actor
from service.core.access.tenants import Tenant
from service.core.problems import NotFound


def notes(db: Session, limit: int) -> dict[str, object]:
    """Without a scope on purpose: here the second layer, row-level security, must hold alone."""
    items = db.scalars(select(Note).order_by(Note.id).limit(limit)).all()
    return {"items": items, "total": db.scalar(select(func.count()).select_from(Note))}


def notes_export(_: Actor, __: object) -> Select[*tuple[Any, ...]]:
    """Without a scope, as above."""
    return select(Note.id, Note.text).order_by(Note.id)


def tenants(db: Session) -> list[Tenant]:
    agency_ids = db.scalars(select(Note.agency_id).distinct().order_by(Note.agency_id))
    return [Tenant(agency_id, f"代理店{agency_id}", True) for agency_id in agency_ids]


def get_note(db: Session, note_id: int) -> Note:
    note = db.get(Note, note_id)
    if note is None:
        raise NotFound("指定されたメモは見つかりません。一覧を開き直してください。")
    return note
