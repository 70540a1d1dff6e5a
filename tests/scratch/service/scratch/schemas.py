"""Scratch: schemas."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class NoteItem(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    text: str


class NoteText(BaseModel):
    text: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
