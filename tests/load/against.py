"""`make bench-against COMMIT=…`: rows of `make bench` of an earlier commit and of this one, in turns on this machine.

    python -m tests.load.against COMMIT [ROW …]

Each commit runs its own code with its own packages, in a work tree of its own. Without rows, all that both have are
run. Prints each table and what was measured for each claim.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stack.home import ROOT
from tests.load.marked import cells

TURNS = 2
BENCH = "tests.load.bench"


def main() -> int:
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    commit, *requested = sys.argv[1:]
    with work_tree(commit) as earlier:
        rows = requested or [row for row in _row_names(ROOT) if row in _row_names(earlier)]
        for row in rows:
            # In turns, because the machine's speed changes with the hours.
            runs = [(tree, _run(tree, row)) for _ in range(TURNS) for tree in (earlier, ROOT)]
            print(f"\n## {row}\n")
            for name, tree in ((commit, earlier), ("this", ROOT)):
                for number, output in enumerate((output for at, output in runs if at == tree), 1):
                    print(f"### {name}, run {number}\n\n{output}\n")
    return 0


@contextmanager
def work_tree(commit: str) -> Iterator[Path]:
    """The files of a commit, with its packages."""
    with tempfile.TemporaryDirectory(prefix="genba-against-") as folder:
        path = Path(folder) / "tree"
        subprocess.run(["git", "worktree", "add", "--detach", path, commit], cwd=ROOT, check=True, capture_output=True)
        try:
            subprocess.run([_base_python(), "stack/bootstrap.py", "--tests"], cwd=path, check=True, stdout=sys.stderr)
            yield path
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", path], cwd=ROOT, check=True)


def _base_python() -> str:
    """The interpreter that the virtual environment was made with."""
    return os.path.realpath(sys.executable)


def _row_names(tree: Path) -> list[str]:
    lines = _python(tree, "--list").splitlines()
    return [line.split()[0] for line in lines if line.strip()]


def _run(tree: Path, row: str) -> str:
    """The tables that the row printed; a claim that does not hold is no error here."""
    lines = _python(tree, row).splitlines()
    table = [line for line in lines if line.startswith("|") and cells(line)[0] != f"`{row}`"]
    claims = [line for line in lines if line.startswith(f"| `{row}`")]
    return "\n".join([*table, *dict.fromkeys(claims)])


def _python(tree: Path, *arguments: str) -> str:
    """What the bench of that tree prints."""
    command = [str(tree / ".venv" / "bin" / "python"), "-m", BENCH, *arguments]
    environ = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    return subprocess.run(command, cwd=tree, env=environ, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    sys.exit(main())
