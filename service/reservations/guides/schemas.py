"""What goes out of the guides' doors over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from service.core.texts import Edition
from service.reservations.guides.rules import Audience


class GuideItem(BaseModel):
    """`reading`: how long it takes, in words. `url`: the public page, null where there is none."""

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
    """`blocks`: as `service.core.reports.render.content` has them, each with its `kind`."""

    title: str
    blocks: list[dict[str, Any]]


class GuideInFull(GuideItem):
    sections: list[Section]


class Sending(BaseModel):
    """`version`: the shop's, as it was read."""

    model_config = ConfigDict(extra="forbid")

    version: Edition


class Manual(BaseModel):
    """What became of the shop's manual. `state`: `none` (it is not sent by itself: no address, 利用停止 or archived),
    `due` (it will be sent within minutes), otherwise how its newest mail stands. `error`: why that did not leave."""

    state: Annotated[str, Field(pattern="^(none|due|waiting|sent|failed)$")]
    sent_at: datetime | None
    sent_to: str | None
    error: str | None
    titles: list[str]
