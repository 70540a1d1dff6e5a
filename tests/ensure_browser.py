"""Checks for Chromium and a Japanese font, which the browser tests need, and installs them with apt. Standard library
only.

Where they stay missing, it prints how to get them and exits with 1, or with 0 if ALLOW_NO_BROWSER=1.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

# Tests take a quarter less time in the first one: it has no window and no browser interface.
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")


def find_browser() -> str | None:
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


def has_japanese_font() -> bool:
    if shutil.which("fc-list") is None:
        return False
    return bool(subprocess.run(["fc-list", ":lang=ja"], capture_output=True, text=True).stdout.strip())


def main() -> int:
    missing = [] if find_browser() else [BROWSERS[0]]
    missing += [] if has_japanese_font() else ["fontconfig", "fonts-noto-cjk"]
    if missing and shutil.which("apt-get"):
        print(f"  installing for the browser tests: {', '.join(missing)}", flush=True)
        as_root = [] if os.getuid() == 0 else ["sudo", "-n"]
        environ = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        for arguments in (["update"], ["install", "--yes", "--no-install-recommends", *missing]):
            try:
                result = subprocess.run(
                    [*as_root, "apt-get", "-qq", *arguments], env=environ, capture_output=True, text=True
                )
            except FileNotFoundError:
                break
            if result.returncode:
                print(result.stderr.strip()[-500:])
                break
    if find_browser() and has_japanese_font():
        return 0
    print(
        "Chromium or a Japanese font is missing and could not be installed. Install them (Debian: apt-get install "
        "chromium-headless-shell fonts-noto-cjk), or run with ALLOW_NO_BROWSER=1 to leave the browser tests out."
    )
    return 0 if os.environ.get("ALLOW_NO_BROWSER") == "1" else 1


if __name__ == "__main__":
    sys.exit(main())
