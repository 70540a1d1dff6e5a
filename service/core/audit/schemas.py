"""Entries of the audit log as they are read, with titles for their codes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field

from service.core.audit import Action
from service.core.values.periods import not_before
from service.core.values.texts import NO_NUL, Day, RecordId

Text = Annotated[str, Field(max_length=100, pattern=NO_NUL)]


class Filters(BaseModel):
    """Days are Tokyo's, both included; `actor` is part of a login id or name, `q` part of the subject's id."""

    day_from: Day | None = None
    day_to: Annotated[Day | None, not_before("day_from")] = None
    area: Text | None = None
    actor: Text | None = None
    user_id: RecordId | None = None
    action: Action | None = None
    subject: Text | None = None
    q: Text | None = None


@dataclass(frozen=True)
class Change:
    """A field that differs: its `title`, values as text (null where there is none), and as one `text`: 業種: 飲食店 →
    事務所. Secrets are masked."""

    field: str
    title: str
    before: str | None
    after: str | None
    text: str


class HistoryItem(BaseModel):
    """An entry for the staff who work with its subject: without the address of the actor. …`_title`: as text."""

    id: int
    at: datetime
    actor_title: str
    action: str
    action_title: str
    subject_title: str
    changes: list[Change]


class AuditItem(HistoryItem):
    """`actor` is a login id or a machine's name, `actor_name` the user's name, `actor_title` a title for either; the
    other …`_title` are titles of the codes. `target`: the subject by name, 新宿店 レジ2番の障害."""

    user_id: int | None
    actor: str
    actor_name: str | None
    address: str
    area: str
    area_title: str
    subject: str
    subject_id: str
    target: str


class Choices(BaseModel):
    """The choices of the filters: code → title."""

    areas: dict[str, str]
    actions: dict[str, str]
    subjects: dict[str, str]
