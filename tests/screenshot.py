"""make picture: takes the README's screenshot of ダッシュボード in the demo, once an incident is shown there.

python -m tests.screenshot docs/images/dashboard.png
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import expect

from tests.chromium import chromium, desktop_context, sign_in
from tests.stack import running_stack

# Enough colours for text and flat areas, at a third of the file size.
COLOURS = 128
TIMEOUT_MS = 120_000
# The demo's two silent terminals: the last of its incidents to be detected.
SILENT_TERMINALS = "田中ストア - 本店（2台）"


def take_screenshot(path: Path) -> None:
    with running_stack() as stack, chromium() as browser:
        page = desktop_context(browser).new_page()
        sign_in(page, stack)
        expect(page.get_by_role("link", name=SILENT_TERMINALS)).to_be_visible(timeout=TIMEOUT_MS)
        page.wait_for_load_state("networkidle")
        # Streamlit shows stale elements faded until they are rendered again.
        expect(page.locator("[data-stale=true]")).to_have_count(0, timeout=TIMEOUT_MS)
        screenshot = Image.open(io.BytesIO(page.screenshot()))
        screenshot.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    take_screenshot(Path(sys.argv[1]))
