"""Request and response models of the agents' routes."""

from __future__ import annotations

import json
import uuid
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from service.core.values.messages import described
from service.core.values.texts import NO_NUL, ONE_LINE, Name, NotBlank, RecordId
from service.fleet.agents.rules import CodeState, CommandName, CommandState, Fate
from service.fleet.schemas import Serial, Version

_MAX_RESULT_BYTES = 16 * 1024


class NewEnrolment(BaseModel):
    model_config = ConfigDict(extra="ignore")

    enrolment_code: Annotated[
        str, Field(min_length=1, max_length=100, pattern=ONE_LINE), AfterValidator(lambda value: value.strip().upper())
    ]
    serial_number: Serial
    store_name: Name | None = None
    agent_version: Version | None = None


class Enrolment(BaseModel):
    """The token is returned only here; the service stores only its hash."""

    terminal_id: int
    token: str


class NewEnrolmentCode(BaseModel):
    """With a customer, the code enrols its terminals, new ones included; without, any registered terminal."""

    model_config = ConfigDict(extra="forbid")

    customer_id: RecordId | None = None
    maximum_uses: Annotated[int, Field(ge=1, le=20_000)] = 1
    valid_hours: Annotated[int, Field(ge=1, le=24 * 90)] = 72

    @property
    def lifetime(self) -> timedelta:
        return timedelta(hours=self.valid_hours)


class EnrolmentCodeAnswer(BaseModel):
    """The code is returned only here; the service stores only its hash."""

    id: int
    code: str
    expires_at: datetime
    maximum_uses: int


class EnrolmentCodeItem(BaseModel):
    """`customer_id` is null for a code that is valid for all registered terminals."""

    id: int
    customer_id: int | None
    customer_name: str | None
    state: CodeState
    uses: int
    maximum_uses: int
    created_at: datetime
    created_by: str
    expires_at: datetime
    revoked_at: datetime | None


class TokenAnswer(BaseModel):
    """`issued_at`: null when the terminal has no valid token; `renew_at`: when the agent will be asked to renew it;
    `cloned_at`: since when two agents use it."""

    issued_at: datetime | None
    renew_at: datetime | None
    cloned_at: datetime | None


class NewCommand(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Literal[CommandName.DIAGNOSE, CommandName.SEND_BUNDLE]


class CommandItem(BaseModel):
    """`result`: the agent's final report; `file_id`: the bundle it sent (`GET /api/core/files/{id}`). `told_at`: when
    the command was sent to the agent; `expires_at`: when the command expires without a report."""

    id: int
    name: CommandName
    state: CommandState
    step: str | None
    percent: int | None
    message: str | None
    result: dict[str, Any] | None
    file_id: uuid.UUID | None
    created_by: str
    created_at: datetime
    told_at: datetime | None
    reported_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime


class DeviceItem(BaseModel):
    """A present or former machine of the terminal; `fate` is null for the present one."""

    serial_number: str
    placed_at: datetime
    removed_at: datetime | None
    fate: Fate | None
    reason: str | None
    removed_by: str | None


class Devices(BaseModel):
    items: list[DeviceItem]
    total: int


class Swap(BaseModel):
    """`serial_number`: of the new machine; `fate`: what happens to the old one; `version`: as it was read (optimistic
    locking)."""

    model_config = ConfigDict(extra="forbid")

    serial_number: Serial
    fate: Fate
    reason: Annotated[str, Field(min_length=1, max_length=200, pattern=ONE_LINE), NotBlank]
    version: Annotated[int, Field(ge=1, lt=2**31)]


class Swapped(BaseModel):
    """The code enrols the new machine's agent once; it is returned only here."""

    terminal_id: int
    version: int
    serial_number: str
    code: str
    expires_at: datetime


def _check_storable(result: dict[str, Any]) -> dict[str, Any]:
    """PostgreSQL's JSON holds no NUL, no lone surrogates and no NaN."""
    try:
        encoded = json.dumps(result, allow_nan=False, ensure_ascii=False)
        size = len(encoded.encode())
    except ValueError:
        raise ValueError("保存できない値を含んでいます。") from None
    if "\\u0000" in encoded:
        raise ValueError("保存できない値を含んでいます。")
    if size > _MAX_RESULT_BYTES:
        raise ValueError(f"{_MAX_RESULT_BYTES // 1024}KB以内にしてください。")
    return result


class Report(BaseModel):
    """The progress of a command."""

    model_config = ConfigDict(extra="ignore")

    state: Literal[CommandState.ACCEPTED, CommandState.RUNNING, CommandState.DONE, CommandState.FAILED]
    step: Annotated[str, Field(max_length=30, pattern=NO_NUL)] | None = None
    percent: Annotated[int, Field(ge=0, le=100)] | None = None
    message: Annotated[str, Field(max_length=500, pattern=NO_NUL)] | None = None
    result: Annotated[dict[str, Any], AfterValidator(_check_storable)] | None = None


class ReportAnswer(BaseModel):
    """`go_on` false: the command is cancelled, expired or finished; the agent stops at its next safe point."""

    go_on: bool


class NewToken(BaseModel):
    """The SHA-256 of the token that the agent has generated; the token itself is never sent."""

    model_config = ConfigDict(extra="ignore")

    token_sha256: Annotated[
        str,
        Field(pattern=described("^[0-9a-f]{64}$", "64桁の16進数で指定してください（例: 9f86d081から始まる64桁）。")),
    ]


class BundleAnswer(BaseModel):
    file_id: uuid.UUID
