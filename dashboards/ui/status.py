"""A status is a label, a colour and an icon, so that colour never stands alone. Each area has its own labels.

green: all is well; red: does not work; orange: works, but needs attention; blue: in progress; gray: set aside on
purpose.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Color = Literal["green", "red", "orange", "gray", "blue"]


@dataclass(frozen=True)
class Status:
    label: str
    color: Color
    icon: str

    def badge(self) -> str:
        """As Markdown, for any text in Streamlit."""
        return f":{self.color}-badge[:material/{self.icon}: {self.label}]"


def statuses(labels: Mapping[str, str], looks: Mapping[str, tuple[Color, str]]) -> dict[str, Status]:
    """The service's labels (`dashboards.contract`) with a colour and an icon for each code, in the order of `looks`."""
    return {code: Status(labels[code], color, icon) for code, (color, icon) in looks.items()}


UNKNOWN = Status("不明", "gray", "help")
