"""What is told of devices over HTTP, and what is answered."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from service.core.texts import NO_NUL, ONE_LINE, Edition, Instant, Key
from service.loaners.forms.rules import LONGEST_ANSWER
from service.loaners.forms.schemas import QuestionKey, ShownQuestion
from service.loaners.rules import Deposit, Kind

Answer = Annotated[str, Field(max_length=LONGEST_ANSWER + 100, pattern=NO_NUL)]


class Answers(BaseModel):
    """A form as it was filled in. `form` is its version; `based_on` the last form's event that the page knew of (None:
    there was none); `effective_at` None: it happens now."""

    model_config = ConfigDict(extra="forbid")

    form: Edition
    answers: Annotated[dict[QuestionKey, Answer], Field(max_length=200)]
    effective_at: Instant | None = None
    based_on: Key | None = None


class Checked(Answers):
    """`client_id`: the name under which the page will send it, or has sent it without seeing an answer."""

    client_id: uuid.UUID | None = None


class Submission(Answers):
    """`client_id` is the name that the page gave it: sent again, it is answered as the first time."""

    client_id: uuid.UUID


class DepositChange(BaseModel):
    """`based_on`: the event whose state the page showed. `deposit` None takes it away."""

    model_config = ConfigDict(extra="forbid")

    deposit: Deposit | None
    based_on: Key
    reason: Annotated[str, Field(max_length=200, pattern=ONE_LINE)] = ""


class Change(BaseModel):
    """What stood there and what stands there now; "" for nothing."""

    header: str
    old: str
    new: str


class Stored(BaseModel):
    """`status` is what holds now. `mail_to`: whom a mail was written to. `cleared`: why the 預り機のステータス was
    taken away."""

    event_id: int
    number: str
    effective_at: datetime
    recorded_at: datetime
    changes: list[Change]
    status: int | None
    status_word: str
    cleared: str | None
    mail_to: str | None


class Expected(BaseModel):
    """What a form would do. `warnings` are worth a look, and keep nobody from it. `stored`: it was stored before under
    its name, and would do nothing more."""

    effective_at: datetime | None
    changes: list[Change]
    cleared: str | None
    mail_to: str | None
    warnings: list[str]
    stored: Stored | None = None


class DepositSet(BaseModel):
    """`event_id` None: it was so already."""

    event_id: int | None
    deposit: Deposit | None


class FormToFill(BaseModel):
    """The form about a device as it is filled in now, and what it begins with."""

    as_of: datetime
    number: str
    model_name: str
    kind: Kind
    site_name: str
    status: int | None
    status_word: str
    refusal: str | None
    form_id: int
    form: int
    questions: list[ShownQuestion]
    answers: dict[str, str]
    based_on: int | None
    changed_at: datetime | None


class Candidate(BaseModel):
    number: str
    model_name: str
    site_name: str
    status: int | None
    status_word: str


class Candidates(BaseModel):
    """`exact`: it is the one that was named. `more`: there are others."""

    items: list[Candidate]
    more: bool
    exact: bool
