"""Response models of 在園状況 and 統計."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, Field

from service.core.values.periods import not_before
from service.core.values.texts import RecordId
from service.core.values.times import TOKYO
from service.entries.attendance.schemas import Day
from service.entries.insights.rules import UnusualKind
from service.entries.rules import EntryType

State = Literal["in", "out", "not_come"]


class ChildNow(BaseModel):
    """`since`: time of the last scan; `by`: the parent of that scan. `overdue`: in, and the nursery has closed."""

    child_id: int
    child_name: str
    class_name: str
    state: State
    since: datetime | None
    by: str | None
    absent: bool
    overdue: bool


class Now(BaseModel):
    """`counts`: children by state; `absent` are those that staff marked absent."""

    as_of: datetime
    nursery_id: int
    nursery_name: str
    closes_at: str
    is_closed: bool
    counts: dict[str, int]
    children: list[ChildNow]


class Period(BaseModel):
    """Tokyo days, both included; four weeks up to yesterday unless given."""

    nursery_id: RecordId | None = None
    first_day: Day | None = None
    last_day: Annotated[Day | None, not_before("first_day")] = None


class Quarter(BaseModel):
    """Scans in a quarter of an hour: the average of the days that had any scans."""

    begins: str
    entries: float
    exits: float


class ScanRow(BaseModel):
    """A row of one of the lists."""

    CSV_HEADER: ClassVar[tuple[str, ...]] = ("日付", "時刻", "保護者名", "関連園児名")

    day: date
    parent_name: str
    child_names: list[str]
    at: datetime

    def csv_row(self) -> tuple[str, ...]:
        at = self.at.astimezone(TOKYO)
        return f"{at:%Y-%m-%d}", f"{at:%H:%M:%S}", self.parent_name, "、".join(self.child_names)


class Late(ScanRow):
    """Picked up after the nursery had closed."""

    CSV_HEADER = (*ScanRow.CSV_HEADER, "閉園からの分数")

    minutes: int

    def csv_row(self) -> tuple[str, ...]:
        return (*super().csv_row(), str(self.minutes))


class Odd(ScanRow):
    CSV_HEADER = (*ScanRow.CSV_HEADER, "入/出", "理由", "いつもとの差（分）")

    entry_type: EntryType
    kind: UnusualKind
    minutes: Annotated[int, Field(description="how far off, in minutes; 0 where that says nothing")]

    def csv_row(self) -> tuple[str, ...]:
        return (*super().csv_row(), self.entry_type.label, self.kind.label, str(self.minutes or ""))


class Indicator(BaseModel):
    """One of the document's KPI (2.3). `value` is null while there is nothing to measure."""

    key: Literal["KPI-001", "KPI-002", "KPI-003"]
    value: float | None
    target: float
    met: bool | None
    part: int
    whole: int


class Statistics(BaseModel):
    """Long lists have only the newest rows; the totals count all."""

    as_of: datetime
    nursery_id: int
    nursery_name: str
    first_day: date
    last_day: date
    closes_at: str
    days: int
    quarters: list[Quarter]
    busiest_entry: str | None
    busiest_exit: str | None
    late: list[Late]
    late_total: int
    unusual: list[Odd]
    unusual_total: int
    indicators: list[Indicator]
