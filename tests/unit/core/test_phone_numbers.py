"""Japanese telephone numbers in all usual notations."""

from __future__ import annotations

import pytest

from service.core.values import phones
from service.core.values.phones import is_mobile
from service.core.values.texts import to_e164


@pytest.mark.parametrize(
    "typed",
    [
        "090-1234-5678",
        "09012345678",
        "０９０－１２３４－５６７８",
        "090 1234 5678",
        "+81 90-1234-5678",
        "+81(0)9012345678",
    ],
)
def test_all_notations_of_a_number_give_the_same_number(typed: str) -> None:
    assert to_e164(typed) == "+819012345678"


@pytest.mark.parametrize(
    ("typed", "expected"),
    [("03-1234-5678", "+81312345678"), ("0120-123-456", "+81120123456"), ("050-1234-5678", "+815012345678")],
)
def test_landlines_and_other_numbers_are_accepted(typed: str, expected: str) -> None:
    assert to_e164(typed) == expected


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "-",
        "110",
        "090-1234-567",
        "090-1234-56789",
        "+1 650 555 0100",
        "0000000000",
        "ぜろきゅうぜろ",
        "3-1234-5678",
    ],
)
def test_an_invalid_number_gives_none(typed: str) -> None:
    assert to_e164(typed) is None


def test_only_mobile_numbers_take_an_sms() -> None:
    mobile = ("+819012345678", "+818012345678", "+817012345678", "+816012345678")
    others = ("+81312345678", "+81601234567", "+815012345678", "+81120123456", "+18005550100", "09012345678")

    assert [number for number in (*mobile, *others) if is_mobile(number)] == [*mobile]


@pytest.mark.parametrize("cell", ["090-1234-5678", "09012345678", "+819012345678", "(03)1234-5678", "110", "1234-5678"])
def test_a_number_in_a_file_is_stored_unchanged(cell: str) -> None:
    assert phones.from_cell(cell) == cell


@pytest.mark.parametrize("cell", ["9012345678", "312345678", "９０１２３４５６７８"])
def test_a_number_without_its_leading_zero_is_refused_with_advice(cell: str) -> None:
    with pytest.raises(ValueError, match="先頭の0がありません"):
        phones.from_cell(cell)
