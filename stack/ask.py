"""`python -m stack.ask URL`: whether a URL answers 200, for the health checks of containers. It runs every few seconds,
so it uses the standard library only."""

from __future__ import annotations

import sys
import urllib.error
import urllib.request

TIMEOUT_SECONDS = 4


def main(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as answer:
            return 0 if answer.status == 200 else 1
    except urllib.error.HTTPError as error_response:
        with error_response:
            print(f"{error_response.code} {error_response.read(500).decode(errors='replace')}")
    except OSError as error:
        print(error)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
