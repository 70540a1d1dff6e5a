"""Request models of the history."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field

from service.core.values.texts import NO_NUL, ONE_LINE, NotBlank

# A device's number or alias.
Number = Annotated[str, Path(min_length=1, max_length=300, pattern=NO_NUL)]


class Marking(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str, Field(min_length=1, max_length=200, pattern=ONE_LINE), NotBlank]
