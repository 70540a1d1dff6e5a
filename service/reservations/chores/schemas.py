"""Request and response models of the 定期作業 routes."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo

from service.core.edits import Edit, change_of
from service.core.values.messages import described
from service.core.values.periods import not_before
from service.core.values.texts import NO_NUL, Day, Instant, Name, NotBlank, RecordId, RecordVersion
from service.reservations.chores.rules import Rhythm, State
from service.reservations.history import HistoryEvent

MAX_CALENDAR_DAYS = 45


def _check_working_hours(clock: time) -> time:
    if clock.tzinfo is not None or clock.second or clock.microsecond or clock > time(17):
        raise ValueError("実施時間は、17:00までの時刻を分まで指定してください。")
    return clock


def _check_length(until: date, info: ValidationInfo) -> date:
    if "since" in info.data and (until - info.data["since"]).days >= MAX_CALENDAR_DAYS:
        raise ValueError(f"期間は、開始日から{MAX_CALENDAR_DAYS}日以内で指定してください。")
    return until


Clock = Annotated[time, AfterValidator(_check_working_hours)]
Weekday = Annotated[int, Field(ge=1, le=5)]
BusinessDay = Annotated[int, Field(ge=1, le=15)]
Estimate = Annotated[int, Field(ge=1, le=100_000)]
MinutesTaken = Annotated[int, Field(ge=0, le=100_000)]
Description = Annotated[str, Field(max_length=2000, pattern=NO_NUL)]
# Without the leading slash, with an optional query string: operations?state=all.
PageAddress = Annotated[
    str,
    Field(
        max_length=100,
        pattern=described(
            r"^[a-z0-9-]*(\?[A-Za-z0-9_=&-]*)?$",
            "画面のアドレスの、最後の / より後を入力してください（例: reservations?state=waiting）。",
        ),
    ),
]
Position = Annotated[int, Field(ge=0, le=10_000)]
Note = Annotated[str, Field(max_length=1000, pattern=NO_NUL)]
Reason = Annotated[str, Field(min_length=1, max_length=500, pattern=NO_NUL), NotBlank]
Search = Annotated[str, Field(max_length=100, pattern=NO_NUL)]
Sort = Annotated[str, Field(max_length=50)]


class ChoreFilters(BaseModel):
    """`archived`: true for ended chores only, false for active chores only."""

    q: Search | None = None
    rhythm: Rhythm | None = None
    owner: Annotated[str, Field(max_length=100, pattern=NO_NUL)] | None = None
    archived: bool = False
    sort: Sort = "position"


class ChoreItem(BaseModel):
    """`when`: the schedule as text. `minutes`: the estimate (null: 変動). `page`: where it is done. `last_…`: of the
    last turn that was done. `next_at`: when the next turn begins. `done_lately`: turns done in 30 days."""

    id: int
    version: int
    code: str | None
    title: str
    rhythm: Rhythm
    starts: time
    weekday: int | None
    business_day: int | None
    when: str
    minutes: int | None
    owner: str
    what: str
    page: str
    position: int
    last_at: datetime | None
    last_by: str | None
    next_at: datetime | None
    done_lately: int
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None


class NewChore(BaseModel):
    """`weekday` (1 is Monday) is for weekly chores, `business_day` for monthly ones (null: 月中); otherwise they are
    ignored. Without `position` the chore comes last."""

    model_config = ConfigDict(extra="forbid")

    title: Name
    rhythm: Rhythm
    starts: Clock = time(9)
    weekday: Weekday | None = None
    business_day: BusinessDay | None = None
    minutes: Estimate | None = None
    owner: Name
    what: Description = ""
    page: PageAddress = ""
    position: Position | None = None


@change_of(NewChore)
class ChoreChange(Edit):
    """Missing fields are not changed. null empties `weekday`, `business_day` and `minutes`, and leaves other fields
    unchanged. `version` is the one that was read. Untouched future turns are planned again."""


class TurnFilters(BaseModel):
    """`state`: todo (実施する時間 and 期限超過), one of the states, or all. `since` and `until`: days on which the turn
    begins, both included."""

    state: Annotated[str, Field(pattern="^(todo|planned|overdue|missed|done|skipped|all)$")] = "todo"
    rhythm: Rhythm | None = None
    owner: Annotated[str, Field(max_length=100, pattern=NO_NUL)] | None = None
    chore_id: RecordId | None = None
    since: Day | None = None
    until: Annotated[Day | None, not_before("since")] = None
    q: Search | None = None
    sort: Sort = "due_at"


class TurnItem(BaseModel):
    """`estimate`: the chore's, in minutes; null: 変動. `minutes`: how long it took. `was_late`: done after `due_at`.
    For a skipped turn, `done_at` and `done_by` say when and by whom it was skipped."""

    id: int
    version: int
    chore_id: int
    code: str | None
    title: str
    rhythm: Rhythm
    owner: str
    page: str
    estimate: int | None
    starts_at: datetime
    due_at: datetime | None
    state: State
    was_late: bool
    done_at: datetime | None
    done_by: str | None
    minutes: int | None
    note: str


class BackupFacts(BaseModel):
    """State of the daily backups. `expected`: they are enabled. `rehearsal_…`: the last test restore."""

    expected: bool
    last_at: datetime | None
    last_bytes: int | None
    kept: int | None
    failed: bool
    is_late: bool
    rehearsal_at: datetime | None
    rehearsal_ok: bool | None


class TurnDetail(TurnItem):
    """`backups`: only for データベースバックアップ確認."""

    what: str
    when: str
    events: list[HistoryEvent]
    backups: BackupFacts | None


class Counts(BaseModel):
    """For the menu and the summary line of the page. `todo`: turns that can be done now, including `overdue`. `today`:
    open turns that are due today. `done_today`: turns done today. `next_…`: the next turn."""

    as_of: datetime
    todo: int
    overdue: int
    today: int
    done_today: int
    next_title: str | None
    next_at: datetime | None


class CalendarItem(BaseModel):
    """A turn, shown on the day it is due or was done."""

    id: int
    version: int
    title: str
    rhythm: Rhythm
    owner: str
    starts_at: datetime
    due_at: datetime | None
    state: State


class CalendarDay(BaseModel):
    """`holiday`: the name of the holiday, if it is one."""

    day: date
    is_business_day: bool
    holiday: str | None
    items: list[CalendarItem]


class CalendarFilters(BaseModel):
    """Both days are included; MAX_CALENDAR_DAYS at most."""

    since: Day
    until: Annotated[Day, not_before("since"), AfterValidator(_check_length)]


class Calendar(BaseModel):
    as_of: datetime
    days: list[CalendarDay]


class Finish(Edit):
    """Without `done_at`: done now. `minutes`: how long it took."""

    done_at: Instant | None = None
    minutes: MinutesTaken | None = None
    note: Note = ""


class Read(BaseModel):
    model_config = ConfigDict(extra="forbid")

    id: RecordId
    version: RecordVersion


class FinishMany(BaseModel):
    """All turns are marked as done now, or none is."""

    model_config = ConfigDict(extra="forbid")

    turns: Annotated[list[Read], Field(min_length=1, max_length=100)]
    note: Note = ""


class Because(Edit):
    reason: Reason


class NewRecord(BaseModel):
    """A 随時 chore was done. Without `done_at`: done now."""

    model_config = ConfigDict(extra="forbid")

    done_at: Instant | None = None
    minutes: MinutesTaken | None = None
    note: Note = ""


class Done(BaseModel):
    done: int
