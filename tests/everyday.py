"""`make test`: the tests, and at the same time lint, types and import contracts.

    python -m tests.everyday                 what `make test` runs
    python -m tests.everyday --write-times   also writes the table of seconds that decides the order of files

Prints the five slowest files and the seconds of each part at the end.
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
from tests.shares import TIMES_FILE

BIN = Path(sys.executable).parent
CHECKS = {
    "ruff check": [str(BIN / "ruff"), "check"],
    "ruff format": [str(BIN / "ruff"), "format", "--check"],
    "import contracts": [str(BIN / "lint-imports")],
}
# Random data and the order within a file change each day, but not within a day: a failure can be repeated.
SEED = os.environ.get("SEED") or time.strftime("%Y%m%d")
SEEDS = [f"--hypothesis-seed={SEED}", f"--randomly-seed={SEED}"]
PYTEST = [sys.executable, "-m", "pytest", *SEEDS, "-n", "auto", "--dist", "loadfile"]
# The packages that processes of the tests import.
COMPILED_FOLDERS = ("service", "jobs", "dashboards", "agent", "stack", "sandbox", "tests")
# Byte code is compiled once before the tests: otherwise all workers compile it at the same time.
PREPARATIONS = {
    "Chromium": [sys.executable, "tests/ensure_browser.py"],
    "byte code": [sys.executable, "-m", "compileall", "-q", "-j", "0", *COMPILED_FOLDERS],
    "fonts": [sys.executable, "-m", "dashboards.fonts"],
}


@dataclass(frozen=True)
class PartResult:
    name: str
    seconds: float
    returncode: int
    output: str = ""


def run(name: str, command: list[str], *, show_output: bool = False) -> PartResult:
    """Run the command. It may write byte code: tests start a hundred processes of the product, which would each compile
    it again."""
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    started_at = time.monotonic()
    out, err = (None, None) if show_output else (subprocess.PIPE, subprocess.STDOUT)
    result = subprocess.run(command, cwd=ROOT, env=environ, stdout=out, stderr=err, text=True)
    return PartResult(name, time.monotonic() - started_at, result.returncode, result.stdout or "")


def check_types() -> PartResult:
    """Run mypy with one cache for all clones of this user: without it unchanged files take a minute of one core."""
    cache_folder = Path(tempfile.gettempdir()) / f"genba-kept-mypy-{os.getuid()}"
    with cache_folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return run("mypy", ["nice", sys.executable, "-m", "mypy", f"--cache-dir={cache_folder}"])


def all_parts(pytest_arguments: list[str]) -> Iterator[PartResult]:
    """Run all parts of `make test`. Yields the result of each."""
    with ThreadPoolExecutor(len(PREPARATIONS)) as executor:
        prepared = list(executor.map(run, PREPARATIONS, PREPARATIONS.values()))
    yield from prepared
    if any(part.returncode for part in prepared):
        return
    with ThreadPoolExecutor(1) as executor:
        checks = [executor.submit(run, name, ["nice", *command]) for name, command in CHECKS.items()]
        checks.append(executor.submit(check_types))
        yield run("tests", [*PYTEST, *pytest_arguments], show_output=True)
        yield from (check.result() for check in checks)


def main() -> int:
    started_at, wants_times = time.monotonic(), "--write-times" in sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        file_times = Path(folder) / "times"
        parts = list(all_parts([f"--write-times={file_times}"] if wants_times else []))
        failed = [part for part in parts if part.returncode]
        if wants_times and not failed:
            TIMES_FILE.write_text(
                "".join(f"({part.name})\t{part.seconds:.1f}\n" for part in parts) + file_times.read_text()
            )
    for part in failed:
        print(f"\n{part.name} failed\n{part.output}".rstrip())
    print("\n" + ", ".join(f"{part.name} {part.seconds:.0f} s" for part in parts))
    minutes, seconds = divmod(round(time.monotonic() - started_at), 60)
    result = f"failed: {', '.join(part.name for part in failed)}" if failed else "all held"
    print(f"make test: {result}, {minutes}:{seconds:02}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
