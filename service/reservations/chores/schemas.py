"""What goes in and out of the doors of 定期作業 over HTTP."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from service.core.texts import NO_NUL, Day, Edition, Instant, Key, Name, NotBlank
from service.reservations.chores.rules import Rhythm, State


def _while_people_work(clock: time) -> time:
    if clock.tzinfo is not None or clock.second or clock.microsecond or clock > time(17):
        raise ValueError("実施時間は、17:00までの時刻を分まで指定してください。")
    return clock


Clock = Annotated[time, AfterValidator(_while_people_work)]
Weekday = Annotated[int, Field(ge=1, le=5)]
BusinessDay = Annotated[int, Field(ge=1, le=15)]
Estimate = Annotated[int, Field(ge=1, le=100_000)]
Taken = Annotated[int, Field(ge=0, le=100_000)]
What = Annotated[str, Field(max_length=2000, pattern=NO_NUL)]
# Without the slash, with what is asked there: operations?state=all.
PageAddress = Annotated[str, Field(max_length=100, pattern=r"^[a-z0-9-]*(\?[A-Za-z0-9_=&-]*)?$")]
Position = Annotated[int, Field(ge=0, le=10_000)]
Note = Annotated[str, Field(max_length=1000, pattern=NO_NUL)]
Reason = Annotated[str, Field(min_length=1, max_length=500, pattern=NO_NUL), NotBlank]
Search = Annotated[str, Field(max_length=100, pattern=NO_NUL)]
Sort = Annotated[str, Field(max_length=50)]


class ChoreFilters(BaseModel):
    """`archived`: only those that have ended, else only those that have not."""

    q: Search | None = None
    rhythm: Rhythm | None = None
    owner: Annotated[str, Field(max_length=100, pattern=NO_NUL)] | None = None
    archived: bool = False
    sort: Sort = "position"


class ChoreItem(BaseModel):
    """`when` is the rhythm in words, `minutes` the estimate (null: 変動), `page` where it is done. `last_…`: of the
    last time it was done, `next_at`: when the next turn begins, `done_lately`: how often in 30 days."""

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
    """`weekday` (1 is Monday) is for weekly ones, `business_day` for monthly ones (null: 月中); with others they are
    ignored. Without a position it comes last."""

    model_config = ConfigDict(extra="forbid")

    title: Name
    rhythm: Rhythm
    starts: Clock = time(9)
    weekday: Weekday | None = None
    business_day: BusinessDay | None = None
    minutes: Estimate | None = None
    owner: Name
    what: What = ""
    page: PageAddress = ""
    position: Position | None = None


class ChoreChange(BaseModel):
    """What is left out stays as it is; null empties `weekday`, `business_day` and `minutes`, and leaves the rest as it
    is. `version` is the one that was read. Turns that nobody touched yet are planned anew."""

    model_config = ConfigDict(extra="forbid", from_attributes=True)

    version: Edition
    title: Name | None = None
    rhythm: Rhythm | None = None
    starts: Clock | None = None
    weekday: Weekday | None = None
    business_day: BusinessDay | None = None
    minutes: Estimate | None = None
    owner: Name | None = None
    what: What | None = None
    page: PageAddress | None = None
    position: Position | None = None


class TurnFilters(BaseModel):
    """`state`: what is to be done now (実施する時間 and 期限超過), one of the states, or all. `since` and `until` are
    days of its beginning, both included."""

    state: Annotated[str, Field(pattern="^(todo|planned|overdue|missed|done|skipped|all)$")] = "todo"
    rhythm: Rhythm | None = None
    owner: Annotated[str, Field(max_length=100, pattern=NO_NUL)] | None = None
    chore_id: Key | None = None
    since: Day | None = None
    until: Day | None = None
    q: Search | None = None
    sort: Sort = "due_at"


class TurnItem(BaseModel):
    """`estimate` in minutes is the chore's, null: 変動; `minutes` is how long it took. `was_late`: done after its
    time. `done_at` and `done_by` are also those of who skipped it."""

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


class EventItem(BaseModel):
    id: int
    at: datetime
    kind: str
    by: str
    text: str | None


class BackupFacts(BaseModel):
    """What is known of the daily backups. `expected`: they are switched on. `rehearsal_…`: the last try to restore
    one."""

    expected: bool
    last_at: datetime | None
    last_bytes: int | None
    kept: int | None
    failed: bool
    is_late: bool
    rehearsal_at: datetime | None
    rehearsal_ok: bool | None


class TurnDetail(TurnItem):
    """`backups`: only with データベースバックアップ確認."""

    what: str
    when: str
    events: list[EventItem]
    backups: BackupFacts | None


class Counts(BaseModel):
    """For the menu and the first line of the page. `todo` is what can be done now, `overdue` included; `today` of them
    were to be done today, `done_today` were done; `next_…` is what comes next."""

    as_of: datetime
    todo: int
    overdue: int
    today: int
    done_today: int
    next_title: str | None
    next_at: datetime | None


class CalendarItem(BaseModel):
    """A turn on the last day it can be done, or on the day it was."""

    id: int
    version: int
    title: str
    rhythm: Rhythm
    owner: str
    starts_at: datetime
    due_at: datetime | None
    state: State


class CalendarDay(BaseModel):
    """`holiday`: its name, if it is one."""

    day: date
    is_business_day: bool
    holiday: str | None
    items: list[CalendarItem]


class CalendarFilters(BaseModel):
    """From a day to a day, both included; 45 of them at most."""

    since: date
    until: date

    @model_validator(mode="after")
    def _is_short(self) -> CalendarFilters:
        if not 2000 <= self.since.year <= 9000 or not 0 <= (self.until - self.since).days < 45:
            raise ValueError("期間は、開始日から45日以内で指定してください。")
        return self


class Calendar(BaseModel):
    as_of: datetime
    days: list[CalendarDay]


class Finish(BaseModel):
    """Done now, or at `done_at`. `minutes`: how long it took."""

    model_config = ConfigDict(extra="forbid")

    version: Edition
    done_at: Instant | None = None
    minutes: Taken | None = None
    note: Note = ""


class Read(BaseModel):
    model_config = ConfigDict(extra="forbid")

    id: Key
    version: Edition


class FinishMany(BaseModel):
    """All of them are done now, or none is."""

    model_config = ConfigDict(extra="forbid")

    turns: Annotated[list[Read], Field(min_length=1, max_length=100)]
    note: Note = ""


class Because(BaseModel):
    model_config = ConfigDict(extra="forbid")

    version: Edition
    reason: Reason


class NewRecord(BaseModel):
    """Of a chore that is done 随時: it was done now, or at `done_at`."""

    model_config = ConfigDict(extra="forbid")

    done_at: Instant | None = None
    minutes: Taken | None = None
    note: Note = ""


class Made(BaseModel):
    id: int


class Done(BaseModel):
    done: int
