"""The model of a change comes from that of a new record."""

from __future__ import annotations

from typing import Annotated

import pytest
from pydantic import BaseModel, Field, ValidationError

from service.core.edits import Edit, change_of, entered_values


class NewBook(BaseModel):
    code: str
    title: Annotated[str, Field(max_length=5)]
    pages: int = 0


@change_of(NewBook, fixed=("code",))
class BookChange(Edit):
    """What readers correct."""

    pages: Annotated[int, Field(ge=1)] | None = None


def test_a_change_has_the_fields_of_a_new_record_each_optional_and_with_its_rules() -> None:
    assert entered_values(BookChange(version=1)) == {}
    assert entered_values(BookChange.model_validate({"version": 1, "title": "本"})) == {"title": "本"}
    with pytest.raises(ValidationError, match="title"):
        BookChange.model_validate({"version": 1, "title": "長い長い題名"})


def test_a_fixed_field_is_refused_and_a_field_that_the_change_declares_is_its_own() -> None:
    with pytest.raises(ValidationError, match="code"):
        BookChange.model_validate({"version": 1, "code": "x"})
    with pytest.raises(ValidationError, match="pages"):
        BookChange.model_validate({"version": 1, "pages": 0})


def test_a_change_keeps_its_name_and_its_words() -> None:
    assert (BookChange.__name__, BookChange.__module__, BookChange.__doc__) == (
        "BookChange",
        __name__,
        "What readers correct.",
    )
