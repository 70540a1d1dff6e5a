"""Removes metadata from an image: place, time, device, comments, previews.

The pixels stay byte for byte: JPEG, PNG and WebP are chains of labelled segments, and only the segments of the picture
itself are copied, up to its end. Data after the end (a second file, a video) is removed, too. Of EXIF only the
orientation stays.
"""

from __future__ import annotations

import mmap
import re
import struct
import zlib
from collections.abc import Iterator
from typing import IO

from service.core.purposes import FileKind


class Torn(Exception):
    """The chain of segments is broken."""


# A segment to write, as bytes or as a slice of the source.
Segment = bytes | slice

_JPEG_COPIED_APPS = {0xE0: b"JFIF\0", 0xE2: b"ICC_PROFILE\0", 0xEE: b"Adobe"}
# A marker that ends a JPEG's compressed data: neither an escaped FF nor a restart. It may have FFs before it.
_JPEG_MARKER = re.compile(rb"\xff+[^\x00\xd0-\xd7\xff]")
# The same without these FFs, which stay with the data: with a single first byte the search takes a twelfth of the time.
_JPEG_END = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_PNG_COPIED = {
    b"IHDR",
    b"PLTE",
    b"tRNS",
    b"gAMA",
    b"cHRM",
    b"sRGB",
    b"iCCP",
    b"sBIT",
    b"bKGD",
    b"pHYs",
    b"IDAT",
    b"IEND",
}
_WEBP_COPIED = {b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ICCP"}
_WEBP_EXIF, _WEBP_XMP = 0x08, 0x04


def strip(kind: FileKind, source: IO[bytes], target: IO[bytes], orientation: int) -> None:
    """Copies the picture without metadata. `orientation` is EXIF's, 1 to 8; 1 is upright. Raises Torn."""
    segments = {FileKind.JPEG: _jpeg, FileKind.PNG: _png, FileKind.WEBP: _webp}[kind]
    with mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            for segment in segments(data, orientation if 2 <= orientation <= 8 else 1):
                target.write(data[segment] if isinstance(segment, slice) else segment)
        except (struct.error, IndexError):
            raise Torn from None


def _exif(orientation: int) -> bytes:
    """The smallest possible EXIF: one entry, the orientation."""
    return struct.pack(">2sHIHHHIHHI", b"MM", 42, 8, 1, 0x0112, 3, 1, orientation, 0, 0)


def _jpeg(data: mmap.mmap, orientation: int) -> Iterator[Segment]:
    yield b"\xff\xd8"
    if orientation != 1:
        body = b"Exif\0\0" + _exif(orientation)
        yield struct.pack(">BBH", 0xFF, 0xE1, len(body) + 2) + body
    position = 2
    while True:
        match = _JPEG_MARKER.match(data, position)
        if match is None:
            raise Torn
        position = match.end()
        marker = data[position - 1]
        if marker == 0xD9:
            yield b"\xff\xd9"
            return
        (length,) = struct.unpack_from(">H", data, position)
        end = position + length
        if length < 2 or end > len(data):
            raise Torn
        is_metadata = 0xE0 <= marker <= 0xEF or marker == 0xFE
        copied_app = _JPEG_COPIED_APPS.get(marker)
        if not is_metadata or (
            copied_app is not None and data[position + 2 : position + 2 + len(copied_app)] == copied_app
        ):
            yield slice(position - 2, end)
        if marker == 0xDA:  # the compressed data follow without a length
            next_marker = _JPEG_END.search(data, end)
            if next_marker is None:
                raise Torn
            yield slice(end, next_marker.start())
            end = next_marker.start()
        position = end


def _png(data: mmap.mmap, orientation: int) -> Iterator[Segment]:
    yield slice(0, 8)
    position = 8
    while True:
        length, label = struct.unpack_from(">I4s", data, position)
        end = position + 12 + length
        if end > len(data):
            raise Torn
        if label in _PNG_COPIED:
            yield slice(position, end)
        if label == b"IHDR" and orientation != 1:
            body = b"eXIf" + _exif(orientation)
            yield struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
        if label == b"IEND":
            return
        position = end


def _webp(data: mmap.mmap, orientation: int) -> Iterator[Segment]:
    (length,) = struct.unpack_from("<I", data, 4)
    last = 8 + length
    if last > len(data):
        raise Torn
    segments: list[Segment] = []
    position, extended = 12, False
    while position + 8 <= last:
        label, length = struct.unpack_from("<4sI", data, position)
        end = position + 8 + length + length % 2
        if position + 8 + length > last:
            raise Torn
        if label == b"VP8X":
            extended = True
            flags = data[position + 8] & ~(_WEBP_EXIF | _WEBP_XMP) | (_WEBP_EXIF if orientation != 1 else 0)
            segments += [slice(position, position + 8), bytes([flags]), slice(position + 9, end)]
        elif label in _WEBP_COPIED:
            segments.append(slice(position, position + 8 + length))
            segments.append(b"\0" * (length % 2))
        position = end
    if extended and orientation != 1:
        body = _exif(orientation)
        segments.append(struct.pack("<4sI", b"EXIF", len(body)) + body)
    size = 4 + sum(segment.stop - segment.start if isinstance(segment, slice) else len(segment) for segment in segments)
    yield struct.pack("<4sI4s", b"RIFF", size, b"WEBP")
    yield from segments
