"""What a card's bar code may say."""

from __future__ import annotations

import pytest

from service.entries.logs.rules import parent_id


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
    assert parent_id(scanned) == number
