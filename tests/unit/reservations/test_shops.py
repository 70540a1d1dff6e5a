"""Where shops stand in an order, and how files write hours and days; telephone numbers as Japan writes them."""

from __future__ import annotations

from datetime import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.values import phones
from service.reservations.shops import rules

PLACES = st.dictionaries(st.integers(1, 30), st.integers(1, 12), max_size=12)
KNOWN = {"花束": "bouquet", "bouquet": "bouquet", "ケーキ": "cake"}


@given(there=PLACES, asked=PLACES)
def test_who_is_given_a_place_has_it_and_nobody_else_stands_there(there: dict[int, int], asked: dict[int, int]) -> None:
    wanted = {one: place for place, one in {place: one for one, place in asked.items()}.items()}

    found = rules.merge_places(there, wanted)

    assert found.keys() == there.keys() | wanted.keys()
    assert {one: found[one] for one in wanted} == wanted
    assert [one for one, place in found.items() if place in wanted.values() and one not in wanted] == []


@given(there=PLACES, asked=PLACES)
def test_the_same_list_a_second_time_moves_nobody(there: dict[int, int], asked: dict[int, int]) -> None:
    wanted = {one: place for place, one in {place: one for one, place in asked.items()}.items()}
    once = rules.merge_places(there, wanted)

    assert rules.merge_places(once, wanted) == once


def test_who_is_pushed_out_takes_the_next_free_place() -> None:
    assert rules.merge_places({1: 1, 2: 2, 3: 3}, {4: 1, 2: 2}) == {4: 1, 2: 2, 3: 3, 1: 4}
    assert rules.ordered_ids({7: 2, 5: 1, 6: 1}) == [5, 6, 7]


@pytest.mark.parametrize(
    ("typed", "days"),
    [("水", [3]), ("日・水", [3, 7]), ("水曜日、日曜", [3, 7]), ("毎週月曜日", [1]), ("なし", []), ("年中無休", [])],
)
def test_closed_days_are_read_as_people_write_them(typed: str, days: list[int]) -> None:
    assert rules.parse_closed_days(typed) == days
    assert rules.parse_closed_days(rules.format_closed_days(days)) == days


@pytest.mark.parametrize("typed", ["第2水曜", "Wed", "曜", "祝"])
def test_a_closed_day_that_is_no_weekday_is_refused(typed: str) -> None:
    with pytest.raises(ValueError, match="「水・日」のように"):
        rules.parse_closed_days(typed)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("9:00", time(9)),
        ("０９：３０", time(9, 30)),
        ("20:00:00", time(20)),
        ("9時", time(9)),
        ("9時30分", time(9, 30)),
    ],
)
def test_times_are_read_as_people_write_them(typed: str, meant: time) -> None:
    assert rules.parse_clock(typed) == meant


@pytest.mark.parametrize("typed", ["25:00", "9", "9:60", "午前9時"])
def test_a_time_that_is_none_is_refused(typed: str) -> None:
    with pytest.raises(ValueError, match="「9:00」のように"):
        rules.parse_clock(typed)


def test_places_are_read_by_names_and_codes() -> None:
    assert rules.parse_places("花束:1、ケーキ：２", KNOWN) == {"bouquet": 1, "cake": 2}
    assert rules.parse_places("bouquet:3", KNOWN) == {"bouquet": 3}
    assert rules.parse_places("なし", KNOWN) == {}
    assert rules.format_places({"bouquet": 1, "cake": 2}, {"bouquet": "花束", "cake": "ケーキ"}) == "花束:1、ケーキ:2"


@pytest.mark.parametrize(
    ("typed", "said"),
    [("花束", "「花束:1」のように"), ("花束:0", "1から"), ("寿司:1", "寿司"), ("花束:1、bouquet:2", "2回")],
)
def test_places_that_say_nothing_are_refused(typed: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        rules.parse_places(typed, KNOWN)


def test_of_two_services_with_one_name_the_codes_stand_in_files() -> None:
    found = rules.service_labels([("a", "花束"), ("b", "花束"), ("c", "ケーキ")])

    assert found == {"a": "a", "b": "b", "c": "ケーキ"}


NUMBERS = [
    "03-1234-0001", "06-6123-4567", "090-1234-5678", "050-1234-5678", "0120-123-456", "0570-012-345", "0800-123-4567",
    "011-222-3333", "045-123-4567", "075-123-4567", "098-123-4567", "042-312-3456", "0422-12-3456", "04-7163-1234",
    "0154-22-1234", "0985-12-3456",
]  # fmt: skip


@pytest.mark.parametrize("written", NUMBERS)
def test_a_number_is_kept_for_dialling_and_shown_as_it_is_written(written: str) -> None:
    kept = phones.e164(written)

    assert kept == "+81" + written.replace("-", "")[1:]
    assert phones.format_phone(kept) == written


@pytest.mark.parametrize("typed", ["０３ー１２３４ー０００１", "+81 3 1234 0001", "+81(0)3-1234-0001", "(03)1234-0001"])
def test_however_it_is_written_it_is_the_same_number(typed: str) -> None:
    assert phones.e164(typed) == "+81312340001"


@pytest.mark.parametrize("typed", ["110", "03-1234-000", "090-1234-567", "03-1234-00012", "+1 212 555 0100", "電話"])
def test_what_is_no_number_of_japan_is_refused_with_an_example(typed: str) -> None:
    with pytest.raises(ValueError, match="03-1234-5678"):
        phones.e164(typed)


@pytest.mark.parametrize(
    ("asked", "digits"),
    [
        ("03-1234", "31234"),
        ("1234", "1234"),
        ("＋81 3", "3"),
        ("フラワー", None),
        ("S001", None),
        ("-", None),
        ("0", None),
    ],
)
def test_what_is_looked_for_may_be_a_part_of_a_number(asked: str, digits: str | None) -> None:
    assert phones.searched_digits(asked) == digits
