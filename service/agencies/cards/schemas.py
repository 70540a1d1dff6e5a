"""What goes in and out of the doors of card data. What comes in is never shown again."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from service.agencies.fields.schemas import WithoutCard
from service.core.texts import ONE_LINE, Edition, NotBlank

Holder = Annotated[str, Field(min_length=1, max_length=100, pattern=ONE_LINE), NotBlank, WithoutCard]
Reason = Annotated[str, Field(min_length=1, max_length=200, pattern=ONE_LINE), NotBlank, WithoutCard]
# Judged by what they hold, in words that do not repeat them.
_Typed = Annotated[SecretStr, Field(max_length=60)]
_Part = Annotated[str, Field(max_length=10, pattern=ONE_LINE)]


class CardIn(BaseModel):
    """A card as somebody typed it; each value as in the document, or as printed."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    number: _Typed
    expire_month: _Part
    expire_year: _Part
    holder: Holder
    security_code: _Typed | None = None


class NewCard(CardIn):
    """`version` is the corporation's that was read: its card is part of it."""

    version: Edition


class Why(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    reason: Reason


class Removal(Why):
    """`version` as of `NewCard`."""

    version: Edition


class CardSummary(BaseModel):
    """All that anybody reads of a card without asking for it. After it was deleted `has_number` is false and only the
    last four digits are left; `purge_at`: when it will be, null while a request is open."""

    last4: str
    brand: str
    expire_month: str
    expire_year: str
    holder: str
    has_number: bool
    has_code: bool
    stored_at: datetime
    purge_at: datetime | None


class Revealed(BaseModel):
    """The plain card, to be typed into the carrier's form now; a page hides it after `seconds`."""

    number: str
    security_code: str | None
    expire_month: str
    expire_year: str
    holder: str
    brand: str
    seconds: int


class Intake(BaseModel):
    """Whether cards can be stored here at all, and security codes besides; `why` not."""

    takes_number: bool
    takes_code: bool
    reveal_seconds: int
    why: str
