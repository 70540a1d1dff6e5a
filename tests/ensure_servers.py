"""Caddy, PgBouncer, Prometheus and age for `make test-production`: there, or one sentence that says how to get them.

They are not installed by themselves: on most machines their packages start a web server on port 80 at once.
"""

from __future__ import annotations

import os
import shutil
import sys

# An ordinary user's PATH leaves out where Debian puts servers.
PATH = os.environ.get("PATH", "") + os.pathsep + "/usr/sbin"


def program(name: str) -> str | None:
    return shutil.which(name, path=PATH)


def main() -> int:
    missing = [name for name in ("caddy", "pgbouncer", "prometheus", "age") if program(name) is None]
    if not missing:
        return 0
    names = " ".join(missing)
    print(
        f"{names} missing. Install with: apt-get install {names}   (Debian starts them as services; if you do not "
        f"want that: systemctl disable --now {names})"
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
