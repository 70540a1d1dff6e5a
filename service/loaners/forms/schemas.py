"""Request and response models of forms."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from service.core.edits import Edit
from service.core.values.texts import NO_NUL, ONE_LINE, NotBlank
from service.loaners.forms.rules import Meaning, State, Type
from service.loaners.rules import Kind

MAX_QUESTIONS, MAX_CHOICES = 100, 50
QuestionKey = Annotated[str, Field(min_length=1, max_length=20, pattern=ONE_LINE)]
Choice = Annotated[str, Field(min_length=1, max_length=100, pattern=ONE_LINE), NotBlank]


class Condition(BaseModel):
    """The question appears while the answer to `key` is in `one_of`."""

    model_config = ConfigDict(extra="forbid")

    key: QuestionKey
    one_of: Annotated[list[Choice], Field(min_length=1, max_length=MAX_CHOICES)]


class Question(BaseModel):
    model_config = ConfigDict(extra="forbid")

    key: QuestionKey
    title: Annotated[str, Field(min_length=1, max_length=50, pattern=ONE_LINE), NotBlank]
    type: Type
    choices: Annotated[list[Choice], Field(max_length=MAX_CHOICES)] = []
    required: bool = False
    help: Annotated[str, Field(max_length=200, pattern=NO_NUL)] = ""
    meaning: Meaning | None = None
    when: Annotated[list[Condition], Field(max_length=10)] = []


class NewDraft(BaseModel):
    model_config = ConfigDict(extra="forbid")

    kind: Kind


class DraftChange(Edit):
    """A draft may be stored with errors; a published form has none."""

    questions: Annotated[list[Question], Field(max_length=MAX_QUESTIONS)] | None = None
    note: Annotated[str, Field(max_length=200, pattern=ONE_LINE)] | None = None


class Publication(Edit):
    pass


class ShownCondition(BaseModel):
    """In a draft, the condition may be impossible."""

    key: str
    one_of: list[str]


class ShownQuestion(BaseModel):
    """`shown_when`: all conditions, those of its key included; all must be true. `when`: only the additional ones."""

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
    """`problems`: errors that prevent the publication of a draft; `differences`: its changes to the current form."""

    questions: list[ShownQuestion]
    problems: list[str]
    differences: list[str]
