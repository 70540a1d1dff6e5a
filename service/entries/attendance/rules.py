"""出席状態: what staff said, or what the scans suggest until they do."""

from __future__ import annotations

from datetime import datetime

from service.entries.rules import Presence

# What a tooltip holds (UI-AD-003).
SHOWN_AT_ONCE = 5


def suggested(first_entry: datetime | None) -> Presence | None:
    """A child that was brought is there; of one that was not, nothing is known."""
    return Presence.PRESENT if first_entry is not None else None
