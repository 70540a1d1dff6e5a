"""Queries of readings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.agencies.models import Request
from service.agencies.ocr import rules, schemas
from service.agencies.ocr.models import Reading
from service.agencies.requests import queries as requests
from service.agencies.requests.models import Image
from service.agencies.settings import settings
from service.core.access.identity import User
from service.core.monitoring.health import JobHeartbeat

JOB = "agencies.read"
ABSENT = "指定された読み取り結果は見つかりません。案件を開き直してください。"
READER_MISSING = (
    "明細を読み取るプログラムが動いていないため、いまは読み取りできません。項目は画像を見て入力してください。"
    "管理者の方は、サーバーで「make setup-ocr」を実行してGenbaを再起動し、システム状態を確認してください。"
)


def problem(db: Session) -> str:
    """Why images cannot be read now; "" when they can."""
    heartbeat = select(JobHeartbeat.name).where(
        JobHeartbeat.name == JOB, JobHeartbeat.at > func.now() - rules.READER_TIMEOUT
    )
    return "" if db.scalar(heartbeat) else READER_MISSING


def readings(db: Session, request: Request) -> schemas.Readings:
    """Readings of the request's images, in the order in which they were requested."""
    rows = db.execute(
        select(Reading, Image, User.name)
        .join(Image, Image.id == Reading.image_id)
        .join(User, User.id == Reading.asked_by)
        .where(Reading.request_id == request.id)
        .order_by(Reading.id)
        .execution_options(populate_existing=True)
    )
    items = [_item(reading, image, name) for reading, image, name in rows]
    is_on = settings().ocr
    return schemas.Readings(items=items, total=len(items), is_on=is_on, problem=problem(db) if is_on else "")


def _item(reading: Reading, image: Image, asked_by: str) -> schemas.ReadingItem:
    result: Mapping[str, Any] = (image.ocr_result or {}) if reading.state == rules.State.DONE else {}
    proposals: Mapping[str, Mapping[str, Any]] = result.get("fields", {})
    item = {
        "id": reading.id,
        "image_id": reading.image_id,
        "site_id": image.site_id,
        "state": reading.state,
        "error": reading.error,
        "engine": result.get("engine", ""),
        "turn": result.get("turn", 0),
        "fields": [
            {
                "field": name,
                **proposals[name],
                "is_sure": rules.Proposal(**proposals[name]).is_sure,
                "decision": reading.decisions.get(name),
            }
            for name in rules.FIELDS
            if name in proposals
        ],
        "missing": [name for name in rules.FIELDS if name not in proposals] if result else [],
        "asked_by_name": asked_by,
        "created_at": reading.created_at,
        "done_at": reading.done_at,
    }
    return schemas.ReadingItem.model_validate(item)


def reading(db: Session, request: Request, reading_id: int) -> schemas.ReadingItem:
    """Raises NotFound, also for a reading of another request."""
    get_reading(db, request, reading_id)
    [match] = [item for item in readings(db, request).items if item.id == reading_id]
    return match


def get_reading(db: Session, request: Request, reading_id: int) -> Reading:
    """Raises NotFound."""
    return requests.get_part(db, request, Reading, reading_id, ABSENT)


def find_by_image(db: Session, image: Image) -> Reading | None:
    statement = select(Reading).where(Reading.image_id == image.id)
    return db.scalars(statement.execution_options(populate_existing=True)).one_or_none()
