"""Generates pictures and other files for tests, harmless and hostile ones."""

from __future__ import annotations

import io
import random
import struct
import zipfile
import zlib

from PIL import ExifTags, Image

# Shibuya, in EXIF as a phone writes it.
GPS = {1: "N", 2: (35.0, 39.0, 32.0), 3: "E", 4: (139.0, 42.0, 2.0)}


def picture(
    kind: str = "JPEG",
    size: tuple[int, int] = (640, 400),
    *,
    orientation: int = 1,
    gps: bool = False,
    mode: str = "RGB",
) -> bytes:
    """A picture whose upper left corner is red, everything else grey."""
    image = Image.new(mode, size, 128 if mode in ("L", "I;16") else (128,) * len(mode))
    if mode in ("RGB", "RGBA"):
        image.paste((255, 0, 0) if mode == "RGB" else (255, 0, 0, 255), (0, 0, size[0] // 4, size[1] // 4))
    exif = Image.Exif()
    if orientation != 1:
        exif[ExifTags.Base.Orientation] = orientation
    if gps:
        exif[ExifTags.Base.Make] = "SecretPhone"
        exif.get_ifd(ExifTags.IFD.GPSInfo).update(GPS)
    buffer = io.BytesIO()
    image.save(buffer, kind, **({"exif": exif} if exif else {}))
    return buffer.getvalue()


def photo(kind: str = "JPEG", size: tuple[int, int] = (4000, 3000), *, seed: int, quality: int = 75) -> bytes:
    """A picture of random noise, as large as a phone's: a JPEG of 12 megapixels has 5 MB, and nearly 10 MB at a quality
    of 93. Each `seed` gives another picture."""
    half_size = size[0] // 2, size[1] // 2
    noise = random.Random(seed).randbytes(half_size[0] * half_size[1] * 3)
    buffer = io.BytesIO()
    image = Image.frombytes("RGB", half_size, noise).resize(size, Image.Resampling.BICUBIC)
    image.save(buffer, kind, quality=quality)
    return buffer.getvalue()


def png_of_size(width: int, height: int) -> bytes:
    """A PNG whose header declares a huge size, with almost no image data."""

    def chunk(label: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + label + body + struct.pack(">I", zlib.crc32(label + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


def animated_picture(kind: str) -> bytes:
    frames = [Image.new("RGB", (32, 32), (step * 60, 0, 0)) for step in range(3)]
    buffer = io.BytesIO()
    frames[0].save(buffer, kind, save_all=True, append_images=frames[1:])
    return buffer.getvalue()


def workbook(extra: dict[str, bytes] | None = None) -> bytes:
    from openpyxl import Workbook

    book = Workbook()
    book.active["A1"] = "端末"  # type: ignore[index]  # a new workbook has a sheet
    buffer = io.BytesIO()
    book.save(buffer)
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_DEFLATED) as parts:
        for name, content in (extra or {}).items():
            parts.writestr(name, content)
    return buffer.getvalue()
