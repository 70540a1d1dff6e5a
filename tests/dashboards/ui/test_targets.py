"""Countdowns as text with a colour."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from dashboards.ui import targets, times

NOW = datetime(2026, 11, 21, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "state", "text"),
    [
        (180, "running", ":gray-badge[:material/timer: 対応期限まで3分]"),
        (59, "near", ":orange-badge[:material/timer: 対応期限まで59秒]"),
        (0, "near", ":orange-badge[:material/timer: 対応期限まで0秒]"),
        (-420, "overdue", ":red-badge[:material/alarm: 対応期限を7分超過]"),
        (-3900, "overdue", ":red-badge[:material/alarm: 対応期限を1時間5分超過]"),
        (-1, "near", ":red-badge[:material/alarm: 対応期限を1秒超過]"),  # it passed after the service answered
    ],
)
def test_the_remaining_or_late_time_is_shown_as_text(
    monkeypatch: pytest.MonkeyPatch, seconds: int, state: str, text: str
) -> None:
    monkeypatch.setattr(times, "now", lambda: NOW)

    assert targets.countdown(NOW + timedelta(seconds=seconds), state) == text
