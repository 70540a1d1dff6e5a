"""What a mail about a device can be."""

from __future__ import annotations

from enum import StrEnum


class Notice(StrEnum):
    """A change of 0-4.ステータス that a form told of, or a 返却予定日 that comes or has passed."""

    CHANGE = "change"
    REMINDER = "reminder"
