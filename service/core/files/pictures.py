"""Looks into an image: is it whole, how large is it, and what does it look like when small."""

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
from service.core.purposes import Kind, Purpose

THUMBNAIL_SIDE = 480
_FORMATS = {Kind.JPEG: "JPEG", Kind.PNG: "PNG", Kind.WEBP: "WEBP"}
# What Pillow's readers raise on bytes that are no image.
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, struct.error, zlib.error)
# A large photo takes up to 200 MB while it is decoded: one at a time in each process.
_decoding = threading.BoundedSemaphore(1)
# Which warnings are told is one setting of the whole process.
_quiet = threading.Lock()
# mallopt's name for it, and in bytes from where on memory goes back to the system as soon as it is free. Left alone,
# glibc learns from the first picture to keep such blocks, for each thread: some hundred MB after a few requests.
# Giving back has a price, whoever does it (malloc_trim after each picture costs as much): 20 ms of 100 to 180.
_MMAP_THRESHOLD, _LARGE_BLOCK = -3, 4 * 1024 * 1024
with contextlib.suppress(AttributeError, OSError, TypeError):  # another C library has no such setting
    ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, _LARGE_BLOCK)


@dataclass(frozen=True)
class Picture:
    """`width` and `height` as it is shown, the thumbnail as WebP."""

    width: int
    height: int
    thumbnail: bytes


def look(kind: Kind, spool: IO[bytes], purpose: Purpose, stripped: IO[bytes]) -> Picture:
    """Writes the picture into `stripped`, without what was written into it, and looks whether that is whole.

    Raises:
        Invalid: too many pixels (told from the header, before anything is decoded), torn, or moving.
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


def _header(kind: Kind, spool: IO[bytes], purpose: Purpose) -> tuple[tuple[int, int], int]:
    spool.seek(0)
    too_large = f"画像が大きすぎます。縦×横の画素数を{purpose.max_pixels // 10_000:,}万画素以下に縮小して、"
    try:
        # Pillow warns of torn Exif, of which nothing but the orientation is kept.
        with _quiet, warnings.catch_warnings(action="ignore"), Image.open(spool, formats=[_FORMATS[kind]]) as image:
            # A JPEG with several images is a photo with previews; only the first one is kept.
            size, moving = image.size, getattr(image, "is_animated", False) and kind is not Kind.JPEG
            if size[0] * size[1] > purpose.max_pixels:
                raise Image.DecompressionBombError
            orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Image.DecompressionBombError:
        raise Invalid(too_large + "もう一度送ってください。") from None
    except _BROKEN:
        raise Invalid("画像として読み取れません。元の画像が開けるかを確認して、もう一度送ってください。") from None
    if moving:
        raise Invalid("動く画像は使えません。静止画にして、もう一度送ってください。")
    return size, orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1


def _decode(kind: Kind, content: IO[bytes]) -> bytes:
    """All of it is read: that alone shows that the image is whole. Gives the thumbnail, upright, as WebP."""
    content.seek(0)
    with Image.open(content, formats=[_FORMATS[kind]]) as image:
        # A JPEG can come out smaller by whole steps: every block is still decoded, in a fraction of time and memory.
        image.draft(None, (THUMBNAIL_SIDE, THUMBNAIL_SIDE))
        image.load()
        # First reduced by whole steps: turning and converting work on the small picture.
        step = max(1, min(image.size) // (2 * THUMBNAIL_SIDE))
        reduced = image.reduce(step) if step > 1 and image.mode in ("L", "RGB", "RGBA", "CMYK") else image
        if reduced.mode.startswith("I"):  # 16 bits a pixel, which convert() would cut off at 255
            reduced = reduced.point(lambda value: value * (1 / 256)).convert("L")
        upright = ImageOps.exif_transpose(reduced)
        has_alpha = upright.mode in ("RGBA", "LA", "PA") or "transparency" in upright.info
        small = upright.convert("RGBA" if has_alpha else "RGB")
        small.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
        written = io.BytesIO()
        profile = image.info.get("icc_profile", b"") if image.mode in ("RGB", "RGBA") else b""
        small.save(written, "WEBP", quality=75, method=2, exif=b"", icc_profile=profile)
        return written.getvalue()
