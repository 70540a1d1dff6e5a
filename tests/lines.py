"""Prints the lines of Python by room: `python -m tests.lines`. What `make contract` writes is counted apart."""

from __future__ import annotations

import subprocess
from collections import Counter
from pathlib import Path

from stack.home import ROOT
from tests.contract import FOLDER

GENERATED = "written by make contract"
TESTS = ("sandbox", "tests")


def lines_by_room(root: Path = ROOT) -> Counter[str]:
    """The lines of the files that git knows, the newest text of each."""
    listed = subprocess.run(["git", "ls-files", "*.py"], cwd=root, capture_output=True, text=True, check=True)
    counts: Counter[str] = Counter()
    for name in listed.stdout.splitlines():
        path = root / name
        if path.exists():
            room = GENERATED if path.parent == FOLDER else path.relative_to(root).parts[0]
            counts[room] += len(path.read_text().splitlines())
    return counts


def main() -> None:
    counts = lines_by_room()
    product = sum(count for room, count in counts.items() if room not in (*TESTS, GENERATED))
    for room, count in [*sorted(counts.items()), ("product without what is written by make contract", product)]:
        print(f"{count:9,}  {room}")


if __name__ == "__main__":
    main()
