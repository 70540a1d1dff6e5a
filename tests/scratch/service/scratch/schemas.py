"""Scratch: schemas."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from service.core.values.texts import NO_NUL


class NoteItem(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    text: str


class NoteFilters(BaseModel):
    """The list is exported without filters."""


class NoteText(BaseModel):
    text: Annotated[str, Field(min_length=1, max_length=200, pattern=NO_NUL)]
