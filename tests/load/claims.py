"""What a row of `make bench` comes to: lines of a table, and claims that held or did not."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Goal:
    """A claim, what was measured for it, and whether it held."""

    claim: str
    measured: str
    held: bool

    @classmethod
    def at_most(cls, times: float, what: str, measured: float, of: str) -> Goal:
        """`measured` and `times` are multiples of what was measured beside it in the same run."""
        return cls(f"{what} at most {times:g}× {of}", f"{measured:.2f}×", measured <= times)

    def line(self) -> str:
        return f"| {self.claim} | {self.measured} | {'yes' if self.held else '**no**'} |"


Part = tuple[list[str], list[Goal]]
