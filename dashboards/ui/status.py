"""Status words with their colour and icon: the same thing looks the same on every page, and colour never stands alone.

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

TERMINAL = {
    "online": Status("オンライン", "green", "check_circle"),
    "offline": Status("オフライン", "red", "cloud_off"),
    "error": Status("エラー", "orange", "error"),
    "maintenance": Status("メンテナンス中", "gray", "build"),
}

ALERT = {
    "offline": Status("オフライン", "red", "cloud_off"),
    "error": Status("エラー", "orange", "error"),
    "high_cpu": Status("CPU使用率高", "orange", "speed"),
    "high_memory": Status("メモリ使用率高", "orange", "memory"),
    "update_failed": Status("更新失敗", "orange", "sync_problem"),
}
