"""A status is a label, a colour and an icon, so that colour never stands alone. Each area has its own labels.

green: all is well; red: does not work; orange: works, but needs attention; blue: in progress; gray: set aside on
purpose.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Status:
    word: str
    color: Literal["green", "red", "orange", "gray", "blue"]
    icon: str

    def badge(self) -> str:
        """As Markdown, for any text in Streamlit."""
        return f":{self.color}-badge[:material/{self.icon}: {self.word}]"


UNKNOWN = Status("不明", "gray", "help")
