"""Request and response models of the guide routes."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field

from service.core.edits import Edit
from service.reservations.guides.rules import Audience


class GuideItem(BaseModel):
    """`reading`: the reading time as text. `url`: the public page; null when the guide is not public."""

    name: str
    title: str
    audience: Audience
    audience_title: str
    reading: str
    summary: str
    url: str | None


class Guides(BaseModel):
    items: list[GuideItem]


class Section(BaseModel):
    """`blocks`: those of `service.core.reports.render.content`, each with its `kind`."""

    title: str
    blocks: list[dict[str, Any]]


class GuideInFull(GuideItem):
    sections: list[Section]


class Sending(Edit):
    """`version`: the one of the shop that was read."""


class Manual(BaseModel):
    """Delivery of the shop's manual. `state`: `none` (it is not sent automatically: no address, 利用停止 or archived),
    `due` (it will be sent within minutes), otherwise the state of the latest mail. `error`: why that mail was not
    sent."""

    state: Annotated[str, Field(pattern="^(none|due|waiting|sent|failed)$")]
    sent_at: datetime | None
    sent_to: str | None
    error: str | None
    titles: list[str]
