"""What goes in and out of the hours' doors over HTTP."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict


class Switch(BaseModel):
    """Whether hours are learned, and waited for."""

    model_config = ConfigDict(extra="forbid")

    learned_hours: bool


class SpanItem(BaseModel):
    """From one full hour to another, Tokyo time; `closes` beyond 24 is the day after."""

    opens: int
    closes: int


class CustomerHours(BaseModel):
    """`setting`: whether this Genba uses learned hours at all."""

    setting: bool
    learned_hours: bool


class TerminalHours(BaseModel):
    """`learned_hours` is the terminal's own switch, `customer` its customer's, `setting` that of this Genba: silence
    waits for the opening where all three are on. `week` is null while fewer days than `days_needed` are known, or they
    have nothing in common; else of each weekday from Monday when it opens and closes. `alert_after` is when the present
    silence becomes an alert, null when it does not wait for an opening."""

    as_of: datetime
    setting: bool
    customer: bool
    learned_hours: bool
    learned_until: datetime | None
    days: int
    days_needed: int
    week: list[list[SpanItem]] | None
    alert_after: datetime | None
