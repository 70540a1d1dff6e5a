"""Card numbers, expiry dates and security codes, and the detection of card numbers in free text."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.agencies.fields import rules

TODAY = date(2026, 11, 21)
# The numbers that the brands publish for tests.
VISA, MASTERCARD, JCB, AMEX, DINERS, DISCOVER = (
    "4111111111111111",
    "5555555555554444",
    "3530111333300000",
    "378282246310005",
    "30569309025904",
    "6011111111111117",
)
SUPPLY_POINT = "03-0011-1222-3333-4444-5555"


@pytest.mark.parametrize(
    ("number", "brand"),
    [
        (VISA, "VISA"),
        (MASTERCARD, "Mastercard"),
        ("2223003122003222", "Mastercard"),
        (JCB, "JCB"),
        (AMEX, "AMEX"),
        (DINERS, "Diners"),
        (DISCOVER, ""),
    ],
)
def test_a_card_is_known_by_its_number(number: str, brand: str) -> None:
    assert rules.card_number(number) == number
    assert rules.card_brand(number) == brand


@pytest.mark.parametrize("typed", ["4111 1111 1111 1111", "4111-1111-1111-1111", "４１１１１１１１１１１１１１１１"])
def test_a_card_number_is_stored_as_digits(typed: str) -> None:
    assert rules.card_number(typed) == VISA


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("4111111111111112", "カードと見比べて"),
        ("411111111111111", "カードと見比べて"),
        ("0000000000000000", "カードと見比べて"),
        ("41111111", "入力は8桁"),
        ("4111-1111-1111-111x", "数字、スペース、ハイフンだけ"),
        ("", "数字、スペース、ハイフンだけ"),
    ],
)
def test_a_refused_card_number_is_not_repeated(typed: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as refused:
        rules.card_number(typed)
    assert "4111" not in str(refused.value)


@pytest.mark.parametrize(
    ("month", "year"), [("11", "26"), (11, 2026), ("１１", "２０２６"), ("3", "28"), ("03", "2046"), ("11", "2046")]
)
def test_a_card_is_good_until_its_month_ends(month: int | str, year: int | str) -> None:
    stored_month, stored_year = rules.card_expiry(month, year, TODAY)
    assert 1 <= stored_month <= 12
    assert 2026 <= stored_year <= 2046


@pytest.mark.parametrize(
    ("month", "year", "why"),
    [
        ("10", "26", "切れて"),
        ("12", "2046", "20年より先"),
        ("13", "28", "1～12"),
        ("0", "28", "1～12"),
        ("1", "1928", "下2桁"),
        ("1", "", "下2桁"),
    ],
)
def test_an_impossible_expiry_is_refused_with_a_message(month: str, year: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        rules.card_expiry(month, year, TODAY)


@pytest.mark.parametrize(
    ("typed", "brand"), [("123", "VISA"), ("１２３", "JCB"), ("1234", "AMEX"), ("123", ""), ("1234", "")]
)
def test_a_security_code_has_the_length_of_its_brand(typed: str, brand: str) -> None:
    assert rules.security_code(typed, brand) in ("123", "1234")


@pytest.mark.parametrize(
    ("typed", "brand", "why"),
    [("9876", "VISA", "3桁"), ("987", "AMEX", "4桁"), ("98", "", "3～4桁"), ("abc", "", "3～4桁")],
)
def test_a_refused_security_code_is_not_repeated(typed: str, brand: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as refused:
        rules.security_code(typed, brand)
    assert typed not in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        VISA,
        "カード番号は４１１１　１１１１　１１１１　１１１１です",
        "VISA4111111111111111",
        "4111-1111-1111-1111",
        "4111ー1111ー1111ー1111",
        "4111-1111 1111-1111",
        "4111 1111 1111 1111 12 28 123",
        "4111111111111111 12/28",
        "4111 1111 1111 1111 12 2028",
        "03-1234-5678 4111 1111 1111 1111",
        "03 1234 5678 4111 1111 1111 1111",
        f"{SUPPLY_POINT} {VISA}",
        "3782 822463 10005",
        "3056 930902 5904",
        "3056 9309 0259 04",
        f"{DISCOVER}。",
    ],
)
def test_a_card_number_in_a_free_text_is_found(text: str) -> None:
    assert rules.contains_card_number(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "支払方法は口座振替です。",
        "4111111111111112",
        f"1{VISA}",
        f"{VISA}23",
        SUPPLY_POINT,
        SUPPLY_POINT.replace("-", ""),
        SUPPLY_POINT.replace("-", " "),
        "03-4111-1111-1111-1111-5555",
        "0341111111111111115555",
        "41111111111111111",
        "7123456789012",
        "2026-11-21 2026-11-28",
        "2026-11-21 07:25:00.123456",
        "20261121072500",
        "090-1234-5678 03-1234-5678",
        "530-0001 06-1234-5678",
        "0.4111111111111111",
        "41111111-1111-4111-8111-111111111111",
        "a4111111-1111-4111-1111-11111111111a",
        "f4111111111111111e4111111111111111",
    ],
)
def test_other_numbers_in_a_free_text_are_accepted(text: str) -> None:
    assert not rules.contains_card_number(text)


@st.composite
def card_numbers(draw: st.DrawFn) -> str:
    start, length = draw(st.sampled_from([("4", 16), ("51", 16), ("2720", 16), ("3589", 16), ("37", 15), ("38", 14)]))
    body = start + draw(st.text("0123456789", min_size=length - len(start) - 1, max_size=length - len(start) - 1))
    return next(body + last for last in "0123456789" if rules.contains_card_number(body + last))


@given(card_numbers(), st.text("あ、。 \n", min_size=1, max_size=5))
def test_an_accepted_card_number_is_found_in_free_text(number: str, around: str) -> None:
    assert rules.card_number(number) == number
    assert number in rules.find_card_numbers(f"{around}{number}{around}{number}{around}")


@given(card_numbers(), st.integers(0, 15), st.sampled_from("0123456789"))
def test_a_wrong_digit_in_a_card_number_is_refused(number: str, position: int, digit: str) -> None:
    typed = number[: position % len(number)] + digit + number[position % len(number) + 1 :]
    if typed != number:
        with pytest.raises(ValueError, match="カードと見比べて"):
            rules.card_number(typed)


def test_a_long_text_is_searched_quickly() -> None:
    assert not rules.contains_card_number("1234 " * 40_000)
    assert not rules.contains_card_number("1" * 200_000)
    assert not rules.contains_card_number("a1" * 100_000)
