"""What a row of `make bench` comes to: lines of a table, and claims that held or did not."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Goal:
    """A claim, what was measured for it, and whether it held."""

    claim: str
    measured: str
    held: bool

    def line(self) -> str:
        return f"| {self.claim} | {self.measured} | {'yes' if self.held else '**no**'} |"


Part = tuple[list[str], list[Goal]]
