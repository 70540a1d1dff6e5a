"""Checks for Caddy, PgBouncer, Prometheus and age, which `make test-production` needs, and prints how to get them.

They are not installed automatically: on most machines their packages start a web server on port 80 at once.
"""

from __future__ import annotations

import os
import shutil
import sys

# An ordinary user's PATH does not have the folder where Debian installs servers.
PATH = os.environ.get("PATH", "") + os.pathsep + "/usr/sbin"


def find_program(name: str) -> str | None:
    return shutil.which(name, path=PATH)


def main() -> int:
    missing = [name for name in ("caddy", "pgbouncer", "prometheus", "age") if find_program(name) is None]
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
