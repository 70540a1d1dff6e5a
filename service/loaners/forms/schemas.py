"""Forms over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from service.core.texts import NO_NUL, ONE_LINE, Edition, NotBlank
from service.loaners.forms.rules import Meaning, State, Type
from service.loaners.rules import Kind

MOST_QUESTIONS, MOST_CHOICES = 100, 50
QuestionKey = Annotated[str, Field(min_length=1, max_length=20, pattern=ONE_LINE)]
Choice = Annotated[str, Field(min_length=1, max_length=100, pattern=ONE_LINE), NotBlank]


class Condition(BaseModel):
    """Asked while the answer to `key` is one of these."""

    model_config = ConfigDict(extra="forbid")

    key: QuestionKey
    one_of: Annotated[list[Choice], Field(min_length=1, max_length=MOST_CHOICES)]


class Question(BaseModel):
    model_config = ConfigDict(extra="forbid")

    key: QuestionKey
    title: Annotated[str, Field(min_length=1, max_length=50, pattern=ONE_LINE), NotBlank]
    type: Type
    choices: Annotated[list[Choice], Field(max_length=MOST_CHOICES)] = []
    required: bool = False
    help: Annotated[str, Field(max_length=200, pattern=NO_NUL)] = ""
    meaning: Meaning | None = None
    when: Annotated[list[Condition], Field(max_length=10)] = []


class NewDraft(BaseModel):
    model_config = ConfigDict(extra="forbid")

    kind: Kind


class DraftChange(BaseModel):
    """A draft may be stored with problems; published it has none. `version` is the one that was read."""

    model_config = ConfigDict(extra="forbid")

    version: Edition
    questions: Annotated[list[Question], Field(max_length=MOST_QUESTIONS)] | None = None
    note: Annotated[str, Field(max_length=200, pattern=ONE_LINE)] | None = None


class Publication(BaseModel):
    model_config = ConfigDict(extra="forbid")

    version: Edition


class Made(BaseModel):
    id: int


class ShownCondition(BaseModel):
    """Of a draft it may be one that nothing fulfils."""

    key: str
    one_of: list[str]


class ShownQuestion(BaseModel):
    """`shown_when`: every condition, those that its key says included; all of them have to hold. `when`: those that it
    has besides."""

    key: str
    title: str
    header: str
    type: Type
    choices: list[str]
    required: bool
    help: str
    meaning: Meaning | None
    when: list[ShownCondition]
    shown_when: list[ShownCondition]


class FormItem(BaseModel):
    id: int
    kind: Kind
    kind_word: str
    number: int
    note: str
    state: State
    question_count: int
    version: int
    created_at: datetime
    updated_at: datetime
    published_at: datetime | None
    published_by: str | None


class Forms(BaseModel):
    items: list[FormItem]


class FormInFull(FormItem):
    """`problems` keep a draft from being published; `differences`: what it changes of the form that is filled in now.
    Both in words."""

    questions: list[ShownQuestion]
    problems: list[str]
    differences: list[str]
