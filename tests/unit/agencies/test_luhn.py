"""The scanner that searches logs and dumps for card numbers."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.luhn import card_numbers

VISA, AMEX = "4111111111111111", "378282246310005"


@pytest.mark.parametrize(
    "text",
    [
        f'{{"event": "saved", "number": "{VISA}", "id": 17}}',
        f"17\t株式会社青空\t{VISA}\t2028\n",
        f"17\t\\\\x{VISA.encode().hex()}\t\\N\n",
        f"INSERT INTO notes VALUES (1, '\\x{f'番号 {VISA}'.encode().hex()}');",
        "card=4111-1111-1111-1111 status=200",
    ],
)
def test_a_leaked_card_number_is_found(text: str) -> None:
    assert card_numbers(text) == [VISA]


def test_each_number_is_returned_once() -> None:
    assert card_numbers(f"{VISA}\n{AMEX}\n{VISA}\n") == [VISA, AMEX]


@pytest.mark.parametrize(
    "text",
    [
        '1\t0300111222333344445555\t2026-11-21 07:25:00.123456+00\t["2026-11-21 00:00:00+00",)',
        "2\t03-4111-1111-1111-1111-5555\t1763709900123456\t20261121072500\t7123456789012",
        "3\t41111111-1111-4111-8111-111111111111\t9223372036854775807\t0.5234567890123456",
        "4\t**** **** **** 1111\t\\\\x00ff4111111111111111aa\t\\\\x4111111111111111",
    ],
)
def test_other_numbers_of_a_dump_are_not_found(text: str) -> None:
    assert card_numbers(text) == []


@given(st.lists(st.integers(0, 2**63 - 1).map(str) | st.uuids().map(str) | st.datetimes().map(str), max_size=30))
def test_ids_and_timestamps_are_found_only_if_written_like_a_card_number(values: list[str]) -> None:
    numbers = card_numbers("\t".join(values))

    assert all(number in values for number in numbers)


def test_a_thousand_request_and_trace_ids_are_not_found() -> None:
    log = "\n".join(f"request_id={uuid.UUID(int=index * 2**90 + index)} trace={index:032x}" for index in range(1000))

    assert card_numbers(log) == []
