"""Request and response models of cards."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from service.core.values.messages import WrongField
from service.core.values.texts import NO_NUL, RecordId
from service.entries.schemas import ClassName
from service.entries.wire import CamelModel

# NFR-S-001: a nursery has up to 500 parents.
MAX_PARENTS = 1000


class Selection(BaseModel):
    """Parents by their numbers; or those of a nursery or one of its classes. Without `nursery_id`: the user's own."""

    model_config = ConfigDict(extra="forbid")

    parent_ids: Annotated[list[RecordId], Field(max_length=MAX_PARENTS)] = []
    nursery_id: RecordId | None = None
    class_name: ClassName | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Selection:
        if self.parent_ids and (self.nursery_id is not None or self.class_name is not None):
            raise WrongField("parentIds", "保護者を選ぶか、園と組を選ぶか、どちらか一方にしてください。")
        return self


class CardLink(BaseModel):
    """A parent's active link."""

    url: str
    issued_at: datetime
    last_opened_at: datetime | None


class Issued(BaseModel):
    """`issued`: how many links are new; `there`: how many existed already."""

    issued: int
    there: int


class Mailed(BaseModel):
    """`without_mail`: parents without a mail address."""

    mailed: int
    without_mail: int


class Opening(BaseModel):
    token: Annotated[str, Field(max_length=200, pattern=NO_NUL)]


class Opened(CamelModel):
    """`modules`: the Code 128 symbol of the number, 1 is dark and 0 is light, without quiet zones."""

    parent_id: int
    parent_name: str
    nursery_name: str
    modules: str
