"""Request and response bodies of card data. No error message repeats a value of a request."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from service.agencies.fields.schemas import WithoutCard
from service.core.values.texts import ONE_LINE, NotBlank, RecordVersion

Holder = Annotated[str, Field(min_length=1, max_length=100, pattern=ONE_LINE), NotBlank, WithoutCard]
Reason = Annotated[str, Field(min_length=1, max_length=200, pattern=ONE_LINE), NotBlank, WithoutCard]
# Validated in `actions`, with messages that do not repeat the value.
_Typed = Annotated[SecretStr, Field(max_length=60)]
_Part = Annotated[str, Field(max_length=10, pattern=ONE_LINE)]


class CardIn(BaseModel):
    """A card as the user typed it; each value as in the specification, or as printed on the card."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    number: _Typed
    expire_month: _Part
    expire_year: _Part
    holder: Holder
    security_code: _Typed | None = None


class NewCard(CardIn):
    """`version` is the corporation's version that was read: the card is part of the corporation."""

    version: RecordVersion


class Why(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    reason: Reason


class Removal(Why):
    """`version` as of `NewCard`."""

    version: RecordVersion


class CardSummary(BaseModel):
    """What every user who may see the corporation sees of its card. After the number was deleted `has_number` is false
    and only the last four digits remain; `purge_at`: when it will be deleted, null while a request is open."""

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
    """The unmasked card, to be typed into the carrier's form; the page hides it after `seconds`."""

    number: str
    security_code: str | None
    expire_month: str
    expire_year: str
    holder: str
    brand: str
    seconds: int


class Intake(BaseModel):
    """Whether cards can be stored here, and security codes too; `why`: the reason when they cannot."""

    takes_number: bool
    takes_code: bool
    reveal_seconds: int
    why: str
