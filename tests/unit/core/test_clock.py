"""Japanese format of timestamps in Tokyo time."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from service.core.values.times import format_local_datetime


@pytest.mark.parametrize(
    ("timestamp", "text"),
    [
        (datetime(2026, 11, 21, 0, 5, tzinfo=UTC), "2026/11/21（土）9:05"),
        (datetime(2026, 11, 20, 15, 0, tzinfo=UTC), "2026/11/21（土）0:00"),
        (datetime(2026, 11, 20, 14, 59, tzinfo=UTC), "2026/11/20（金）23:59"),
        (datetime(2026, 12, 31, 15, 0, tzinfo=UTC), "2027/1/1（金）0:00"),
    ],
)
def test_a_timestamp_is_formatted_in_tokyo_time(timestamp: datetime, text: str) -> None:
    assert format_local_datetime(timestamp) == text
