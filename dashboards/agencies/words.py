"""The words of 申込投入 with their colours and icons, the same on each of its pages (4.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dashboards.ui.status import Status

STATUS = {
    "deficient": Status("不備", "red", "report"),
    "working": Status("対応中", "orange", "pending"),
    "entered": Status("投入済", "green", "task_alt"),
    "cancelled": Status("キャンセル", "gray", "block"),
}
SERVICE = {"electricity": "電気", "gas": "ガス"}
# A mixture of 投入済 and キャンセル is 対応中 by 4.2, and nothing is left to be done.
NOTHING_LEFT = Status("残りなし", "gray", "done_all")
# Of a request in a list, by `status_of`.
SHOWN = {**STATUS, "done": NOTHING_LEFT}


def status_of(request: Mapping[str, Any]) -> str:
    """Its status, or that nothing is left of it."""
    return "done" if request["status"] == "working" and not request["is_open"] else str(request["status"])


def entered_of(case: Mapping[str, Any]) -> str:
    """地点数: how many are 投入済 of those that there are to be: 2/3."""
    return f"{case['entered_sites']:,}/{max(case['sites'], case['site_count']):,}"


def unregistered(case: Mapping[str, Any]) -> int:
    """Of the sites that were declared, those that nobody has added yet."""
    return max(int(case["site_count"]) - int(case["sites"]), 0)


def titles(masters: Mapping[str, Any], name: str) -> dict[str, str]:
    """Of a list of the masters: code → name in their order, those out of use included."""
    return {one["code"]: one["name"] for one in masters["choices"].get(name, ())}
