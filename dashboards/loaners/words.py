"""The labels of 代替機管理 with their colours and icons, the same on each of its pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from dashboards.ui import times
from dashboards.ui.status import Status
from dashboards.ui.text import plain, small

LENT, COLLECTED, STORED = 1, 2, 3
STATUS = {
    LENT: Status("1.貸出中", "blue", "local_shipping"),
    COLLECTED: Status("2.回収後社内保管", "orange", "assignment_return"),
    STORED: Status("3.社内にて保管中", "green", "warehouse"),
}
NOT_REGISTERED = Status("未登録", "gray", "help")
DEPOSIT = {
    1: Status("1.返却可能", "green", "check_circle"),
    2: Status("2.商談や金額の問題で返却不可", "orange", "warning"),
    3: Status("3.お客様による返却拒否", "red", "person_cancel"),
    4: Status("4.HW延長保守中(OS入れ替えやサービス終了を含む)", "blue", "shield"),
}
# Short forms, as the specification classifies them (集計分類).
DEPOSIT_CLASSES = {1: "返却可能", 2: "商談中", 3: "返却拒否", 4: "保守対応中"}
UNSET = Status("未設定", "gray", "remove")
ARCHIVED = Status("無効", "gray", "archive")
DEPOSIT_HEADER = "預り機のステータス"
KIND = {"terminal": "端末", "printer": "プリンタ", "other": "その他"}


def timestamp(at: datetime | str) -> str:
    """In the specification's format, in Tokyo time: 2026/11/21 09:05:00."""
    local = times.parse(at) if isinstance(at, str) else at.astimezone(times.TOKYO)
    return local.strftime("%Y/%m/%d %H:%M:%S")


def display_value(value: str) -> str:
    """The text of an answer: days with slashes."""
    is_day = len(value) == 10 and value[4] == value[7] == "-" and value.replace("-", "").isdigit()
    return value.replace("-", "/") if is_day else value


def changes(differences: Sequence[Mapping[str, Any]]) -> list[str]:
    """Lines of Markdown: the old and the new values. Answers that another status does not use are named together."""
    removed = [
        plain(difference["header"])
        for difference in differences
        if not difference["new"] and difference["header"] != DEPOSIT_HEADER
    ]
    lines = [
        _change(difference) for difference in differences if difference["new"] or difference["header"] == DEPOSIT_HEADER
    ]
    return lines + ([small(f"使わなくなる回答: {'、'.join(removed)}")] if removed else [])


def _change(difference: Mapping[str, Any]) -> str:
    old, new = (plain(display_value(difference[side])) or ":gray[（なし）]" for side in ("old", "new"))
    return f"{plain(difference['header'])}：{old} → **{new}**"
