"""Writes of drafts. They are not in the audit log: a draft concerns only its user until it is sent."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from sqlalchemy import delete, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from service.agencies.drafts import queries
from service.agencies.drafts.models import Draft
from service.agencies.drafts.rules import Form, storage_errors
from service.agencies.drafts.schemas import Content, Save, Saved
from service.agencies.rules import AREA, DRAFT_RETENTION, MAX_IMAGES, STATEMENT
from service.core.access.auth import Actor
from service.core.database.clock import app_now
from service.core.files import records
from service.core.problems import Invalid, Stale


def save(db: Session, by: Actor, form: Form, subject: str, new: Save) -> Saved:
    """Saving the same values again is no conflict: the response to the first try may have been lost.

    Raises:
        Invalid: card data, or values that the database cannot store, by field.
        Stale: it was saved, sent or discarded elsewhere since that number was read.
    """
    if errors := storage_errors(new.values):
        raise Invalid("下書きに保存できない項目があります。ほかの項目はそのまま保存できます。", errors.items())
    is_saved = _add(db, by, form, subject, new) if new.number == 0 else _replace(db, by, form, subject, new)
    if not is_saved:
        current = queries.content(db, by, form, subject)
        if current.number == 0 or current.values != new.values:
            _refuse(new, current)
    records.extend_expiry(db, by, _images(new.values), STATEMENT, DRAFT_RETENTION)
    return Saved.model_validate(queries.content(db, by, form, subject), from_attributes=True)


def remove(db: Session, by: Actor, form: Form, subject: str) -> None:
    """Deletes a draft that was discarded or sent; does nothing when there is none."""
    db.execute(delete(Draft).where(queries.own(by, form, subject)))


def _add(db: Session, by: Actor, form: Form, subject: str, new: Save) -> bool:
    key = {"user_id": by.user_id, "agency_id": by.tenant_in(AREA.name), "form": form.value, "subject": subject}
    statement = insert(Draft).values(**key, values=new.values).on_conflict_do_nothing().returning(Draft.id)
    return db.scalar(statement) is not None


def _replace(db: Session, by: Actor, form: Form, subject: str, new: Save) -> bool:
    statement = update(Draft).where(queries.own(by, form, subject), Draft.number == new.number)
    values = {"values": new.values, "number": Draft.number + 1, "updated_at": app_now(db)}
    return db.scalar(statement.values(values).returning(Draft.id)) is not None


def _refuse(new: Save, current: Content) -> None:
    raise Stale(
        "この下書きは、別の画面（タブや端末）で先に変更されました。"
        if current.number
        else "この下書きは、別の画面（タブや端末）で送信または破棄されました。",
        yours={"values": new.values, "number": new.number},
        current={"values": current.values, "number": current.number},
    )


def _images(values: Mapping[str, Any]) -> list[uuid.UUID]:
    images = values.get("images")
    return [*_ids(images[:MAX_IMAGES])] if isinstance(images, list) else []


def _ids(images: list[Any]) -> Iterator[uuid.UUID]:
    for image in images:
        with suppress(ValueError):
            yield uuid.UUID(str(image.get("id")) if isinstance(image, dict) else str(image))
