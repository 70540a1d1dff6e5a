"""A row of a collection sheet: device, time, and who answered. The answers are extra fields, by header."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from service.core.values.texts import ONE_LINE


class Row(BaseModel):
    model_config = ConfigDict(extra="allow")

    number: Annotated[str, Field(min_length=1, max_length=200, pattern=ONE_LINE)]
    effective_at: datetime
    status: str
    mail: Annotated[str, Field(max_length=254, pattern=ONE_LINE)] = ""
