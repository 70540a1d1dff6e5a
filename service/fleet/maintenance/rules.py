"""Limits for planning maintenance windows."""

from __future__ import annotations

from datetime import datetime, timedelta

from service.core.values.labels import Labelled

MAX_DURATION = timedelta(days=31)
MAX_AHEAD = timedelta(days=366)
# Tolerance for a start in the past: a form that was opened a while ago still sends its opening time for 今から.
START_TOLERANCE = timedelta(minutes=10)


class Phase(Labelled):
    NOW = "now", "実施中"
    NEXT = "next", "予定"
    PAST = "past", "終了"


def window_error(starts_at: datetime, ends_at: datetime, now: datetime) -> tuple[str, str] | None:
    """The invalid field of such a window and the message; None when the window is valid."""
    if starts_at < now - START_TOLERANCE:
        return "starts_at", "開始日時には、今またはこれからの日時を指定してください。"
    if starts_at > now + MAX_AHEAD:
        return "starts_at", "開始日時は1年以内で指定してください。"
    if ends_at <= max(starts_at, now):
        return "ends_at", "終了日時には、開始日時より後の日時を指定してください。"
    if ends_at - starts_at > MAX_DURATION:
        return "ends_at", f"メンテナンスは{MAX_DURATION.days}日以内で指定してください。"
    return None
