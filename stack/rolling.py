"""`make restart`: a new release, or the same one, in place of what runs, one process after the other.

Migrations first (docs/upgrades.md), then each process is asked to end what it has begun and started anew; the next one
has its turn once this one answers. With two of a kind nobody notices. Servers, the sandbox and the field go on.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from stack.home import Home
from stack.lock import holder
from stack.migrations import migrate
from stack.programs import environment, programs
from stack.smoke import is_ok
from stack.supervise import restarted

KINDS = ("service", "worker", "beat", "reader", "dashboards", "watchdog", "backup")
PATIENCE_SECONDS = 120
# The proxy asks once a second who is there (Caddyfile, health_interval), and believes it a second time.
SEEN_AFTER_SECONDS = 3


def restart(place: Home) -> int:
    if holder(place) is None:
        print("Genba is not running from this folder; start it with: make up")
        return 1
    environ = environment(place)
    # When it fails, nothing is restarted: the previous release goes on.
    print("migrating the database", flush=True)
    if told := migrate(environ):
        print(told, flush=True)
    listed = [program for program in programs(place, environ) if program.name.partition("-")[0] in KINDS]
    for program in listed:
        begun = time.monotonic()
        restarted(place, program.name)
        path = "/_stcore/health" if program.name.startswith("dashboards") else "/api/health/live"
        for port in program.ports:
            url = f"http://127.0.0.1:{port}{path}"
            if not _within(PATIENCE_SECONDS, partial(is_ok, url)):
                print(f"{program.name} does not answer; the others were left as they are. Its log: {place.logs}")
                return 1
            time.sleep(SEEN_AFTER_SECONDS)
        print(f"{program.name}: restarted in {time.monotonic() - begun:.1f} s", flush=True)
    return 0


def _within(seconds: float, ready: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True
