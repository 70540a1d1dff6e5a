"""明細画像 of the demo, drawn small: what a power company writes every month, one of them photographed badly."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from PIL import Image as Picture
from PIL import ImageDraw, ImageFilter, ImageFont
from sqlalchemy.orm import Session

from service.agencies.fields.rules import format_supply_point
from service.agencies.rules import STATEMENT
from service.core.files import deposit, records
from service.core.files.records import File

SIZE = (600, 800)
BY = "demo"
FONT, FONT_FILE = "noto_cjk_sans_jp_regular", "NotoSansCJKjp-Regular.otf"


@dataclass(frozen=True)
class Statement:
    """What stands on it; `is_blurred`: the numbers cannot be read."""

    name: str
    place: str
    customer_number: str
    location: str
    month: str
    charges: int
    usage: int
    is_gas: bool = False
    is_blurred: bool = False


def store(db: Session, statement: Statement, name: str, agency_id: int) -> File:
    """A file in use, of this agency."""
    with tempfile.TemporaryFile() as spool:
        draw(statement).save(spool, "JPEG", quality=60)
        spool.seek(0)
        file = records.add(db, BY, deposit.store(spool, STATEMENT, name))
    file.tenant_id = agency_id
    records.attach_generated(db, file)
    return file


def draw(statement: Statement) -> Picture.Image:
    page = Picture.new("L", SIZE, 252)
    pen = ImageDraw.Draw(page)
    word, unit = ("ガス", "m3") if statement.is_gas else ("電気", "kWh")
    year, _, month = statement.month.partition("-")
    pen.rectangle((0, 0, SIZE[0], 70), fill=90)
    pen.text((30, 16), f"{word}ご使用量のお知らせ", font=_font(30), fill=255)
    pen.text((30, 95), f"{statement.name} 様", font=_font(24), fill=20)
    pen.text((30, 135), statement.place, font=_font(16), fill=60)
    rows = (
        ("ご使用年月", f"{year}年{int(month)}月分"),
        ("お客様番号", statement.customer_number),
        ("供給地点特定番号", format_supply_point(statement.location)),
        ("ご使用量", f"{statement.usage:,} {unit}"),
        ("ご請求金額（税込）", f"{statement.charges:,} 円"),
    )
    for index, (title, value) in enumerate(rows):
        top = 190 + index * 66
        pen.line((30, top, SIZE[0] - 30, top), fill=170)
        pen.text((30, top + 8), title, font=_font(15), fill=90)
        pen.text((30, top + 30), value, font=_font(21), fill=15)
    _bars(pen, statement)
    return page.filter(ImageFilter.GaussianBlur(7)) if statement.is_blurred else page


def _bars(pen: ImageDraw.ImageDraw, statement: Statement) -> None:
    """A year of use, the last month being this one."""
    pen.text((30, 545), "過去12か月のご使用量", font=_font(15), fill=90)
    seed = int(statement.location[-4:])
    for month in range(12):
        height = 150 if month == 11 else 70 + (seed * (month + 3) ** 2) % 80
        left = 34 + month * 45
        pen.rectangle((left, 740 - height, left + 28, 740), fill=110 if month == 11 else 185)
    pen.line((30, 740, SIZE[0] - 30, 740), fill=90)


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    spec = find_spec(FONT)
    if spec is None or spec.origin is None:
        raise RuntimeError(f"{FONT} is not installed; see requirements.txt")
    return ImageFont.truetype(Path(spec.origin).with_name(FONT_FILE), size)
