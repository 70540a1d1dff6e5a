"""Responses of the fields' routes, and the check that keeps card numbers out of free texts."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field

from service.agencies.fields.rules import contains_card_number
from service.core.values.texts import NO_NUL

CARD_IN_TEXT = (
    "カード番号と思われる数字が含まれています。カード番号はカード情報の欄だけに入力し、ここからは削除してください。"
)


def _refuse_card_number(text: str) -> str:
    if contains_card_number(text):
        raise ValueError(CARD_IN_TEXT)
    return text


# Card numbers belong only in the card's fields. Search texts are checked too: the audit log of an export has them.
WithoutCard = AfterValidator(_refuse_card_number)
Search = Annotated[str, Field(max_length=100, pattern=NO_NUL), WithoutCard]


class Reading(BaseModel):
    """`kana` is null where the reading of the name is not certain."""

    kana: str | None
