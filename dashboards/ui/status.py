"""A status is a word, a tone and an icon, so that colour never stands alone. The words are the areas' own.

green: all is well; red: does not work; orange: works, but needs a person; blue: under way; gray: set aside on purpose.
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
        """As Markdown, for any text of Streamlit."""
        return f":{self.color}-badge[:material/{self.icon}: {self.word}]"


UNKNOWN = Status("不明", "gray", "help")
