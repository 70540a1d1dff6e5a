"""`make restart`: a rolling update: restarts the processes one after the other, with a new release or the same one.

The migrations run first (docs/upgrades.md). Then each process shuts down gracefully and starts again; the next one
follows when it answers. With two processes of a kind users see no interruption. Servers, the sandbox and the demo field
keep running.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from stack.home import Home
from stack.lock import launcher_pid
from stack.migrations import migrate
from stack.programs import environment, programs
from stack.smoke import is_ok
from stack.supervise import restart_process

RESTARTED_KINDS = ("service", "worker", "beat", "reader", "dashboards", "watchdog", "backup")
START_TIMEOUT_SECONDS = 120
# The proxy checks the health once a second (Caddyfile, health_interval), and needs two good checks.
HEALTH_CHECK_SECONDS = 3


def restart(home: Home) -> int:
    if launcher_pid(home) is None:
        print("Genba is not running from this folder; start it with: make up")
        return 1
    environ = environment(home)
    # If it fails, nothing is restarted: the previous release keeps running.
    print("migrating the database", flush=True)
    if message := migrate(environ):
        print(message, flush=True)
    restarted_programs = [
        program for program in programs(home, environ) if program.name.partition("-")[0] in RESTARTED_KINDS
    ]
    for program in restarted_programs:
        started_at = time.monotonic()
        restart_process(home, program.name)
        path = "/_stcore/health" if program.name.startswith("dashboards") else "/api/health/live"
        for port in program.ports:
            url = f"http://127.0.0.1:{port}{path}"
            if not _wait_for(START_TIMEOUT_SECONDS, partial(is_ok, url)):
                print(f"{program.name} does not answer; the others were left as they are. Its log: {home.logs}")
                return 1
            time.sleep(HEALTH_CHECK_SECONDS)
        print(f"{program.name}: restarted in {time.monotonic() - started_at:.1f} s", flush=True)
    return 0


def _wait_for(seconds: float, ready: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True
