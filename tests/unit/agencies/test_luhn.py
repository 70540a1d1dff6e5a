"""The scanner that looks for card numbers in logs and dumps."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.luhn import card_numbers

VISA, AMEX = "4111111111111111", "378282246310005"


@pytest.mark.parametrize(
    "left",
    [
        f'{{"event": "saved", "number": "{VISA}", "id": 17}}',
        f"17\t株式会社青空\t{VISA}\t2028\n",
        f"17\t\\\\x{VISA.encode().hex()}\t\\N\n",
        f"INSERT INTO notes VALUES (1, '\\x{f'番号 {VISA}'.encode().hex()}');",
        "card=4111-1111-1111-1111 status=200",
    ],
)
def test_a_number_that_was_left_behind_is_found(left: str) -> None:
    assert card_numbers(left) == [VISA]


def test_each_number_is_told_once() -> None:
    assert card_numbers(f"{VISA}\n{AMEX}\n{VISA}\n") == [VISA, AMEX]


@pytest.mark.parametrize(
    "left",
    [
        '1\t0300111222333344445555\t2026-11-21 07:25:00.123456+00\t["2026-11-21 00:00:00+00",)',
        "2\t03-4111-1111-1111-1111-5555\t1763709900123456\t20261121072500\t7123456789012",
        "3\t41111111-1111-4111-8111-111111111111\t9223372036854775807\t0.5234567890123456",
        "4\t**** **** **** 1111\t\\\\x00ff4111111111111111aa\t\\\\x4111111111111111",
    ],
)
def test_what_a_dump_is_full_of_is_let_pass(left: str) -> None:
    assert card_numbers(left) == []


@given(st.lists(st.integers(0, 2**63 - 1).map(str) | st.uuids().map(str) | st.datetimes().map(str), max_size=30))
def test_ids_and_moments_are_found_only_when_they_are_written_as_a_card_is(values: list[str]) -> None:
    found = card_numbers("\t".join(values))

    assert all(number in values for number in found)


def test_a_thousand_ids_of_either_kind_are_let_pass() -> None:
    named = "\n".join(f"request_id={uuid.UUID(int=place * 2**90 + place)} trace={place:032x}" for place in range(1000))

    assert card_numbers(named) == []
