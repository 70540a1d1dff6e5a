"""Places of shops in the call order, formats of hours and days in files, and Japanese telephone numbers."""

from __future__ import annotations

from datetime import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.values import phones
from service.reservations.shops import rules

PLACES_BY_ID = st.dictionaries(st.integers(1, 30), st.integers(1, 12), max_size=12)
SERVICE_CODES = {"花束": "bouquet", "bouquet": "bouquet", "ケーキ": "cake"}


@given(existing=PLACES_BY_ID, requested=PLACES_BY_ID)
def test_a_shop_gets_its_new_place_and_no_other_shop_has_it(
    existing: dict[int, int], requested: dict[int, int]
) -> None:
    changes = {shop: place for place, shop in {place: shop for shop, place in requested.items()}.items()}

    merged = rules.merge_places(existing, changes)

    assert merged.keys() == existing.keys() | changes.keys()
    assert {shop: merged[shop] for shop in changes} == changes
    assert [shop for shop, place in merged.items() if place in changes.values() and shop not in changes] == []


@given(existing=PLACES_BY_ID, requested=PLACES_BY_ID)
def test_applying_the_same_list_again_changes_nothing(existing: dict[int, int], requested: dict[int, int]) -> None:
    changes = {shop: place for place, shop in {place: shop for shop, place in requested.items()}.items()}
    once = rules.merge_places(existing, changes)

    assert rules.merge_places(once, changes) == once


def test_a_displaced_shop_takes_the_next_free_place() -> None:
    assert rules.merge_places({1: 1, 2: 2, 3: 3}, {4: 1, 2: 2}) == {4: 1, 2: 2, 3: 3, 1: 4}
    assert rules.ordered_ids({7: 2, 5: 1, 6: 1}) == [5, 6, 7]


@pytest.mark.parametrize(
    ("typed", "days"),
    [("水", [3]), ("日・水", [3, 7]), ("水曜日、日曜", [3, 7]), ("毎週月曜日", [1]), ("なし", []), ("年中無休", [])],
)
def test_closed_days_are_parsed_in_all_usual_notations(typed: str, days: list[int]) -> None:
    assert rules.parse_closed_days(typed) == days
    assert rules.parse_closed_days(rules.format_closed_days(days)) == days


@pytest.mark.parametrize("typed", ["第2水曜", "Wed", "曜", "祝"])
def test_an_invalid_closed_day_is_refused(typed: str) -> None:
    with pytest.raises(ValueError, match="「水・日」のように"):
        rules.parse_closed_days(typed)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("9:00", time(9)),
        ("０９：３０", time(9, 30)),
        ("20:00:00", time(20)),
        ("9時", time(9)),
        ("9時30分", time(9, 30)),
    ],
)
def test_times_are_parsed_in_all_usual_notations(typed: str, expected: time) -> None:
    assert rules.parse_clock(typed) == expected


@pytest.mark.parametrize("typed", ["25:00", "9", "9:60", "午前9時"])
def test_an_invalid_time_is_refused(typed: str) -> None:
    with pytest.raises(ValueError, match="「9:00」のように"):
        rules.parse_clock(typed)


def test_places_are_parsed_with_names_and_codes() -> None:
    assert rules.parse_places("花束:1、ケーキ：２", SERVICE_CODES) == {"bouquet": 1, "cake": 2}
    assert rules.parse_places("bouquet:3", SERVICE_CODES) == {"bouquet": 3}
    assert rules.parse_places("なし", SERVICE_CODES) == {}
    assert rules.format_places({"bouquet": 1, "cake": 2}, {"bouquet": "花束", "cake": "ケーキ"}) == "花束:1、ケーキ:2"


@pytest.mark.parametrize(
    ("typed", "message"),
    [("花束", "「花束:1」のように"), ("花束:0", "1から"), ("寿司:1", "寿司"), ("花束:1、bouquet:2", "2回")],
)
def test_invalid_places_are_refused(typed: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rules.parse_places(typed, SERVICE_CODES)


def test_services_with_the_same_name_are_written_by_code() -> None:
    labels = rules.service_labels([("a", "花束"), ("b", "花束"), ("c", "ケーキ")])

    assert labels == {"a": "a", "b": "b", "c": "ケーキ"}


# Not formatted: mobile and service numbers in the first line, area codes by length below.
NUMBERS = [
    "03-1234-0001", "06-6123-4567", "090-1234-5678", "050-1234-5678", "0120-123-456", "0570-012-345", "0800-123-4567",
    "011-222-3333", "045-123-4567", "075-123-4567", "098-123-4567", "042-312-3456", "0422-12-3456", "04-7163-1234",
    "0154-22-1234", "0985-12-3456",
]  # fmt: skip


@pytest.mark.parametrize("written", NUMBERS)
def test_a_number_is_stored_as_e164_and_shown_in_japanese_format(written: str) -> None:
    stored = phones.e164(written)

    assert stored == "+81" + written.replace("-", "")[1:]
    assert phones.format_phone(stored) == written


@pytest.mark.parametrize("typed", ["０３ー１２３４ー０００１", "+81 3 1234 0001", "+81(0)3-1234-0001", "(03)1234-0001"])
def test_all_notations_give_the_same_number(typed: str) -> None:
    assert phones.e164(typed) == "+81312340001"


@pytest.mark.parametrize("typed", ["110", "03-1234-000", "090-1234-567", "03-1234-00012", "+1 212 555 0100", "電話"])
def test_an_invalid_number_is_refused_with_an_example(typed: str) -> None:
    with pytest.raises(ValueError, match="03-1234-5678"):
        phones.e164(typed)


@pytest.mark.parametrize(
    ("query", "digits"),
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
def test_a_search_may_be_for_a_part_of_a_number(query: str, digits: str | None) -> None:
    assert phones.searched_digits(query) == digits
