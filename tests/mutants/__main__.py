"""Puts faults into copies of the product, one at a time, and runs the tests that run its place until one fails.

python -m tests.mutants record             a whole run of `make test`'s tests, noting what each test runs
python -m tests.mutants run --seed WORD    the faults of that seed; the report is printed and written
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import Queue

from stack.home import ROOT
from tests.mutants.faults import ROOMS, Fault, chosen, every
from tests.mutants.recorder import Recorded

KEPT = ROOT / "test-results" / "mutants"
RECORDED = KEPT / "coverage"
REPORT = ROOT / "docs" / "mutants.md"
HEAD = """# Faults put in on purpose

Written by `make test-mutants`: each fault alone, before the tests of `make test` that run the function it is in.

| kind | put in | noticed |
| --- | ---: | ---: |"""
COUNT = 60
AT_ONCE = os.cpu_count() or 1
# The tests that run least beside the fault come first: they are about it. Most faults need no others.
FIRST = 50
# Whoever may not does not get as far as the function: these ask every route who may.
OF_PERMISSIONS = ["tests/house/test_structure.py", "tests/api/walks/test_refusals.py"]
# Each test adds a second to these: what is not done by then does not end.
PATIENCE_SECONDS = 300
COPIED = (*ROOMS, "sandbox", "tests", "scanner_station", "docs", ".ci")


@dataclass(frozen=True)
class Noticed:
    """`by`: the test that failed first; empty where none did. `tests`: how many run the place."""

    kind: str
    fault: str
    by: str
    tests: int
    seconds: int


def record() -> int:
    """Returns what pytest did: a red run says nothing of what it did not reach."""
    shutil.rmtree(RECORDED, ignore_errors=True)
    RECORDED.mkdir(parents=True)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.mutants.recorder", "-n", "auto", "--dist", "loadfile"]
    environ = os.environ | {"RECORD_TO": str(RECORDED)}
    # Browsers look at processes of their own, in which nothing is recorded.
    return subprocess.run([*command, "--ignore", "tests/browser"], cwd=ROOT, env=environ).returncode


def notice(fault: Fault, tests: list[str], copy: Path) -> Noticed:
    """A test that fails without the fault, too, has noticed nothing and is left out."""
    begun, by, red = time.monotonic(), "", list[str]()
    for part in (tests[:FIRST], tests[FIRST:]):
        while part and not by and (failed := _with(fault, copy, [one for one in part if one not in red])):
            if failed.startswith("tests/") and _first_failure([failed], copy):
                red.append(failed)
            else:
                by = failed
    return Noticed(fault.kind, fault.title, by, len(tests), round(time.monotonic() - begun))


def _with(fault: Fault, copy: Path, tests: list[str]) -> str:
    path = copy / fault.path
    before = path.read_text()
    fault.apply(copy)
    try:
        return _first_failure(tests, copy)
    finally:
        path.write_text(before)


def _first_failure(tests: list[str], copy: Path) -> str:
    """The id of the test that failed first, or why there is none; empty where nothing failed."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--tb=no", "-p", "no:cacheprovider", "-p", "no:randomly"]
    test_list = copy / "tests.txt"
    test_list.write_text("\n".join(tests))
    try:
        done = subprocess.run(
            [*command, f"@{test_list}"],
            cwd=copy,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS + len(tests),
        )
    except subprocess.TimeoutExpired:
        return "it does not end"
    if done.returncode in (0, 5):
        return ""
    failed = [line.split(" ", 1)[1] for line in done.stdout.splitlines() if line.startswith(("FAILED ", "ERROR "))]
    return failed[0].partition(" - ")[0] if failed else f"pytest ended with {done.returncode}"


def copied(number: int) -> Path:
    copy = KEPT / f"copy-{number}"
    shutil.rmtree(copy, ignore_errors=True)
    for room in COPIED:
        shutil.copytree(ROOT / room, copy / room, ignore=shutil.ignore_patterns("__pycache__"))
    for path in ROOT.iterdir():
        if path.is_file() and path.name != ".git":
            shutil.copy(path, copy)
    # Tests that ask git, and tests that start the installed programs.
    (copy / ".venv").symlink_to(Path(sys.prefix))
    (copy / ".git").symlink_to(ROOT / ".git")
    return copy


def run(seed: str, count: int) -> int:
    recorded = Recorded(RECORDED, ROOT)
    faults = chosen(every(ROOT), seed, count)
    free: Queue[Path] = Queue()
    for number in range(AT_ONCE):
        free.put(copied(number))

    def one(fault: Fault) -> Noticed:
        copy = free.get()
        try:
            more = OF_PERMISSIONS if fault.kind == "permission" else []
            found = notice(fault, [*more, *recorded.tests(fault.path, fault.body)], copy)
        finally:
            free.put(copy)
        print(f"{'noticed' if found.by else 'MISSED '} {found.seconds:4} s {found.fault} {found.by}", flush=True)
        return found

    with ThreadPoolExecutor(AT_ONCE) as lanes:
        results = list(lanes.map(one, faults))
    report = "\n".join([HEAD, *_lines(seed, results)]) + "\n"
    print(report)
    REPORT.write_text(report)
    return 0


def _lines(seed: str, results: list[Noticed]) -> Iterator[str]:
    for kind in sorted({result.kind for result in results}):
        of_kind = [result for result in results if result.kind == kind]
        yield f"| {kind} | {len(of_kind)} | {sum(bool(result.by) for result in of_kind)} |"
    noticed = sum(bool(result.by) for result in results)
    yield f"| all, seed `{seed}` | {len(results)} | {noticed} ({noticed / len(results):.0%}) |"
    if noticed < len(results):
        yield "\nNot noticed:\n"
    yield from (f"- `{result.fault}`" for result in results if not result.by)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("record")
    of_run = commands.add_parser("run")
    of_run.add_argument("--seed", required=True)
    of_run.add_argument("--count", type=int, default=COUNT)
    arguments = parser.parse_args()
    KEPT.mkdir(parents=True, exist_ok=True)
    return record() if arguments.command == "record" else run(arguments.seed, arguments.count)


if __name__ == "__main__":
    sys.exit(main())
