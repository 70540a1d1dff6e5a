"""Code 128, read back by an independent decoder."""

from __future__ import annotations

import string

import numpy
import pytest
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st

from service.core.printing import code128

START_B, START_C, TO_C, TO_B = 104, 105, 99, 100


def read(text: str) -> str:
    """The text that a decoder reads from a picture of the modules."""
    row = "0" * code128.QUIET + code128.modules(text) + "0" * code128.QUIET
    picture = numpy.repeat(numpy.array([[255 * (module == "0") for module in row]], dtype=numpy.uint8), 60, axis=0)
    barcode = zxingcpp.read_barcode(
        numpy.repeat(picture, 3, axis=1), formats=zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.Code128)
    )
    return barcode.text if barcode else ""


@pytest.mark.parametrize(
    "text",
    ["TC200-000001", "A", "12", "1", "12345", "0123456789", "AB1234CD", "A123456B", "A12345", string.printable[:94]],
)
def test_a_decoder_reads_what_was_encoded(text: str) -> None:
    assert read(text) == text


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet=[chr(code) for code in range(32, 127)], min_size=1, max_size=40))
def test_a_decoder_reads_any_printable_text(text: str) -> None:
    # Between letters, because a decoder may drop spaces at the ends.
    assert read(f"x{text}x") == f"x{text}x"


def test_digits_are_encoded_in_pairs_where_that_is_shorter() -> None:
    assert code128.symbols("123456")[:-1] == [START_C, 12, 34, 56]
    assert code128.symbols("A1234")[:-1] == [START_B, 33, TO_C, 12, 34]
    assert code128.symbols("1234A")[:-1] == [START_C, 12, 34, TO_B, 33]
    assert code128.symbols("A12B")[:-1] == [START_B, 33, 17, 18, 34]
    # With an odd number of digits one is encoded alone.
    assert len(code128.symbols("A12345")) == len(code128.symbols("A1234")) + 1


def test_the_check_symbol_is_the_weighted_sum_modulo_103() -> None:
    # 104 + 1·48 + 2·42 + 3·42 = 362; 362 mod 103 = 53
    assert code128.symbols("PJJ")[-1] == 53


@pytest.mark.parametrize("text", ["", "新宿", "a\x00", "a\n", "é"])
def test_characters_outside_of_code_128_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="ASCII"):
        code128.symbols(text)
