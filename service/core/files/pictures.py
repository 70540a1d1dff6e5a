"""Inspects an image: whether it is complete, its size, and its thumbnail."""

from __future__ import annotations

import contextlib
import ctypes
import io
import struct
import threading
import warnings
import zlib
from dataclasses import dataclass
from typing import IO

from PIL import ExifTags, Image, ImageOps

from service.core.files import metadata
from service.core.problems import Invalid
from service.core.purposes import FileKind, Purpose

THUMBNAIL_SIDE = 480
_FORMATS = {FileKind.JPEG: "JPEG", FileKind.PNG: "PNG", FileKind.WEBP: "WEBP"}
# The errors of Pillow's readers on bytes that are not an image.
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, struct.error, zlib.error)
# A large photo takes up to 200 MB while it is decoded: one at a time in each process.
_decoding = threading.BoundedSemaphore(1)
# Python's warning filters are global for the process.
_warnings_lock = threading.Lock()
# mallopt's parameter, and the size in bytes from which freed memory goes back to the system at once. By default glibc
# raises this threshold after the first picture and keeps such blocks, for each thread: some hundred MB after a few
# requests. Giving memory back costs 20 ms of 100 to 180 (malloc_trim after each picture costs as much).
_MMAP_THRESHOLD, _LARGE_BLOCK = -3, 4 * 1024 * 1024
with contextlib.suppress(AttributeError, OSError, TypeError):  # another C library has no such setting
    ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, _LARGE_BLOCK)


@dataclass(frozen=True)
class Picture:
    """`width` and `height` as shown, the thumbnail as WebP."""

    width: int
    height: int
    thumbnail: bytes


def inspect_picture(kind: FileKind, spool: IO[bytes], purpose: Purpose, stripped: IO[bytes]) -> Picture:
    """Writes the picture without its metadata into `stripped`, and checks that it is complete.

    Raises:
        Invalid: too many pixels (by the header, before decoding), cut off, or animated.
    """
    (width, height), orientation = _header(kind, spool, purpose)
    try:
        metadata.strip(kind, spool, stripped, orientation)
        stripped.flush()
        with _decoding:
            thumbnail = _decode(kind, stripped)
    except (metadata.Torn, *_BROKEN):
        raise Invalid(
            "画像が途中で切れているか、壊れています。元の画像が開けるかを確認して、もう一度送ってください。"
        ) from None
    return Picture(width, height, thumbnail) if orientation < 5 else Picture(height, width, thumbnail)


def _header(kind: FileKind, spool: IO[bytes], purpose: Purpose) -> tuple[tuple[int, int], int]:
    spool.seek(0)
    too_large = f"画像が大きすぎます。縦×横の画素数を{purpose.max_pixels // 10_000:,}万画素以下に縮小して、"
    try:
        # Pillow warns of broken EXIF, of which only the orientation is used.
        with (
            _warnings_lock,
            warnings.catch_warnings(action="ignore"),
            Image.open(spool, formats=[_FORMATS[kind]]) as image,
        ):
            # A JPEG with several images is a photo with previews; only the first one is copied.
            size, is_animated = image.size, getattr(image, "is_animated", False) and kind is not FileKind.JPEG
            if size[0] * size[1] > purpose.max_pixels:
                raise Image.DecompressionBombError
            orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Image.DecompressionBombError:
        raise Invalid(too_large + "もう一度送ってください。") from None
    except _BROKEN:
        raise Invalid("画像として読み取れません。元の画像が開けるかを確認して、もう一度送ってください。") from None
    if is_animated:
        raise Invalid("動く画像は使えません。静止画にして、もう一度送ってください。")
    return size, orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1


def _decode(kind: FileKind, content: IO[bytes]) -> bytes:
    """Decodes the whole image, which shows that it is complete. Returns the thumbnail, upright, as WebP."""
    content.seek(0)
    with Image.open(content, formats=[_FORMATS[kind]]) as image:
        # A JPEG can be decoded at a reduced size: every block is still decoded, in a fraction of the time and memory.
        image.draft(None, (THUMBNAIL_SIDE, THUMBNAIL_SIDE))
        image.load()
        # Reduced by a whole factor first, so that rotation and conversion work on the small picture.
        factor = max(1, min(image.size) // (2 * THUMBNAIL_SIDE))
        reduced = image.reduce(factor) if factor > 1 and image.mode in ("L", "RGB", "RGBA", "CMYK") else image
        if reduced.mode.startswith("I"):  # 16 bits a pixel, which convert() would cut off at 255
            reduced = reduced.point(lambda value: value * (1 / 256)).convert("L")
        upright = ImageOps.exif_transpose(reduced)
        has_alpha = upright.mode in ("RGBA", "LA", "PA") or "transparency" in upright.info
        thumbnail = upright.convert("RGBA" if has_alpha else "RGB")
        thumbnail.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
        output = io.BytesIO()
        profile = image.info.get("icc_profile", b"") if image.mode in ("RGB", "RGBA") else b""
        thumbnail.save(output, "WEBP", quality=75, method=2, exif=b"", icc_profile=profile)
        return output.getvalue()
