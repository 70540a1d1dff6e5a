"""Detects a file's kind from its bytes, never from its name, and checks that it is complete and harmless."""

from __future__ import annotations

import codecs
import io
import re
import zipfile
import zlib
from collections.abc import Sequence
from typing import IO

from service.core.problems import Invalid, UnsupportedMedia
from service.core.purposes import FileKind, Purpose

_HEAD_SIZE = 4096
_CHUNK = 1024 * 1024
# An .xlsx is a zip. A sheet of a million rows unpacks to some 100 MB.
MAX_UNPACKED = 300 * 1024 * 1024
_MAX_PARTS = 2_000
_MAX_ZIP_UNPACKED = 100 * 1024 * 1024
_MAX_ZIP_PARTS = 200
# The errors of reading an archive that is cut off, wrong or in an unsupported format.
_ARCHIVE_ERRORS = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    NotImplementedError,
    OSError,
    ValueError,
    EOFError,
    zlib.error,
)
_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"avif"}
# Control characters that do not occur in tables, and the characters that Python decodes undefined bytes of code page
# 932 to. Tabs, line ends, form feeds and DOS's end of file are allowed.
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0e-\x19\x1b-\x1f\x7f-\x9f\uf8f0-\uf8f3]")
_MARKUP = re.compile(r"\s*<(?:!doctype|html|\?xml|svg|script|head|body)", re.IGNORECASE)


def recognise(spool: IO[bytes], purpose: Purpose) -> FileKind:
    """The kind, one of the purpose's kinds. The whole file is checked, except images (see `pictures`).

    Raises:
        UnsupportedMedia: the file is of another kind.
        Invalid: it is empty, cut off, or larger when unpacked than it declares.
    """
    spool.seek(0)
    head = spool.read(_HEAD_SIZE)
    if not head:
        raise Invalid("ファイルの中身が空です。内容を確認して、もう一度送ってください。")
    if FileKind.BINARY in purpose.kinds:
        return FileKind.BINARY
    kind = _by_signature(head)
    if kind is None and FileKind.CSV in purpose.kinds and _is_text(spool):
        kind = FileKind.CSV
    if kind is FileKind.XLSX and FileKind.XLSX not in purpose.kinds and FileKind.ZIP in purpose.kinds:
        kind = FileKind.ZIP
    if kind is None or kind not in purpose.kinds:
        raise UnsupportedMedia(_refusal(head, purpose))
    if kind is FileKind.PDF:
        _check_pdf(spool)
    elif kind is FileKind.XLSX:
        _check_xlsx(spool)
    elif kind is FileKind.ZIP:
        _check_zip(spool)
    return kind


def _by_signature(head: bytes) -> FileKind | None:
    if head.startswith(b"\xff\xd8\xff"):
        return FileKind.JPEG
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return FileKind.PNG
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return FileKind.WEBP
    if head.startswith(b"%PDF-"):
        return FileKind.PDF
    if head.startswith(b"PK\x03\x04"):
        return FileKind.XLSX
    return None


def _refusal(head: bytes, purpose: Purpose) -> str:
    if head[4:8] == b"ftyp" and head[8:12] in _HEIC_BRANDS:
        return (
            "HEIC（iPhoneの高効率形式）の写真は使えません。iPhoneの「設定」→「カメラ」→「フォーマット」で「互換性優先」に"
            "するか、写真をJPEGに変換して、もう一度送ってください。"
        )
    return (
        f"このファイルの形式は使えません。使える形式は {purpose.kind_labels} です。"
        "ファイル名ではなく中身で判定しているため、名前の変更では送れません。"
    )


def _is_text(spool: IO[bytes]) -> bool:
    """Whether all of it is UTF-8, UTF-16 or code page 932, without markup that a browser could run."""
    spool.seek(0)
    if spool.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):  # Excel's "Unicode text"
        return _decodes(spool, "utf-16")
    return any(_decodes(spool, encoding) for encoding in ("utf-8-sig", "cp932"))


def _decodes(spool: IO[bytes], encoding: str) -> bool:
    spool.seek(0)
    decoder = codecs.getincrementaldecoder(encoding)()
    is_first = True
    try:
        while chunk := spool.read(_CHUNK):
            text = decoder.decode(chunk)
            if _CONTROLS.search(text) or (is_first and _MARKUP.match(text)):
                return False
            is_first = False
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _check_pdf(spool: IO[bytes]) -> None:
    length = spool.seek(0, io.SEEK_END)
    spool.seek(max(0, length - 2048))
    if b"%%EOF" not in spool.read():
        raise Invalid("PDFが途中で切れています。元のファイルが開けるかを確認して、もう一度送ってください。")


def refuse_bombs(parts: Sequence[zipfile.ZipInfo], max_unpacked: int) -> None:
    """Checks the number and the declared sizes of a workbook's parts. Raises Invalid."""
    if len(parts) > _MAX_PARTS or sum(part.file_size for part in parts) > max_unpacked:
        raise Invalid(
            "Excelファイルの中身が大きすぎます。不要なシートや画像、書式を削除するか、行を分けて、もう一度送ってください。"
        )
    if any(part.flag_bits & 1 for part in parts):
        raise Invalid("Excelファイルにパスワードがかかっています。パスワードを外して保存し直してください。")


def _check_xlsx(spool: IO[bytes]) -> None:
    broken = (
        "Excelファイルとして読み取れません。Excelで開いて「Excelブック（.xlsx）」で保存し直してから送ってください。"
    )
    try:
        with zipfile.ZipFile(spool) as book:
            parts = book.infolist()
            names = {part.filename for part in parts}
            refuse_bombs(parts, MAX_UNPACKED)
            if not {"[Content_Types].xml", "xl/workbook.xml"} <= names:
                raise UnsupportedMedia(broken)
            if "xl/vbaProject.bin" in names:
                raise UnsupportedMedia(
                    "マクロを含むExcelファイルは使えません。「Excelブック（.xlsx）」で保存し直してから送ってください。"
                )
            _unpack(book)
    except _ARCHIVE_ERRORS:
        raise Invalid(broken) from None


def _check_zip(spool: IO[bytes]) -> None:
    try:
        with zipfile.ZipFile(spool) as archive:
            parts = archive.infolist()
            if len(parts) > _MAX_ZIP_PARTS or sum(part.file_size for part in parts) > _MAX_ZIP_UNPACKED:
                raise Invalid("ZIPを展開した大きさかファイルの数が上限を超えています。")
            if any(part.flag_bits & 1 for part in parts):
                raise Invalid("暗号化されたZIPは使えません。")
            _unpack(archive)
    except _ARCHIVE_ERRORS:
        raise Invalid("ZIPとして読み取れません。途中で切れていないかを確認して、もう一度送ってください。") from None


def _unpack(archive: zipfile.ZipFile) -> None:
    """Reads everything, to check that no part is larger than the archive declares."""
    for part in archive.infolist():
        with archive.open(part) as unpacking:
            remaining = part.file_size
            while chunk := unpacking.read(_CHUNK):
                remaining -= len(chunk)
                if remaining < 0:
                    raise zipfile.BadZipFile
