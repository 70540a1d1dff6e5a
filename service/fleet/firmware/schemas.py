"""Request and response models of the firmware routes."""

from __future__ import annotations

import uuid
from datetime import datetime, time
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from service.core.values.messages import WrongField, described
from service.core.values.texts import NO_NUL, ONE_LINE, Name, NotBlank, RecordId
from service.fleet.firmware.rules import RolloutState, TaskState

FirmwareVersion = Annotated[
    str,
    Field(
        min_length=1,
        max_length=20,
        pattern=described(
            r"^[A-Za-z0-9][A-Za-z0-9._+-]*$",
            "半角の英数字で始まる、英数字・記号（. _ + -）で入力してください（例: 2.4.1）。",
        ),
    ),
]
Whole = Annotated[int, Field(ge=1, le=100)]
Tag = Annotated[str, Field(min_length=1, max_length=30, pattern=ONE_LINE)]


class NewFirmware(BaseModel):
    """`file_id` comes from an upload for the purpose `fleet.firmware`; `signature`: the manufacturer's, in base64."""

    model_config = ConfigDict(extra="forbid")

    file_id: uuid.UUID
    version: FirmwareVersion
    signature: Annotated[str, Field(min_length=1, max_length=200, pattern=ONE_LINE), NotBlank]
    notes: Annotated[str, Field(max_length=2000, pattern=NO_NUL)] = ""


class FirmwareItem(BaseModel):
    """`terminals`: how many terminals have reported this version."""

    id: int
    version: str
    size: int
    sha256: str
    notes: str
    terminals: int
    created_at: datetime
    created_by: str
    withdrawn_at: datetime | None


class Targets(BaseModel):
    """Terminals of these customers, with one of these tags, on one of these versions now; an empty list is no
    condition. Terminals that have the firmware already, or never sent a heartbeat, are left out."""

    model_config = ConfigDict(extra="forbid")

    customer_ids: Annotated[list[RecordId], Field(max_length=1000)] = []
    tags: Annotated[list[Tag], Field(max_length=100)] = []
    versions: Annotated[list[Annotated[str, Field(max_length=20, pattern=NO_NUL)]], Field(max_length=100)] = []


def _check_waves(waves: list[int]) -> list[int]:
    if waves != sorted(set(waves)) or waves[-1] != 100:
        raise ValueError("段階は小さい順に並べ、最後を100にしてください（例: 5, 25, 100）。")
    return waves


Waves = Annotated[list[Whole], Field(min_length=1, max_length=10), AfterValidator(_check_waves)]


class Preview(BaseModel):
    model_config = ConfigDict(extra="forbid")

    firmware_id: RecordId
    targets: Targets = Targets()
    waves: Waves = [5, 25, 100]


class WavePreview(BaseModel):
    percent: int
    terminals: int


class PreviewAnswer(BaseModel):
    """`waves` that would add no terminal are left out."""

    terminals: int
    online: int
    waves: list[WavePreview]


class NewRollout(Preview):
    """A draft. The next wave starts when `success_percent` of a wave succeeded; `error_percent` of a wave or
    `error_count` terminals pause the roll-out. A terminal succeeds after `healthy_heartbeats` good heartbeats on the
    new version; each of its steps may take `step_minutes`. The firmware is offered only between `offer_from` and
    `offer_until` (Tokyo time)."""

    name: Name
    success_percent: Whole = 90
    error_percent: Whole = 10
    error_count: Annotated[int, Field(ge=1, le=100_000)] = 5
    healthy_heartbeats: Annotated[int, Field(ge=1, le=100)] = 3
    step_minutes: Annotated[int, Field(ge=1, le=24 * 60)] = 30
    offer_from: time | None = None
    offer_until: time | None = None

    @model_validator(mode="after")
    def _is_a_window(self) -> Self:
        if (self.offer_from is None) != (self.offer_until is None):
            raise WrongField(
                "offer_until", "配信する時間帯は、開始と終了の両方を指定するか、どちらも空にしてください。"
            )
        if self.offer_from is not None and self.offer_from == self.offer_until:
            raise WrongField("offer_until", "配信する時間帯の開始と終了は、別の時刻にしてください。")
        for name, offer_time in (("offer_from", self.offer_from), ("offer_until", self.offer_until)):
            if offer_time is not None and offer_time.tzinfo is not None:
                raise WrongField(name, "配信する時間帯は、日本時間の時刻だけで指定してください（例: 22:00）。")
        return self


class Reason(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str, Field(max_length=500, pattern=NO_NUL)] = ""


class Counts(BaseModel):
    total: int
    waiting: int
    under_way: int
    succeeded: int
    failed: int
    cancelled: int


class WaveCounts(Counts):
    """`wave` counts from 0."""

    wave: int
    percent: int


class RolloutItem(BaseModel):
    """`wave`: the present one, from 0; `reason`: why it is paused or was aborted."""

    id: int
    name: str
    firmware_id: int
    firmware_version: str
    state: RolloutState
    waves: list[int]
    wave: int
    counts: Counts
    reason: str | None
    undoes_id: int | None
    created_at: datetime
    created_by: str
    started_at: datetime | None
    finished_at: datetime | None


class Target(BaseModel):
    """The targets as text: names of customers, tags, versions."""

    customers: list[str]
    tags: list[str]
    versions: list[str]


class TaskItem(BaseModel):
    """The update of one terminal. `error`: why it failed; `deadline_at`: the deadline of its present step."""

    id: int
    terminal_id: int
    serial_number: str
    customer_name: str
    store_name: str
    wave: int
    state: TaskState
    step: str | None
    percent: int | None
    from_version: str
    firmware_version: str
    healthy: int
    error: str | None
    offered_at: datetime | None
    deadline_at: datetime | None
    finished_at: datetime | None


class Side(BaseModel):
    """A cohort: its terminals, how many of them had trouble, and the sum of their observed hours until then."""

    terminals: int
    troubled: int
    hours: int


class Comparison(BaseModel):
    """Updated and waiting terminals of the roll-out, since the first update or the last resumption."""

    updated: Side
    control: Side


class RolloutDetail(RolloutItem):
    """`failed`: the first failed tasks; `took`: how many terminals run the new version now and can be rolled back;
    `comparison`: null before the first update and after the end; `preview`: only for a draft."""

    as_of: datetime
    targets: Target
    success_percent: int
    error_percent: int
    error_count: int
    healthy_heartbeats: int
    step_minutes: int
    offer_from: time | None
    offer_until: time | None
    is_open: bool
    progress: list[WaveCounts]
    failed: list[TaskItem]
    took: int
    comparison: Comparison | None
    preview: PreviewAnswer | None


class Overview(BaseModel):
    """Roll-outs by state, and how many updates are under way."""

    as_of: datetime
    running: int
    paused: int
    drafts: int
    under_way: int
    firmwares: int


class Choices(BaseModel):
    """Tags and present versions of the fleet, the most frequent first."""

    tags: list[str]
    versions: list[str]


class Undone(BaseModel):
    """`ids`: the roll-outs that restore the versions before; `missing`: versions whose image is not registered."""

    ids: list[int]
    terminals: int
    missing: list[str]


class Retried(BaseModel):
    terminals: int
