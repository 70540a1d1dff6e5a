"""Statuses: label, colour and icon, and a status that this release does not know."""

from __future__ import annotations

from dashboards.ui import columns
from dashboards.ui.status import UNKNOWN, Status

KINDS = {"open": Status("未対応", "red", "error"), "done": Status("対応済み", "green", "check_circle")}


def test_no_status_is_shown_by_colour_alone() -> None:
    for status in (*KINDS.values(), UNKNOWN):
        assert status.badge() == f":{status.color}-badge[:material/{status.icon}: {status.label}]"


def test_a_status_this_release_does_not_know_is_called_unknown_in_tables() -> None:
    column = columns.badge("状態", "status", KINDS)

    assert column.cell({"status": "exploded"}) == [("不明", "gray")]
