"""Within which bounds maintenance may be planned."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

LONGEST = timedelta(days=31)
FARTHEST = timedelta(days=366)
# A form that was opened a while ago still says 今から with an earlier minute.
NOW = timedelta(minutes=10)


class Phase(StrEnum):
    NOW = "now"
    NEXT = "next"
    PAST = "past"


def refused(starts_at: datetime, ends_at: datetime, now: datetime) -> tuple[str, str] | None:
    """The field that is wrong with such a window, and why; None when nothing is."""
    if starts_at < now - NOW:
        return "starts_at", "開始日時には、今またはこれからの日時を指定してください。"
    if starts_at > now + FARTHEST:
        return "starts_at", "開始日時は1年以内で指定してください。"
    if ends_at <= max(starts_at, now):
        return "ends_at", "終了日時には、開始日時より後の日時を指定してください。"
    if ends_at - starts_at > LONGEST:
        return "ends_at", f"メンテナンスは{LONGEST.days}日以内で指定してください。"
    return None
