"""Response targets as text: how much time is left to respond, or by how much it is late."""

from __future__ import annotations

from datetime import datetime, timedelta

from dashboards.ui import times
from dashboards.ui.status import Status


def countdown(due: datetime, state: str) -> str:
    """対応期限まで3分, 対応期限を7分超過, as a badge. `state` is the service's; a time that has passed counts as
    late."""
    remaining = due - times.now()
    if remaining < timedelta():
        return Status(f"対応期限を{times.duration(-remaining)}超過", "red", "alarm").badge()
    return Status(f"対応期限まで{times.duration(remaining)}", "orange" if state == "near" else "gray", "timer").badge()
