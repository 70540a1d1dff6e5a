"""Writes of images of statements."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from sqlalchemy.orm import Session

from service.agencies.models import Request
from service.agencies.requests import queries
from service.agencies.requests.models import Image
from service.agencies.rules import MAX_IMAGES, STATEMENT
from service.core.access.auth import Actor
from service.core.files import records
from service.core.problems import Conflict, Invalid, NotFound

FILE_MISSING = (
    "送信した画像の一部が見つかりません。時間がたって削除されたか、すでに別の依頼で使われています。"
    "「取り除く」を押してから、もう一度選んでください。"
)


def add(db: Session, by: Actor, request: Request, files: Sequence[uuid.UUID]) -> list[Image]:
    """Attaches files that the user has uploaded to the request, in their order. Raises Invalid for too many, and for a
    file that the user may not use. The caller's audit entry names them."""
    if not files:
        return []
    existing = len(queries.images(db, request))
    if existing + len(files) > MAX_IMAGES:
        raise Invalid.at_field(
            "images", f"明細画像は1件の依頼に{MAX_IMAGES}枚までです（登録済み{existing}枚、追加{len(files)}枚）。"
        )
    images = [_add(db, by, request, file_id) for file_id in files]
    db.flush()
    return images


def _add(db: Session, by: Actor, request: Request, file_id: uuid.UUID) -> Image:
    try:
        file = records.attach(db, by, file_id, STATEMENT, request.agency_id)
    except (NotFound, Conflict):
        raise Invalid.at_field("images", FILE_MISSING) from None
    image = Image(agency_id=request.agency_id, request_id=request.id, file_id=file.id, file_name=file.name)
    db.add(image)
    return image
