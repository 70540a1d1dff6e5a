"""Requests a reading of an image, leases images to readers, and accepts proposed values."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from service.agencies.models import Request, Site
from service.agencies.ocr import queries, rules, schemas
from service.agencies.ocr.models import Reading
from service.agencies.ocr.rules import State
from service.agencies.requests import queries as requests
from service.agencies.requests.models import Image
from service.agencies.rules import AREA, Decision
from service.agencies.settings import settings
from service.agencies.sites import actions as sites
from service.agencies.sites.schemas import SiteChange
from service.core import audit
from service.core.access.auth import Actor
from service.core.audit import Changes
from service.core.database.clock import app_now
from service.core.files.records import get_attached
from service.core.problems import Conflict, Invalid
from service.core.values.times import local_date

OFF = "このGenbaでは、明細の読み取りを使用していません。項目は画像を見て入力してください。"
FAILED = "画像を読み取れませんでした。項目は画像を見て入力してください。"
READER_DIED = "読み取りの途中でプログラムが繰り返し停止しました。項目は画像を見て入力してください。"
NOT_READ = "この項目は、この画像から読み取れていません。地点の入力欄に直接入力してください。"
INVALID_INPUT = "入力内容に誤りがあります。値を確認して、入力し直してください。"


@dataclass(frozen=True)
class LeasedImage:
    """An image leased to one reader. `company`: the code of 現在の電力会社, if it is known."""

    reading_id: int
    lease: uuid.UUID
    storage_key: str
    company: str | None
    today: date


def request_reading(db: Session, by: Actor, request: Request, image: Image) -> Reading:
    """Queues an image to be read, or read again; nothing changes when it is queued or being read. The caller must have
    locked the request.

    Raises Conflict when images cannot be read.
    """
    if not settings().ocr:
        raise Conflict(OFF)
    if problem := queries.problem(db):
        raise Conflict(problem)
    reading = queries.find_by_image(db, image)
    if reading is not None and reading.state in (State.WAITING, State.READING):
        return reading
    now = app_now(db)
    if reading is None:
        reading = Reading(agency_id=request.agency_id, request_id=request.id, image_id=image.id)
        db.add(reading)
    reading.state, reading.error, reading.attempts, reading.decisions = State.WAITING.value, "", 0, {}
    reading.asked_by, reading.created_at, reading.done_at = by.user_id, now, None
    image.ocr_result = None
    db.flush()
    after = {"request_id": request.id, "image_id": image.id}
    audit.record(db, by, "create", AREA.name, "reading", reading.id, after=after)
    return reading


def claim(db: Session) -> LeasedImage | None:
    """Leases the image that has waited longest, for `LEASE`; commit before reading it. An image whose readers died
    `MAX_ATTEMPTS` times is marked as failed."""
    is_due = or_(Reading.state == State.WAITING, and_(Reading.state == State.READING, Reading.lease_until < func.now()))
    oldest = select(Reading).where(is_due).order_by(Reading.created_at, Reading.id).limit(1)
    while (reading := db.scalars(oldest.with_for_update(skip_locked=True)).one_or_none()) is not None:
        if reading.attempts < rules.MAX_ATTEMPTS:
            return _lease_image(db, reading)
        _end(db, reading, State.FAILED, READER_DIED)
        db.flush()  # so that it is no longer found
    return None


def _lease_image(db: Session, reading: Reading) -> LeasedImage:
    lease = uuid.uuid4()
    reading.state, reading.attempts, reading.lease = State.READING.value, reading.attempts + 1, lease
    reading.lease_until = func.now() + rules.LEASE
    image = db.get_one(Image, reading.image_id)
    site = db.get(Site, image.site_id) if image.site_id else None
    db.flush()
    return LeasedImage(
        reading_id=reading.id,
        lease=lease,
        storage_key=get_attached(db, image.file_id).storage_key,
        company=(site.power_supplier_type or None) if site else None,
        today=local_date(app_now(db)),
    )


def finish(db: Session, leased: LeasedImage, result: Mapping[str, Any] | None) -> bool:
    """Stores the result of a reading; None: it failed. Returns False when the lease has passed to another reader."""
    statement = select(Reading).where(Reading.id == leased.reading_id, Reading.lease == leased.lease).with_for_update()
    reading = db.scalars(statement.execution_options(populate_existing=True)).one_or_none()
    if reading is None:
        return False
    if result is None:
        _end(db, reading, State.FAILED, FAILED)
    else:
        db.get_one(Image, reading.image_id).ocr_result = dict(result)
        _end(db, reading, State.DONE)
    return True


def _end(db: Session, reading: Reading, state: State, error: str = "") -> None:
    now = app_now(db)
    reading.state, reading.error, reading.done_at = state.value, error, now
    reading.lease = reading.lease_until = None


def accept(db: Session, by: Actor, request: Request, reading: Reading, new: schemas.Accepted) -> None:
    """Writes one field of a site as the site's form does, and stores whether the proposal was right.

    Raises as `sites.actions.change`, and Invalid for a field that was not read.
    """
    site = requests.get_site(db, request, new.site_id)
    proposals = (db.get_one(Image, reading.image_id).ocr_result or {}).get("fields", {})
    if new.field not in proposals:
        raise Invalid.at_field("field", NOT_READ)
    try:
        value = rules.normalize_value(new.field, new.value, local_date(app_now(db)))
    except ValueError as error:
        raise Invalid(INVALID_INPUT, [("value", str(error))]) from None
    is_same = rules.is_same(new.field, value, proposals[new.field]["value"])
    decision = Decision.ACCEPTED if is_same else Decision.CORRECTED

    def decide() -> Changes:
        reading.decisions = {**reading.decisions, new.field: decision.value}
        return {}, {"field": new.field, "image_id": reading.image_id, "decision": decision.value}

    change = SiteChange.model_validate({"version": new.version, new.field: value})
    sites.change(db, by, site, change, parts=decide)
    db.flush()
