"""Parent numbers in the bar code of a card, and repeated scans."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from service.entries.logs.rules import parse_parent_id, repeated_scan
from service.entries.rules import DOUBLE_SCAN


@pytest.mark.parametrize(
    ("scanned", "number"),
    [
        (123456, 123456),
        ("1", 1),
        ("9999999999", 9_999_999_999),
        ("10000000000", None),
        ("0123", None),
        ("１２", None),
        ("", None),
        ("-1", None),
    ],
)
def test_a_parents_number_has_one_to_ten_digits(scanned: int | str, number: int | None) -> None:
    assert parse_parent_id(scanned) == number


def test_a_scan_repeats_another_within_ten_seconds_and_no_longer() -> None:
    first, microsecond = datetime(2026, 1, 14, 9, tzinfo=UTC), timedelta(microseconds=1)
    assert timedelta(seconds=10) == DOUBLE_SCAN
    for sign in (1, -1):
        assert repeated_scan(first + sign * (DOUBLE_SCAN - microsecond), [first]) == first
        assert repeated_scan(first + sign * DOUBLE_SCAN, [first]) is None
