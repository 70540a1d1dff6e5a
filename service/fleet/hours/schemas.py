"""Request and response models of the routes for learned hours."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict


class Switch(BaseModel):
    """Whether alerts wait for the learned opening hours."""

    model_config = ConfigDict(extra="forbid")

    learned_hours: bool


class SpanItem(BaseModel):
    """From one full hour to another, Tokyo time; `closes` beyond 24 is on the day after."""

    opens: int
    closes: int


class CustomerHours(BaseModel):
    """`setting`: whether this installation uses learned hours at all."""

    setting: bool
    learned_hours: bool


class TerminalHours(BaseModel):
    """`learned_hours` is the terminal's switch, `customer` its customer's, `setting` that of the installation: an alert
    waits for the opening when all three are on. `week`: the opening spans of each weekday from Monday; null while fewer
    days than `days_needed` are known, or they have no hour in common. `alert_after`: when the present silence becomes
    an alert; null when it does not wait for an opening."""

    as_of: datetime
    setting: bool
    customer: bool
    learned_hours: bool
    learned_until: datetime | None
    days: int
    days_needed: int
    week: list[list[SpanItem]] | None
    alert_after: datetime | None
