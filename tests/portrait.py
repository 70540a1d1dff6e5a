"""make picture: the README's picture of ダッシュボード, taken of the demo once something is wrong in it.

python -m tests.portrait docs/images/dashboard.png
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import expect

from tests.chromium import at_a_desk, chromium, sign_in
from tests.stack import running_stack

# Enough for text and a few flat colours, at a third of the size.
COLOURS = 128
PATIENCE_MS = 120_000
# The demo's two silent tills, found the last of what is wrong there.
SILENT = "田中ストア - 駅前店（2台）"


def take(to: Path) -> None:
    with running_stack() as stack, chromium() as browser:
        page = at_a_desk(browser).new_page()
        sign_in(page, stack)
        expect(page.get_by_role("link", name=SILENT)).to_be_visible(timeout=PATIENCE_MS)
        page.wait_for_load_state("networkidle")
        # Not while a block is on its way to be drawn anew: it is pale then.
        expect(page.locator("[data-stale=true]")).to_have_count(0, timeout=PATIENCE_MS)
        taken = Image.open(io.BytesIO(page.screenshot()))
        taken.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(to, optimize=True)


if __name__ == "__main__":
    take(Path(sys.argv[1]))
