"""OCR of pictures of statements. Only this module uses the engine, which is optional (requirements-ocr.txt)."""

from __future__ import annotations

import importlib.util
import io
from datetime import date
from functools import lru_cache
from importlib.metadata import version
from typing import Any

from PIL import Image, ImageOps

from service.agencies.ocr.rules import FIELDS, Line, Proposals, as_stored, merge_proposals, propose

PACKAGES = ("rapidocr", "onnxruntime")
MISSING = "AGENCIES_OCR is on, but the packages that read statements are not installed; run: make setup-ocr"
THREADS = 2
# The longer side in pixels: when fields are missing, a larger picture is read too, for small letters.
SIDES = (1200, 2000)


def is_installed() -> bool:
    return all(importlib.util.find_spec(name) for name in PACKAGES)


def read(content: bytes, today: date, company: str | None = None) -> dict[str, Any]:
    """The value of an image's `ocr_result`. Raises OSError when the content is not a picture."""
    with Image.open(io.BytesIO(content)) as stored:
        picture = ImageOps.exif_transpose(stored).convert("RGB")
    proposals = Proposals({})
    for side in SIDES:
        scaled = ImageOps.contain(picture, (side, side)) if max(picture.size) > side else picture
        proposals = merge_proposals(proposals, propose(lines(scaled), scaled.size, today, company))
        if len(proposals.fields) == len(FIELDS) or scaled is picture:
            break
    return as_stored(proposals, f"rapidocr {version('rapidocr')}")


def lines(picture: Image.Image) -> list[Line]:
    """Every piece of text in the picture."""
    import numpy  # comes with the engine

    # The engine expects channels in OpenCV's order (BGR).
    result = _engine()(numpy.asarray(picture)[:, :, ::-1])
    if result.boxes is None or result.txts is None or result.scores is None:
        return []
    return [
        Line(text, float(score), tuple((float(x), float(y)) for x, y in box))  # type: ignore[arg-type]  # four of them
        for text, score, box in zip(result.txts, result.scores, result.boxes, strict=True)
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
