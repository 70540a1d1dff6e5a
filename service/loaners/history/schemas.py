"""How a device is named in an address, and what is done to an event."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field

from service.core.texts import NO_NUL, ONE_LINE, NotBlank

# Its number, or another one of it.
Number = Annotated[str, Path(min_length=1, max_length=300, pattern=NO_NUL)]


class Marking(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str, Field(min_length=1, max_length=200, pattern=ONE_LINE), NotBlank]
