"""Kinds of mails about devices."""

from __future__ import annotations

from enum import StrEnum


class Notice(StrEnum):
    """A change of 0-4.ステータス by a form, or a 返却予定日 that is near or has passed."""

    CHANGE = "change"
    REMINDER = "reminder"
