"""Text in pictures of statements: the one place that knows the engine, which is an extra (requirements-ocr.txt)."""

from __future__ import annotations

import importlib.util
import io
from datetime import date
from functools import lru_cache
from importlib.metadata import version
from typing import Any

from PIL import Image, ImageOps

from service.agencies.reading.rules import FIELDS, Line, Proposals, as_stored, better, propose

PACKAGES = ("rapidocr", "onnxruntime")
MISSING = "AGENCIES_OCR is on, but the packages that read statements are not installed; run: make setup-ocr"
THREADS = 2
# The longer side, in pixels: small letters of what was missing are looked for once more in a larger picture.
SIDES = (1200, 2000)


def is_installed() -> bool:
    return all(importlib.util.find_spec(name) for name in PACKAGES)


def read(content: bytes, today: date, company: str | None = None) -> dict[str, Any]:
    """What an image's `ocr_result` holds. Raises OSError for what is no picture."""
    with Image.open(io.BytesIO(content)) as stored:
        picture = ImageOps.exif_transpose(stored).convert("RGB")
    found = Proposals({})
    for side in SIDES:
        smaller = ImageOps.contain(picture, (side, side)) if max(picture.size) > side else picture
        found = better(found, propose(lines(smaller), smaller.size, today, company))
        if len(found.fields) == len(FIELDS) or smaller is picture:
            break
    return as_stored(found, f"rapidocr {version('rapidocr')}")


def lines(picture: Image.Image) -> list[Line]:
    """Every stretch of text in it."""
    import numpy  # comes with the engine

    # Channels as OpenCV has them.
    seen = _engine()(numpy.asarray(picture)[:, :, ::-1])
    if seen.boxes is None or seen.txts is None or seen.scores is None:
        return []
    return [
        Line(text, float(score), tuple((float(x), float(y)) for x, y in box))  # type: ignore[arg-type]  # four of them
        for text, score, box in zip(seen.txts, seen.scores, seen.boxes, strict=True)
    ]


@lru_cache(maxsize=1)
def _engine() -> Any:
    from rapidocr import RapidOCR

    return RapidOCR(
        params={
            "Global.log_level": "error",
            "Global.max_side_len": max(SIDES),
            "EngineConfig.onnxruntime.intra_op_num_threads": THREADS,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        }
    )
