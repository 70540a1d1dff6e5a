"""The labels of 申込投入 with their colours and icons, the same on each of its pages (4.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dashboards.contract import agencies as contract
from dashboards.ui.status import Status, statuses

STATUS = statuses(
    contract.STATUS,
    {
        "deficient": ("red", "report"),
        "working": ("orange", "pending"),
        "entered": ("green", "task_alt"),
        "cancelled": ("gray", "block"),
    },
)
# By 4.2 a mixture of 投入済 and キャンセル is 対応中, although no work remains.
NOTHING_REMAINING = Status("残りなし", "gray", "done_all")
# The status of a request in a list, by `list_status`.
LIST_STATUS = {**STATUS, "done": NOTHING_REMAINING}


def list_status(request: Mapping[str, Any]) -> str:
    """The status, or `done` when no work remains."""
    return "done" if request["status"] == "working" and not request["is_open"] else str(request["status"])


def entered_ratio(case: Mapping[str, Any]) -> str:
    """地点数: the sites that are 投入済 / all expected sites: 2/3."""
    return f"{case['entered_sites']:,}/{max(case['sites'], case['site_count']):,}"


def unregistered(case: Mapping[str, Any]) -> int:
    """How many declared sites have not been added yet."""
    return max(int(case["site_count"]) - int(case["sites"]), 0)


def titles(masters: contract.Masters, name: str) -> dict[str, str]:
    """A list of the masters: code → name, in their order, inactive ones included."""
    return {choice["code"]: choice["name"] for choice in masters["choices"].get(name, ())}


def active_codes(masters: contract.Masters, name: str, *stored: str | None) -> list[str]:
    """The active codes of a list of the masters, and those that are stored already."""
    return [
        choice["code"] for choice in masters["choices"].get(name, ()) if choice["in_use"] or choice["code"] in stored
    ]
