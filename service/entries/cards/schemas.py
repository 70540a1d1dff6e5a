"""What goes in and out of the cards' doors."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from service.core.texts import NO_NUL, Key
from service.entries.schemas import ClassName
from service.entries.wire import Wire

# NFR-S-001: a nursery has up to 500 parents.
MOST = 1000


class Selection(BaseModel):
    """Parents by their numbers; else those of a nursery (of one's own, unless one sees all), or of one class of it."""

    model_config = ConfigDict(extra="forbid")

    parent_ids: Annotated[list[Key], Field(max_length=MOST)] = []
    nursery_id: Key | None = None
    class_name: ClassName | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Selection:
        if self.parent_ids and (self.nursery_id is not None or self.class_name is not None):
            raise ValueError("保護者を選ぶか、園と組を選ぶか、どちらか一方にしてください。")
        return self


class CardLink(BaseModel):
    """A parent's link that is in force."""

    url: str
    issued_at: datetime
    last_opened_at: datetime | None


class Issued(BaseModel):
    """How many links are new, and how many there were already."""

    issued: int
    there: int


class Mailed(BaseModel):
    """`without_mail`: parents whose address is not known."""

    mailed: int
    without_mail: int


class Opening(BaseModel):
    token: Annotated[str, Field(max_length=200, pattern=NO_NUL)]


class Opened(Wire):
    """`modules`: the Code 128 symbol of the number, 1 dark and 0 light, without quiet zones."""

    parent_id: int
    parent_name: str
    nursery_name: str
    modules: str
