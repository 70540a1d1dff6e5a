"""What goes between a station and its doors."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from service.core.texts import NO_NUL, ONE_LINE, Instant
from service.entries.wire import Moment, Wire

Version = Annotated[str, Field(max_length=20, pattern=NO_NUL)]
Count = Annotated[int, Field(ge=0, le=100_000)]


class LogIn(Wire):
    """The document's A.3; `device_id` is what the browser calls itself."""

    nursery_code: Annotated[str, Field(min_length=1, max_length=50, pattern=NO_NUL)]
    password: Annotated[str, Field(min_length=1, max_length=1024)]
    device_id: uuid.UUID | None = None
    app_version: Version = ""


class LoggedIn(Wire):
    token: str
    nursery_id: int
    nursery_name: str
    expires_at: Moment


class Pulse(Wire):
    """What a station says of itself; a heartbeat without a body (A.4) says nothing."""

    sent_at: Instant | None = None
    queue_depth: Count = 0
    needs_attention: Count = 0
    oldest_queued_at: Instant | None = None
    app_version: Version = ""


class Renewed(Wire):
    """The document's A.4, and what a station needs to know besides."""

    token: str
    expires_at: Moment
    server_time: Moment
    nursery_name: str
    offline_cap: int
    roster_version: str


class RosterParent(Wire):
    id: int
    name: str


class Roster(Wire):
    version: str
    parents: list[RosterParent]


class StationItem(BaseModel):
    """A device as staff see it. `queue_depth`: scans that wait in it, `needs_attention`: those that were refused;
    both as of `last_seen_at`. `skew_seconds`: its clock is so much ahead of ours."""

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
