"""PDFs read by programs that did not make them: their text as pages, and as pictures for a reader of codes."""

from __future__ import annotations

import zxingcpp
from pypdfium2 import PdfDocument

POINTS_PER_MM = 72 / 25.4


def pages(pdf: bytes) -> list[str]:
    """The text of each page, without line ends: where a line breaks is the template's business."""
    return ["".join(found) for found in lines(pdf)]


def lines(pdf: bytes) -> list[list[str]]:
    """The text of each page as it is broken into lines."""
    document = PdfDocument(pdf)
    try:
        return [page.get_textpage().get_text_bounded().split("\r\n") for page in document]
    finally:
        document.close()


def sizes(pdf: bytes) -> set[tuple[int, int]]:
    """The pages' sizes in millimetres."""
    document = PdfDocument(pdf)
    try:
        found = [page.get_size() for page in document]
        return {(round(width / POINTS_PER_MM), round(height / POINTS_PER_MM)) for width, height in found}
    finally:
        document.close()


def codes(pdf: bytes, dpi: int = 300) -> list[list[tuple[str, str, float, float]]]:
    """On each page as an office printer would print it: symbology, text, and the symbol's centre in millimetres."""
    document = PdfDocument(pdf)
    try:
        return [
            [_centred(found, dpi) for found in zxingcpp.read_barcodes(page.render(scale=dpi / 72).to_pil())]
            for page in document
        ]
    finally:
        document.close()


def _centred(found: zxingcpp.Barcode, dpi: int) -> tuple[str, str, float, float]:
    corner, opposite = found.position.top_left, found.position.bottom_right
    x, y = (corner.x + opposite.x) / 2, (corner.y + opposite.y) / 2
    return found.format.name, found.text, x / dpi * 25.4, y / dpi * 25.4
