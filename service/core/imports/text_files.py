"""CSV and similar text files, as Excel, Access and other programs write them in Japan."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator

from service.core.imports.sheets import MAX_CELL_LENGTH, MAX_ROWS, SPLIT_ADVICE, Sheet, build
from service.core.problems import Invalid, TooLarge

DELIMITERS = {",": "CSV", "\t": "タブ区切り", ";": "セミコロン区切り"}
UNREADABLE = (
    "文字を読み取れません。UTF-8 または Shift_JIS で保存し直してください"
    "（Excelでは「CSV UTF-8（コンマ区切り）」を選びます）。"
)


def read(content: bytes) -> Sheet:
    """Raises Invalid or TooLarge, with a message for the user."""
    text, encoding = decode(content)
    # Line feeds and carriage returns inside cells mean the same (`one_newline`); the csv module would end rows at a
    # bare one.
    delimiter = _delimiter(text)
    return build(f"{DELIMITERS[delimiter]}（{encoding}）", _rows(text, delimiter))


def decode(content: bytes) -> tuple[str, str]:
    """The text and the name of its encoding: by its BOM, else UTF-8, else Shift_JIS."""
    for bom, codec, name in (
        (codecs.BOM_UTF8, "utf-8", "UTF-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le", "UTF-16"),
        (codecs.BOM_UTF16_BE, "utf-16-be", "UTF-16"),
    ):
        if content.startswith(bom):
            return _decoded(content[len(bom) :], codec), name
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return _decoded(content, "cp932"), "Shift_JIS"
    return _decoded(content, "utf-8"), "UTF-8"


def _decoded(content: bytes, codec: str) -> str:
    try:
        text = content.decode(codec)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise Invalid(f"{line}行目付近の{UNREADABLE}") from None
    if "\x00" in text:
        line = text.count("\n", 0, text.index("\x00")) + 1
        raise Invalid(f"{line}行目付近に使えない文字（NUL）があります。CSVまたはExcelのファイルか確認してください。")
    return text


def _delimiter(text: str) -> str:
    """The delimiter that is most frequent in the header, outside quotes."""
    counts = dict.fromkeys(DELIMITERS, 0)
    is_quoted = False
    for character in text.lstrip("\r\n")[:100_000]:
        if character == '"':
            is_quoted = not is_quoted
        elif is_quoted:
            continue
        elif character in "\r\n":
            break
        elif character in counts:
            counts[character] += 1
    return max(counts, key=lambda delimiter: counts[delimiter])


def _rows(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    number = 0
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if "field larger" in str(error):
                raise TooLarge(
                    f"{number + 1}行目に{MAX_CELL_LENGTH:,}文字を超えるセルがあります。"
                    '引用符（"）の閉じ忘れがないか、ファイルを確認してください。'
                ) from None
            raise Invalid(
                f'{number + 1}行目の引用符（"）の使い方が正しくありません。値の中の " は "" と2つ続けて書いてください。'
            ) from None
        number += 1
        if number > 5 * MAX_ROWS:  # empty lines without end
            raise TooLarge(f"一度に取り込めるのは{MAX_ROWS:,}行までです。{SPLIT_ADVICE}")
        yield number, [one_newline(cell) for cell in row]


def one_newline(cell: str) -> str:
    return cell.replace("\r\n", "\n").replace("\r", "\n") if "\r" in cell else cell
