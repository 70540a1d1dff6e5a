"""Label sheets, read back from the PDF."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from service.core.printing.labels import EDGE, STOCKS, Label, Symbology, TooLong, sheets, stock_for
from service.core.problems import Invalid
from tests import pdfs

NOW = datetime(2026, 11, 21, 0, 26, tzinfo=UTC)
LONG = "株式会社とても長い名前の会社 新宿駅南口地下一階フードコート前 臨時売店 レジ12番"


def make_labels(count: int) -> list[Label]:
    return [Label(f"TC200-{number:06}", (f"TC200-{number:06}", LONG, "ABC商事")) for number in range(1, count + 1)]


@pytest.mark.parametrize("symbology", ["qr", "code128"])
@pytest.mark.parametrize("layout", STOCKS)
def test_every_label_of_a_full_sheet_is_readable_and_in_its_place(layout: str, symbology: Symbology) -> None:
    stock = STOCKS[layout]

    [page] = pdfs.barcodes(sheets(make_labels(stock.places), stock, NOW, symbology))

    positions = {text: (x, y) for _, text, x, y in page}
    assert sorted(positions) == [label.code for label in make_labels(stock.places)]
    for index, label in enumerate(make_labels(stock.places)):
        row, column = divmod(index, stock.columns)
        x, y = positions[label.code]
        left, top = stock.left + column * stock.pitch_x, stock.top + row * stock.pitch_y
        assert left + EDGE < x < left + stock.width - EDGE, label.code
        assert top + EDGE < y < top + stock.height - EDGE, label.code


def test_every_stock_lies_within_an_a4_sheet() -> None:
    for stock in STOCKS.values():
        assert stock.left >= 0
        assert stock.left + (stock.columns - 1) * stock.pitch_x + stock.width <= 210
        assert stock.top >= 0
        assert stock.top + (stock.rows - 1) * stock.pitch_y + stock.height <= 297
    assert [stock.places for stock in STOCKS.values()] == [24, 44, 65]


def test_a_partly_used_sheet_continues_at_its_first_free_place() -> None:
    stock = STOCKS["24"]

    first, second = pdfs.barcodes(sheets(make_labels(4), stock, NOW, start=22))

    assert sorted(text for _, text, _, _ in first) == ["TC200-000001", "TC200-000002", "TC200-000003"]
    [(_, text, x, y)] = second
    assert text == "TC200-000004"
    assert x < stock.left + stock.width
    assert y < stock.top + stock.height
    assert min(y for _, _, _, y in first) > stock.top + 7 * stock.pitch_y


def test_a_place_outside_of_the_sheet_is_refused_with_a_message() -> None:
    with pytest.raises(Invalid, match="24面"):
        stock_for("24", 25)
    assert stock_for("65", 65).places == 65


def test_the_number_is_complete_and_a_long_name_is_truncated() -> None:
    [text] = pdfs.page_texts(sheets(make_labels(1), STOCKS["65"], NOW))

    assert "TC200-000001" in text
    assert "…" in text
    assert "ABC商事" in text


@pytest.mark.parametrize("layout", ["24", "44"])
def test_a_number_in_several_lines_is_broken_between_its_parts(layout: str) -> None:
    number = "HIMEJI_Desktop_OptiPlex-7090_DE10380112_001"

    [lines] = pdfs.page_lines(sheets([Label(number, (number, "OptiPlex-7090"))], STOCKS[layout], NOW))

    assert lines == ["HIMEJI_Desktop_", "OptiPlex-7090_", "DE10380112_001", "OptiPlex-7090"]


def test_a_code_that_would_be_unreadable_on_the_stock_is_refused() -> None:
    long_labels = [Label("A" * 60, ("A" * 60,))]

    with pytest.raises(TooLong):
        sheets(long_labels, STOCKS["65"], NOW, "code128")
    with pytest.raises(TooLong, match=r"^B+$"):
        sheets([Label("B" * 300, ("B",))], STOCKS["65"], NOW, "qr")
    [[(kind, text, _, _)]] = pdfs.barcodes(sheets(long_labels, STOCKS["65"], NOW, "qr"))
    assert kind.startswith("QR")
    assert text == "A" * 60


def test_the_pages_are_a4_and_the_same_labels_give_the_same_bytes() -> None:
    pdf = sheets(make_labels(30), STOCKS["24"], NOW)

    assert pdfs.page_sizes(pdf) == {(210, 297)}
    assert sheets(make_labels(30), STOCKS["24"], NOW) == pdf
