"""`make test`: everything that a change can break. Lint, types and contracts run beside the tests, not before them.

    python -m tests.everyday                 what `make test` runs
    python -m tests.everyday --write-times   the same, and the table of seconds that the order of files comes from

Ends with the seconds of each part, after the five slowest files.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from stack.home import ROOT
from tests.shares import TIMES

BIN = Path(sys.executable).parent
CHECKS = {
    "ruff check": [str(BIN / "ruff"), "check"],
    "ruff format": [str(BIN / "ruff"), "format", "--check"],
    "import contracts": [str(BIN / "lint-imports")],
}
# What chance draws and the order within a file are others each day, and the same for a day: a failure can be repeated.
SEED = os.environ.get("SEED") or time.strftime("%Y%m%d")
SEEDS = [f"--hypothesis-seed={SEED}", f"--randomly-seed={SEED}"]
PYTEST = [sys.executable, "-m", "pytest", *SEEDS, "-n", "auto", "--dist", "loadfile"]
# The folders of Python that processes of the tests import.
COMPILED = ("service", "jobs", "dashboards", "agent", "stack", "tests")
# Before the tests: byte code once, where all workers would compile it at the same time.
PREPARATIONS = {
    "Chromium": [sys.executable, "tests/ensure_browser.py"],
    "byte code": [sys.executable, "-m", "compileall", "-q", "-j", "0", *COMPILED],
    "fonts": [sys.executable, "-m", "dashboards.fonts"],
}


@dataclass(frozen=True)
class Done:
    name: str
    seconds: float
    returncode: int
    output: str = ""


def run(name: str, command: list[str], *, shown: bool = False) -> Done:
    """With byte code: tests start a hundred processes of the product, each of which would compile it anew."""
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    begun = time.monotonic()
    out, err = (None, None) if shown else (subprocess.PIPE, subprocess.STDOUT)
    done = subprocess.run(command, cwd=ROOT, env=environ, stdout=out, stderr=err, text=True)
    return Done(name, time.monotonic() - begun, done.returncode, done.stdout or "")


def check_types() -> Done:
    """With one cache for all clones of this user: without it a minute of a core goes into what has not changed."""
    kept = Path(tempfile.gettempdir()) / f"genba-kept-mypy-{os.getuid()}"
    with kept.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return run("mypy", ["nice", sys.executable, "-m", "mypy", f"--cache-dir={kept}"])


def all_parts(more: list[str]) -> Iterator[Done]:
    """`more`: arguments of pytest."""
    with ThreadPoolExecutor(len(PREPARATIONS)) as together:
        prepared = list(together.map(run, PREPARATIONS, PREPARATIONS.values()))
    yield from prepared
    if any(one.returncode for one in prepared):
        return
    with ThreadPoolExecutor(1) as beside:
        checks = [beside.submit(run, name, ["nice", *command]) for name, command in CHECKS.items()]
        checks.append(beside.submit(check_types))
        yield run("tests", [*PYTEST, *more], shown=True)
        yield from (one.result() for one in checks)


def main() -> int:
    begun, wants_times = time.monotonic(), "--write-times" in sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        of_files = Path(folder) / "times"
        done = list(all_parts([f"--write-times={of_files}"] if wants_times else []))
        failed = [one for one in done if one.returncode]
        if wants_times and not failed:
            TIMES.write_text("".join(f"({one.name})\t{one.seconds:.1f}\n" for one in done) + of_files.read_text())
    for one in failed:
        print(f"\n{one.name} failed\n{one.output}".rstrip())
    print("\n" + ", ".join(f"{one.name} {one.seconds:.0f} s" for one in done))
    minutes, seconds = divmod(round(time.monotonic() - begun), 60)
    result = f"failed: {', '.join(one.name for one in failed)}" if failed else "all held"
    print(f"make test: {result}, {minutes}:{seconds:02}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
