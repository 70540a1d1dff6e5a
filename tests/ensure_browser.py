"""Chromium and a Japanese font for the browser tests: there already, or installed through apt. Standard library only.

Where neither works, the reason is one sentence and the exit code 1, unless ALLOW_NO_BROWSER=1 says that browser tests
may count as not run.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

# The first has no window and nothing of what is around a page: the tests of it take a quarter less.
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")


def browser() -> str | None:
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


def has_japanese_font() -> bool:
    if shutil.which("fc-list") is None:
        return False
    return bool(subprocess.run(["fc-list", ":lang=ja"], capture_output=True, text=True).stdout.strip())


def main() -> int:
    missing = [] if browser() else [BROWSERS[0]]
    missing += [] if has_japanese_font() else ["fontconfig", "fonts-noto-cjk"]
    if missing and shutil.which("apt-get"):
        print(f"  installing for the browser tests: {', '.join(missing)}", flush=True)
        as_root = [] if os.getuid() == 0 else ["sudo", "-n"]
        environ = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        for arguments in (["update"], ["install", "--yes", "--no-install-recommends", *missing]):
            try:
                done = subprocess.run(
                    [*as_root, "apt-get", "-qq", *arguments], env=environ, capture_output=True, text=True
                )
            except FileNotFoundError:
                break
            if done.returncode:
                print(done.stderr.strip()[-500:])
                break
    if browser() and has_japanese_font():
        return 0
    print(
        "Chromium or a Japanese font is missing and could not be installed. Install them (Debian: apt-get install "
        "chromium-headless-shell fonts-noto-cjk), or run with ALLOW_NO_BROWSER=1 to leave the browser tests out."
    )
    return 0 if os.environ.get("ALLOW_NO_BROWSER") == "1" else 1


if __name__ == "__main__":
    sys.exit(main())
