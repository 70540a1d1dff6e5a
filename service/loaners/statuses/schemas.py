"""Request and response models of status changes."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from service.core.values.texts import NO_NUL, ONE_LINE, Instant, RecordId, RecordVersion
from service.loaners.forms.rules import MAX_ANSWER_LENGTH
from service.loaners.forms.schemas import QuestionKey, ShownQuestion
from service.loaners.rules import Deposit, Kind

Answer = Annotated[str, Field(max_length=MAX_ANSWER_LENGTH + 100, pattern=NO_NUL)]


class Answers(BaseModel):
    """The answers of a form. `form` is its version; `based_on`: the last form event that the page had (None: none), for
    optimistic locking; `effective_at` None: now."""

    model_config = ConfigDict(extra="forbid")

    form: RecordVersion
    answers: Annotated[dict[QuestionKey, Answer], Field(max_length=200)]
    effective_at: Instant | None = None
    based_on: RecordId | None = None


class Checked(Answers):
    """`client_id`: the idempotency key of the later submission, or of one whose response was lost."""

    client_id: uuid.UUID | None = None


class Submission(Answers):
    """`client_id` is the idempotency key: a replay gets the first answer."""

    client_id: uuid.UUID


class DepositChange(BaseModel):
    """`based_on`: the event of the state on the page, for optimistic locking. `deposit` None removes the value."""

    model_config = ConfigDict(extra="forbid")

    deposit: Deposit | None
    based_on: RecordId
    reason: Annotated[str, Field(max_length=200, pattern=ONE_LINE)] = ""


class Change(BaseModel):
    """Old and new value; "" for no value."""

    header: str
    old: str
    new: str


class Stored(BaseModel):
    """`status` is the current one. `mail_to`: the recipient of the mail. `cleared`: why the 預り機のステータス was
    removed."""

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
    """What a form would do. `warnings` do not prevent the submission. `stored`: the result of an earlier submission
    with the same `client_id`."""

    effective_at: datetime | None
    changes: list[Change]
    cleared: str | None
    mail_to: str | None
    warnings: list[str]
    stored: Stored | None = None


class DepositSet(BaseModel):
    """`event_id` None: no change."""

    event_id: int | None
    deposit: Deposit | None


class FormToFill(BaseModel):
    """The current form of a device with its initial answers."""

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
    """`exact`: the only item has exactly this number. `more`: there are more matches."""

    items: list[Candidate]
    more: bool
    exact: bool
