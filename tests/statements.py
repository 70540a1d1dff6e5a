"""Draws statements of electricity companies: scanned, faxed, or photographed with a phone."""

from __future__ import annotations

import io
import random
from dataclasses import dataclass
from pathlib import Path

import noto_cjk_sans_jp_regular
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont

GOTHIC = Path(noto_cjk_sans_jp_regular.__file__).parent / "NotoSansCJKjp-Regular.otf"
# A4 at 100 dpi; all coordinates are scaled from this.
PAGE = (827, 1169)


@dataclass(frozen=True)
class Statement:
    """The values of a statement, as a site stores them."""

    charges: int
    usage: int
    month: str
    customer: str
    location: str
    company: str = "東京電力エナジーパートナー"

    @property
    def expected(self) -> dict[str, str]:
        return {
            "latest_charges": str(self.charges),
            "latest_power_usage": str(self.usage),
            "latest_date": self.month,
            "power_customer_number": self.customer,
            "power_customer_location_number": self.location,
        }


def random_statement(seed: int) -> Statement:
    rng = random.Random(seed)
    digits = "".join(rng.choices("0123456789", k=20))
    customer = "-".join("".join(rng.choices("0123456789", k=length)) for length in (5, 5, 1, 2))
    month = f"2026-{rng.randint(1, 9):02}"
    return Statement(rng.randint(3_000, 900_000), rng.randint(90, 20_000), month, customer, "03" + digits)


def draw_statement(statement: Statement, layout: int = 0, *, dpi: int = 200, font: Path = GOTHIC) -> Image.Image:
    """`layout` 0: a table with values to the right of their labels; 1: labels above their values, Japanese era years;
    2: label and value in one line."""
    scale = dpi / 100
    page = Image.new("RGB", (int(PAGE[0] * scale), int(PAGE[1] * scale)), "white")
    canvas = ImageDraw.Draw(page)

    def put(x: float, y: float, text: str, size: float = 15) -> None:
        canvas.text((x * scale, y * scale), text, fill="black", font=ImageFont.truetype(str(font), int(size * scale)))

    year, month = statement.month.split("-")
    title = f"{year}年{int(month)}月分" if layout != 1 else f"令和{int(year) - 2018}年{int(month)}月分"
    digit_groups = [statement.location[:2], *(statement.location[index : index + 4] for index in range(2, 22, 4))]
    location = ("-" if layout != 1 else " ").join(digit_groups)
    tax = f"{statement.charges * 10 // 110:,}円"
    put(60, 50, f"{title} 電気ご使用量のお知らせ", 24)
    put(520, 95, statement.company, 14)
    put(60, 130, "株式会社テスト商事 渋谷店 様", 17)
    put(60, 160, "東京都渋谷区渋谷1-2-3", 13)
    rows = [
        ("お客様番号", statement.customer),
        ("供給地点特定番号", location),
        ("ご使用期間", f"{int(month)}月3日～{int(month) + 1}月2日（31日間）"),
        ("ご契約種別", "従量電灯B"),
        ("ご使用量", f"{statement.usage:,}kWh"),
        ("ご請求金額", f"{statement.charges:,}円"),
        ("うち消費税等相当額", tax),
        ("前年同月使用量", f"{statement.usage + 37:,}kWh"),
    ]
    for index, (label, value) in enumerate(rows):
        if layout == 0:
            put(70, 220 + 42 * index, label)
            put(330, 220 + 42 * index, value, 17)
            canvas.line(
                [(60 * scale, (248 + 42 * index) * scale), (740 * scale, (248 + 42 * index) * scale)], fill="gray"
            )
        elif layout == 1:
            x, y = 70 + 360 * (index % 2), 230 + 90 * (index // 2)
            canvas.rectangle([(x - 8) * scale, (y - 6) * scale, (x + 330) * scale, (y + 66) * scale], outline="gray")
            put(x, y, label, 12)
            put(x + 10, y + 28, value, 19)
        else:
            put(70, 220 + 36 * index, f"{label}： {value}", 16)
    for index, text in enumerate(
        ("基本料金 1,180円40銭", "電力量料金 1段 2,385円60銭", "燃料費調整額 -1,234円56銭", "再エネ賦課金 417円")
    ):
        put(80, 660 + 26 * index, text, 12)
    put(60, 1090, "お問い合わせ 0120-995-113  受付 9:00～17:00", 12)
    return page


def as_photo(page: Image.Image, seed: int) -> Image.Image:
    """The page as a photo: rotated, distorted, blurred, noisy and unevenly lit."""
    rng = random.Random(seed)
    photo = page.resize((1500, int(1500 * page.height / page.width)))
    photo = photo.rotate(
        rng.uniform(-2.5, 2.5), expand=True, fillcolor=(190, 185, 175), resample=Image.Resampling.BICUBIC
    )
    width, height = photo.size
    bends = [rng.uniform(0, 0.02) for _ in range(4)]
    corners = (
        *(-bends[0] * width, -bends[1] * height, -bends[2] * width, height * (1 + bends[3])),
        *(width * (1 + bends[0]), height * (1 + bends[1]), width * (1 + bends[2]), -bends[3] * height),
    )
    photo = photo.transform(
        photo.size, Image.Transform.QUAD, corners, Image.Resampling.BICUBIC, fillcolor=(190, 185, 175)
    )
    shade = Image.linear_gradient("L").resize(photo.size).point(lambda level: 150 + level * 105 // 255)
    dark = Image.new("RGB", photo.size, (40, 38, 35))
    photo = Image.composite(photo, dark, shade)
    noise = Image.effect_noise(photo.size, 22).convert("RGB")
    photo = Image.blend(photo, noise, 0.08).filter(ImageFilter.GaussianBlur(0.9))
    return ImageEnhance.Contrast(photo).enhance(0.9)


def as_jpeg(page: Image.Image, quality: int = 85) -> bytes:
    buffer = io.BytesIO()
    page.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()
