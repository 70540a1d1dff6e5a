"""What goes out of the fields' doors."""

from __future__ import annotations

from pydantic import BaseModel


class Reading(BaseModel):
    """`kana` is null where nobody can tell how the name is read."""

    kana: str | None
