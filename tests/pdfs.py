"""Reads PDFs with independent libraries: the text of their pages, page sizes and barcodes."""

from __future__ import annotations

import zxingcpp
from pypdfium2 import PdfDocument

POINTS_PER_MM = 72 / 25.4


def page_texts(pdf: bytes) -> list[str]:
    """The text of each page without line breaks, because tests do not depend on where the template breaks a line."""
    return ["".join(page) for page in page_lines(pdf)]


def page_lines(pdf: bytes) -> list[list[str]]:
    """The lines of text of each page."""
    document = PdfDocument(pdf)
    try:
        return [page.get_textpage().get_text_bounded().split("\r\n") for page in document]
    finally:
        document.close()


def page_sizes(pdf: bytes) -> set[tuple[int, int]]:
    """The pages' sizes in millimetres."""
    document = PdfDocument(pdf)
    try:
        sizes_in_points = [page.get_size() for page in document]
        return {(round(width / POINTS_PER_MM), round(height / POINTS_PER_MM)) for width, height in sizes_in_points}
    finally:
        document.close()


def barcodes(pdf: bytes, dpi: int = 300) -> list[list[tuple[str, str, float, float]]]:
    """The barcodes of each page, rendered as by an office printer: symbology, text, and the centre in millimetres."""
    document = PdfDocument(pdf)
    try:
        return [
            [_with_centre(barcode, dpi) for barcode in zxingcpp.read_barcodes(page.render(scale=dpi / 72).to_pil())]
            for page in document
        ]
    finally:
        document.close()


def _with_centre(barcode: zxingcpp.Barcode, dpi: int) -> tuple[str, str, float, float]:
    corner, opposite = barcode.position.top_left, barcode.position.bottom_right
    x, y = (corner.x + opposite.x) / 2, (corner.y + opposite.y) / 2
    return barcode.format.name, barcode.text, x / dpi * 25.4, y / dpi * 25.4
