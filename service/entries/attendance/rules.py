"""出席状態: what staff entered, or what the scans suggest until then."""

from __future__ import annotations

from datetime import datetime

from service.entries.rules import Presence


def suggested_presence(first_entry: datetime | None) -> Presence | None:
    """PRESENT when the child was brought; None: nothing is known."""
    return Presence.PRESENT if first_entry is not None else None
