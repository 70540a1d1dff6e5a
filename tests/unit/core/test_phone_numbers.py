"""Japanese telephone numbers, however people write them."""

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
def test_one_number_written_in_many_ways_is_one_number(typed: str) -> None:
    assert to_e164(typed) == "+819012345678"


@pytest.mark.parametrize(
    ("typed", "expected"),
    [("03-1234-5678", "+81312345678"), ("0120-123-456", "+81120123456"), ("050-1234-5678", "+815012345678")],
)
def test_landlines_and_others_are_numbers_too(typed: str, expected: str) -> None:
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
def test_what_is_no_japanese_number_is_none(typed: str) -> None:
    assert to_e164(typed) is None


def test_only_mobile_numbers_take_an_sms() -> None:
    mobile = ("+819012345678", "+818012345678", "+817012345678", "+816012345678")
    others = ("+81312345678", "+81601234567", "+815012345678", "+81120123456", "+18005550100", "09012345678")

    assert [one for one in (*mobile, *others) if is_mobile(one)] == [*mobile]


@pytest.mark.parametrize("kept", ["090-1234-5678", "09012345678", "+819012345678", "(03)1234-5678", "110", "1234-5678"])
def test_a_number_in_a_file_is_taken_as_it_stands_there(kept: str) -> None:
    assert phones.from_cell(kept) == kept


@pytest.mark.parametrize("lost", ["9012345678", "312345678", "９０１２３４５６７８"])
def test_a_number_whose_first_zero_a_spreadsheet_has_taken_is_refused_with_what_to_do(lost: str) -> None:
    with pytest.raises(ValueError, match="先頭の0がありません"):
        phones.from_cell(lost)
