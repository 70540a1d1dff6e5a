"""Takes out of an image what the camera and its owner wrote into it: place, time, device, comments, previews.

The pixels stay byte for byte: JPEG, PNG and WebP are chains of labelled pieces, and only the pieces that make the
picture are copied, up to where it ends. Whatever was hung on behind it (a second file, a video) stays behind too.
The one thing kept of EXIF is which side is up.
"""

from __future__ import annotations

import mmap
import re
import struct
import zlib
from collections.abc import Iterator
from typing import IO

from service.core.purposes import Kind


class Torn(Exception):
    """The chain of pieces does not hold."""


# A piece to copy, as bytes or as a place in the source.
Piece = bytes | slice

_JPEG_KEPT_APPS = {0xE0: b"JFIF\0", 0xE2: b"ICC_PROFILE\0", 0xEE: b"Adobe"}
# What ends a JPEG's compressed data: a marker that is neither an escaped FF nor a restart. It may have FFs before it.
_JPEG_MARKER = re.compile(rb"\xff+[^\x00\xd0-\xd7\xff]")
# The same without those, which stay with the data: begun by one byte alone, it is sought in a twelfth of the time.
_JPEG_END = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_PNG_KEPT = {b"IHDR", b"PLTE", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"sBIT", b"bKGD", b"pHYs", b"IDAT", b"IEND"}
_WEBP_KEPT = {b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ICCP"}
_WEBP_EXIF, _WEBP_XMP = 0x08, 0x04


def strip(kind: Kind, source: IO[bytes], target: IO[bytes], orientation: int) -> None:
    """Copies the picture alone. `orientation` is EXIF's, 1 to 8; 1 is upright. Raises Torn."""
    pieces = {Kind.JPEG: _jpeg, Kind.PNG: _png, Kind.WEBP: _webp}[kind]
    with mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            for piece in pieces(data, orientation if 2 <= orientation <= 8 else 1):
                target.write(data[piece] if isinstance(piece, slice) else piece)
        except (struct.error, IndexError):
            raise Torn from None


def _exif(orientation: int) -> bytes:
    """The smallest EXIF there is: one entry, the orientation."""
    return struct.pack(">2sHIHHHIHHI", b"MM", 42, 8, 1, 0x0112, 3, 1, orientation, 0, 0)


def _jpeg(data: mmap.mmap, orientation: int) -> Iterator[Piece]:
    yield b"\xff\xd8"
    if orientation != 1:
        body = b"Exif\0\0" + _exif(orientation)
        yield struct.pack(">BBH", 0xFF, 0xE1, len(body) + 2) + body
    at = 2
    while True:
        found = _JPEG_MARKER.match(data, at)
        if found is None:
            raise Torn
        at = found.end()
        marker = data[at - 1]
        if marker == 0xD9:
            yield b"\xff\xd9"
            return
        (length,) = struct.unpack_from(">H", data, at)
        end = at + length
        if length < 2 or end > len(data):
            raise Torn
        is_note = 0xE0 <= marker <= 0xEF or marker == 0xFE
        wanted = _JPEG_KEPT_APPS.get(marker)
        if not is_note or (wanted is not None and data[at + 2 : at + 2 + len(wanted)] == wanted):
            yield slice(at - 2, end)
        if marker == 0xDA:  # the compressed data follow without a length
            following = _JPEG_END.search(data, end)
            if following is None:
                raise Torn
            yield slice(end, following.start())
            end = following.start()
        at = end


def _png(data: mmap.mmap, orientation: int) -> Iterator[Piece]:
    yield slice(0, 8)
    at = 8
    while True:
        length, label = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data):
            raise Torn
        if label in _PNG_KEPT:
            yield slice(at, end)
        if label == b"IHDR" and orientation != 1:
            body = b"eXIf" + _exif(orientation)
            yield struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
        if label == b"IEND":
            return
        at = end


def _webp(data: mmap.mmap, orientation: int) -> Iterator[Piece]:
    (length,) = struct.unpack_from("<I", data, 4)
    last = 8 + length
    if last > len(data):
        raise Torn
    kept: list[Piece] = []
    at, extended = 12, False
    while at + 8 <= last:
        label, length = struct.unpack_from("<4sI", data, at)
        end = at + 8 + length + length % 2
        if at + 8 + length > last:
            raise Torn
        if label == b"VP8X":
            extended = True
            flags = data[at + 8] & ~(_WEBP_EXIF | _WEBP_XMP) | (_WEBP_EXIF if orientation != 1 else 0)
            kept += [slice(at, at + 8), bytes([flags]), slice(at + 9, end)]
        elif label in _WEBP_KEPT:
            kept.append(slice(at, at + 8 + length))
            kept.append(b"\0" * (length % 2))
        at = end
    if extended and orientation != 1:
        body = _exif(orientation)
        kept.append(struct.pack("<4sI", b"EXIF", len(body)) + body)
    size = 4 + sum(piece.stop - piece.start if isinstance(piece, slice) else len(piece) for piece in kept)
    yield struct.pack("<4sI4s", b"RIFF", size, b"WEBP")
    yield from kept
