"""Pictures and other files for tests, made on the spot: honest ones and hostile ones."""

from __future__ import annotations

import io
import random
import struct
import zipfile
import zlib

from PIL import ExifTags, Image

# Shibuya, as a phone writes it.
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
    written = io.BytesIO()
    image.save(written, kind, **({"exif": exif} if exif else {}))
    return written.getvalue()


def photo(kind: str = "JPEG", size: tuple[int, int] = (4000, 3000), *, seed: int, quality: int = 75) -> bytes:
    """A picture full of small things, as large as a phone's: of 12 megapixels a JPEG has 5 MB, at a quality of 93
    nearly 10. Each `seed` gives another one."""
    coarse = size[0] // 2, size[1] // 2
    grain = random.Random(seed).randbytes(coarse[0] * coarse[1] * 3)
    written = io.BytesIO()
    image = Image.frombytes("RGB", coarse, grain).resize(size, Image.Resampling.BICUBIC)
    image.save(written, kind, quality=quality)
    return written.getvalue()


def png_of_size(width: int, height: int) -> bytes:
    """The header of a huge PNG, and next to nothing behind it."""

    def chunk(label: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + label + body + struct.pack(">I", zlib.crc32(label + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


def moving(kind: str) -> bytes:
    frames = [Image.new("RGB", (32, 32), (step * 60, 0, 0)) for step in range(3)]
    written = io.BytesIO()
    frames[0].save(written, kind, save_all=True, append_images=frames[1:])
    return written.getvalue()


def workbook(extra: dict[str, bytes] | None = None) -> bytes:
    from openpyxl import Workbook

    book = Workbook()
    book.active["A1"] = "端末"  # type: ignore[index]  # a new workbook has a sheet
    written = io.BytesIO()
    book.save(written)
    with zipfile.ZipFile(written, "a", zipfile.ZIP_DEFLATED) as parts:
        for name, content in (extra or {}).items():
            parts.writestr(name, content)
    return written.getvalue()
