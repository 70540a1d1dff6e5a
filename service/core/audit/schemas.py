"""Entries of the audit log as they are read, with titles for their codes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pydantic import BaseModel


@dataclass(frozen=True)
class Change:
    """A field that differs: its `title`, and values as text, null where there is none. Secrets are masked."""

    field: str
    title: str
    before: str | None
    after: str | None


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
    other …`_title` are titles of the codes."""

    user_id: int | None
    actor: str
    actor_name: str | None
    address: str
    area: str
    area_title: str
    subject: str
    subject_id: str


class Choices(BaseModel):
    """The choices of the filters: code → title."""

    areas: dict[str, str]
    actions: dict[str, str]
    subjects: dict[str, str]
