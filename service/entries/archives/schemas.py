"""Response models of the archives."""

from __future__ import annotations

import uuid
from datetime import date, datetime

from pydantic import BaseModel


class ArchiveItem(BaseModel):
    """`month` is its first day. The file is at `GET /api/core/files/{file_id}`; `size` is in bytes."""

    nursery_id: int
    nursery_name: str
    month: date
    logs: int
    made_at: datetime
    file_id: uuid.UUID
    size: int
