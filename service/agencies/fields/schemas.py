"""What goes out of the fields' doors, and what no free text of the area may hold."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field

from service.agencies.fields.rules import holds_card_number
from service.core.texts import NO_NUL

IN_A_TEXT = (
    "カード番号と思われる数字が含まれています。カード番号はカード情報の欄だけに入力し、ここからは削除してください。"
)


def _without_card(text: str) -> str:
    if holds_card_number(text):
        raise ValueError(IN_A_TEXT)
    return text


# A card's number has one place; what was sought stands in the trail of an export.
WithoutCard = AfterValidator(_without_card)
Search = Annotated[str, Field(max_length=100, pattern=NO_NUL), WithoutCard]


class Reading(BaseModel):
    """`kana` is null where nobody can tell how the name is read."""

    kana: str | None
