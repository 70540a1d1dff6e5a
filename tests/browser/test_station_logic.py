"""The rules of the station's JavaScript, called in the browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from service.core.exports.cells import FORMULA, in_csv
from service.entries.logs import rules as logs
from service.entries.pages import STATION_FOLDER
from service.entries.station import rules as station
from tests.conftest import Service


@pytest.fixture(scope="module")
def station_page(chromium: Browser, service: Service) -> Iterator[Page]:
    """A page of the station, which can import its modules."""
    context = chromium.new_context(locale="ja-JP", timezone_id="America/New_York", service_workers="block")
    page = context.new_page()
    page.goto(f"{service.url}/entry-exit-login")
    yield page
    context.close()


def call(page: Page, module: str, expression: str, argument: object = None) -> Any:
    name = expression.split("(")[0]
    script = f"import('/entry-exit-station/{module}.js').then(({{ {name} }}) => {expression})"
    return page.evaluate(f"(given) => {script}", argument)


@pytest.mark.parametrize(
    ("scanned", "number"),
    [
        ("123456", "123456"),
        ("1", "1"),
        ("9999999999", "9999999999"),
        ("１２３４５６", "123456"),
        ("]C0123456", "123456"),
        ("]C1123456", "123456"),
        ("」Ｃ１１２３４５６", "123456"),
        ("]Q1123456", "123456"),
        ("\x1d123456\x1d", "123456"),
        ("*123456*", "123456"),
        (" 123456\r\n", "123456"),
        ("https://genba.example.jp/parent-card?number=123456", "123456"),
        ("https://genba.example.jp/parent-card#t=abc&number=123456", "123456"),
    ],
)
def test_a_card_is_read_in_every_form_a_scanner_sends(station_page: Page, scanned: str, number: str) -> None:
    assert call(station_page, "barcode", "read(given)", scanned) == {"parentId": number}


@pytest.mark.parametrize(
    ("scanned", "refusal"),
    [
        ("12345678901", logs.NOT_A_NUMBER),
        ("abc", logs.NOT_A_NUMBER),
        ("12-34", logs.NOT_A_NUMBER),
        ("-5", logs.NOT_A_NUMBER),
        ("1 2", logs.NOT_A_NUMBER),
        ("https://elsewhere.example/?number=123456", logs.NOT_A_NUMBER),
        ("https://genba.example.jp/parent-card?token=abc", logs.NOT_A_NUMBER),
        ("0", logs.UNKNOWN_PARENT),
        ("0123456", logs.UNKNOWN_PARENT),
        ("０１２３", logs.UNKNOWN_PARENT),
    ],
)
def test_other_codes_are_refused_with_the_services_own_messages(station_page: Page, scanned: str, refusal: str) -> None:
    assert call(station_page, "barcode", "read(given)", scanned) == {"refusal": refusal}


@pytest.mark.parametrize("scanned", ["", "  ", "\x1d"])
def test_an_empty_text_is_no_scan(station_page: Page, scanned: str) -> None:
    assert call(station_page, "barcode", "read(given)", scanned) is None


def test_an_ended_session_has_the_services_own_message(station_page: Page) -> None:
    assert (
        station_page.evaluate("() => import('/entry-exit-station/words.js').then((words) => words.ENDED)")
        == station.SESSION_ENDED
    )


def test_times_are_japans_wherever_the_tablet_thinks_it_is(station_page: Page) -> None:
    time = "2026-01-13T15:05:09.123Z"

    assert call(station_page, "moments", "full(new Date(given))", time) == "2026-01-14 00:05:09"
    assert call(station_page, "moments", "hourAndMinute(new Date(given))", time) == "00:05"
    assert call(station_page, "moments", "day(new Date(given))", time) == "2026-01-14"


def test_ids_are_random_uuids_with_and_without_the_browsers_own(station_page: Page) -> None:
    uuid = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
    native_id = call(station_page, "ids", "newId()")
    station_page.evaluate("crypto.randomUUID = undefined")
    own_ids = [call(station_page, "ids", "newId()") for _ in range(5)]

    assert all(uuid.fullmatch(id_text) for id_text in [native_id, *own_ids])
    assert len({native_id, *own_ids}) == 6


def test_a_list_for_excel_has_a_bom_and_runs_nothing(station_page: Page) -> None:
    texts = ["山田花子", *(f"{sign}1+1" for sign in FORMULA), 'a"b', "a,b"]

    lines = call(station_page, "csv", "csv(given)", [["保護者名"], *([text] for text in texts)])

    quoted = [
        f'"{in_csv(text).replace(chr(34), chr(34) * 2)}"' if re.search('[",\r\n]', text) else in_csv(text)
        for text in texts
    ]
    assert lines == "\ufeff" + "".join(f"{line}\r\n" for line in ["保護者名", *quoted])


# ES2018, without a build step: no later syntax, so that older tablets can run it.
LATER = re.compile(
    r"\?\.(?!\d)|\?\?|catch\s*\{|\.(?:flat|flatMap|at|replaceAll|matchAll|trimStart|trimEnd|allSettled|findLast)\("
    r"|fromEntries|globalThis|structuredClone|^\s+(?:static|#)|\d_\d|\bawait import|^await\b",
    re.MULTILINE,
)


@pytest.mark.parametrize("name", sorted(path.name for path in STATION_FOLDER.glob("*.js")))
def test_the_stations_code_is_es2018(name: str) -> None:
    code = re.sub(r"//.*", "", (STATION_FOLDER / name).read_text())

    assert LATER.findall(code) == []
