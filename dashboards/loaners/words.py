"""The labels of 代替機管理 with their colours and icons, the same on each of its pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from dashboards.contract import loaners as contract
from dashboards.ui import times
from dashboards.ui.status import Status, statuses
from dashboards.ui.text import plain, small

Value = TypeVar("Value")
LENT, COLLECTED, STORED = 1, 2, 3


def _by_number(by_text: Mapping[str, Value]) -> dict[int, Value]:
    """Answers have these codes as numbers."""
    return {int(code): value for code, value in by_text.items()}


STATUS = _by_number(
    statuses(
        contract.STATUS,
        {"1": ("blue", "local_shipping"), "2": ("orange", "assignment_return"), "3": ("green", "warehouse")},
    )
)
NOT_REGISTERED = Status("未登録", "gray", "help")
DEPOSIT = _by_number(
    statuses(
        contract.DEPOSIT,
        {
            "1": ("green", "check_circle"),
            "2": ("orange", "warning"),
            "3": ("red", "person_cancel"),
            "4": ("blue", "shield"),
        },
    )
)
# Short forms, as the specification classifies them (集計分類).
DEPOSIT_CLASSES = _by_number(contract.DEPOSIT_CLASS)
UNSET = Status("未設定", "gray", "remove")
ARCHIVED = Status("無効", "gray", "archive")
DEPOSIT_HEADER = contract.FIELDS["deposit"]


def status(code: int | None) -> Status:
    return STATUS.get(code or 0, NOT_REGISTERED)


def timestamp(at: datetime | str) -> str:
    """In the specification's format, in Tokyo time: 2026/11/21 09:05:00."""
    local = times.parse(at) if isinstance(at, str) else at.astimezone(times.TOKYO)
    return local.strftime("%Y/%m/%d %H:%M:%S")


def display_value(value: str) -> str:
    """The text of an answer: days with slashes."""
    is_day = len(value) == 10 and value[4] == value[7] == "-" and value.replace("-", "").isdigit()
    return value.replace("-", "/") if is_day else value


def changes(differences: Sequence[contract.Change]) -> list[str]:
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


def _change(difference: contract.Change) -> str:
    old, new = (plain(display_value(value)) or ":gray[（なし）]" for value in (difference["old"], difference["new"]))
    return f"{plain(difference['header'])}：{old} → **{new}**"
