"""Sections of docs/scaling.md that programs write: between `<!-- NAME -->` and `<!-- end of NAME -->`."""

from __future__ import annotations

from stack.home import ROOT

FILE = ROOT / "docs" / "scaling.md"


def read(name: str) -> list[str]:
    """The lines of a section."""
    return FILE.read_text().split(_begin(name))[1].split(_end(name))[0].strip("\n").split("\n")


def write(name: str, lines: list[str]) -> None:
    before, rest = FILE.read_text().split(_begin(name))
    FILE.write_text(f"{before}{_begin(name)}\n\n" + "\n".join(lines) + f"\n\n{_end(name)}{rest.split(_end(name))[1]}")


def cells(line: str) -> list[str]:
    """The cells of a table row."""
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def _begin(name: str) -> str:
    return f"<!-- {name} -->"


def _end(name: str) -> str:
    return f"<!-- end of {name} -->"
