"""Draws the station's pictures, a cherry blossom, into this folder: `python scanner_station/draw_icons.py`."""

from __future__ import annotations

import math
from pathlib import Path

from PIL import Image, ImageDraw

HERE = Path(__file__).parent
PINK, DEEP, YELLOW, NAVY = "#f9a8d4", "#db2777", "#fde047", "#12304f"
# Points of a petal that points to the right, in parts of the flower's radius: notched at its end.
PETAL = [(0.1, 0), (0.35, 0.3), (0.7, 0.33), (1, 0.14), (0.88, 0), (1, -0.14), (0.7, -0.33), (0.35, -0.3)]
FINE = 4


def petals(centre: float, radius: float) -> list[list[tuple[float, float]]]:
    """Five of them, the first upright."""
    turned = []
    for number in range(5):
        turn = math.radians(72 * number - 90)
        turned.append(
            [
                (
                    centre + radius * (x * math.cos(turn) - y * math.sin(turn)),
                    centre + radius * (x * math.sin(turn) + y * math.cos(turn)),
                )
                for x, y in PETAL
            ]
        )
    return turned


def svg(radius: float, ground: str) -> str:
    shapes = "".join(
        f'<polygon points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in petal)}"/>' for petal in petals(32, radius)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64">{ground}'
        f'<g fill="{PINK}" stroke="{PINK}" stroke-width="3" stroke-linejoin="round">{shapes}</g>'
        f'<circle cx="32" cy="32" r="{radius / 5:.1f}" fill="{DEEP}"/>'
        f'<circle cx="32" cy="32" r="{radius / 10:.1f}" fill="{YELLOW}"/></svg>\n'
    )


def png(size: int) -> Image.Image:
    """Within the part that no launcher's mask cuts off."""
    large = size * FINE
    drawn = Image.new("RGB", (large, large), NAVY)
    pen = ImageDraw.Draw(drawn)
    for petal in petals(large / 2, large * 0.34):
        pen.polygon(petal, fill=PINK)
    for radius, colour in ((0.07, DEEP), (0.035, YELLOW)):
        pen.ellipse([large * (0.5 - radius)] * 2 + [large * (0.5 + radius)] * 2, fill=colour)
    return drawn.resize((size, size), Image.Resampling.LANCZOS)


def main() -> None:
    (HERE / "flower.svg").write_text(svg(28, ""))
    (HERE / "icon.svg").write_text(svg(22, f'<rect width="64" height="64" rx="12" fill="{NAVY}"/>'))
    for size in (192, 512):
        png(size).quantize(32).save(HERE / f"icon-{size}.png", optimize=True)


if __name__ == "__main__":
    main()
