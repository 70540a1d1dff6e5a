"""Request and response models of stations."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from service.core.values.texts import NO_NUL, ONE_LINE, Instant
from service.entries.wire import CamelModel, UtcTimestamp

Version = Annotated[str, Field(max_length=20, pattern=NO_NUL)]
Count = Annotated[int, Field(ge=0, le=100_000)]


class LogIn(CamelModel):
    """The document's A.3; `device_id` is the id that the browser created."""

    nursery_code: Annotated[str, Field(min_length=1, max_length=50, pattern=NO_NUL)]
    password: Annotated[str, Field(min_length=1, max_length=1024)]
    device_id: uuid.UUID | None = None
    app_version: Version = ""


class LoggedIn(CamelModel):
    token: str
    nursery_id: int
    nursery_name: str
    expires_at: UtcTimestamp


class Pulse(CamelModel):
    """State reported by a station; a heartbeat may have no body (A.4)."""

    sent_at: Instant | None = None
    queue_depth: Count = 0
    needs_attention: Count = 0
    oldest_queued_at: Instant | None = None
    app_version: Version = ""


class Renewed(CamelModel):
    """The document's A.4, and more data that a station needs."""

    token: str
    expires_at: UtcTimestamp
    server_time: UtcTimestamp
    nursery_name: str
    offline_cap: int
    roster_version: str


class RosterParent(CamelModel):
    id: int
    name: str


class Roster(CamelModel):
    version: str
    parents: list[RosterParent]


class StationItem(BaseModel):
    """A device for staff. `queue_depth`: scans in its offline queue; `needs_attention`: scans that were refused; both
    as of `last_seen_at`. `skew_seconds`: how far its clock is ahead of the server's."""

    id: int
    nursery_id: int
    nursery_name: str
    label: str
    user_agent: str
    address: str
    app_version: str
    created_at: datetime
    last_seen_at: datetime
    token_expires_at: datetime
    queue_depth: int
    needs_attention: int
    oldest_queued_at: datetime | None
    skew_seconds: int | None
    is_silent: bool
    revoked_at: datetime | None


class StationChange(BaseModel):
    model_config = ConfigDict(extra="forbid")

    label: Annotated[str, Field(max_length=50, pattern=ONE_LINE)]
