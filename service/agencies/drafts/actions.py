"""Every write of drafts. They leave no trail: nothing of them is anybody else's before it is sent."""

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
from service.agencies.drafts.rules import Form, refusals
from service.agencies.drafts.schemas import Save
from service.agencies.rules import AREA, DRAFT_KEPT, MOST_IMAGES, STATEMENT
from service.core.auth import Actor
from service.core.clock import app_now
from service.core.files import records
from service.core.problems import Invalid, Stale


def save(db: Session, by: Actor, form: Form, subject: str, new: Save) -> dict[str, Any]:
    """What was saved already is no conflict, whoever asks a second time because the answer got lost.

    Raises:
        Invalid: something of a card, or what no database holds, by field.
        Stale: it was saved, sent or thrown away elsewhere since that number was read.
    """
    if refused := refusals(new.values):
        raise Invalid("下書きに保存できない項目があります。ほかの項目はそのまま保存できます。", refused.items())
    stored = _add(db, by, form, subject, new) if new.number == 0 else _replace(db, by, form, subject, new)
    if not stored:
        now = queries.content(db, by, form, subject)
        if now["number"] == 0 or now["values"] != new.values:
            _refuse(new, now)
    records.hold(db, by, _images(new.values), STATEMENT, DRAFT_KEPT)
    return queries.content(db, by, form, subject)


def remove(db: Session, by: Actor, form: Form, subject: str) -> None:
    """Thrown away, or sent; nothing happens when there is none."""
    db.execute(delete(Draft).where(queries.own(by, form, subject)))


def _add(db: Session, by: Actor, form: Form, subject: str, new: Save) -> bool:
    row = {"user_id": by.user_id, "agency_id": by.tenant_in(AREA.name), "form": form.value, "subject": subject}
    added = insert(Draft).values(**row, values=new.values).on_conflict_do_nothing().returning(Draft.id)
    return db.scalar(added) is not None


def _replace(db: Session, by: Actor, form: Form, subject: str, new: Save) -> bool:
    changed = update(Draft).where(queries.own(by, form, subject), Draft.number == new.number)
    now = {"values": new.values, "number": Draft.number + 1, "updated_at": app_now(db)}
    return db.scalar(changed.values(now).returning(Draft.id)) is not None


def _refuse(new: Save, now: Mapping[str, Any]) -> None:
    raise Stale(
        "この下書きは、別の画面（タブや端末）で先に変更されました。"
        if now["number"]
        else "この下書きは、別の画面（タブや端末）で送信または破棄されました。",
        yours={"values": new.values, "number": new.number},
        current={"values": now["values"], "number": now["number"]},
    )


def _images(values: Mapping[str, Any]) -> list[uuid.UUID]:
    images = values.get("images")
    return [*_ids(images[:MOST_IMAGES])] if isinstance(images, list) else []


def _ids(images: list[Any]) -> Iterator[uuid.UUID]:
    for image in images:
        with suppress(ValueError):
            yield uuid.UUID(str(image.get("id")) if isinstance(image, dict) else str(image))
