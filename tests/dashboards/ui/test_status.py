"""Statuses: each the service knows has a word, a colour and an icon here, the same on every page."""

from __future__ import annotations

from typing import Any

from dashboards.ui import columns
from dashboards.ui.status import ALERT, TERMINAL, UNKNOWN
from service.fleet.rules import ALERT_WORDS, AlertType, Status


def test_every_status_of_a_terminal_has_its_word() -> None:
    assert set(TERMINAL) == set(Status)


def test_alerts_are_named_as_in_the_mails_about_them() -> None:
    assert {AlertType(code): status.word for code, status in ALERT.items()} == ALERT_WORDS


def test_colour_never_stands_alone() -> None:
    for status in (*TERMINAL.values(), *ALERT.values(), UNKNOWN):
        assert status.badge() == f":{status.color}-badge[:material/{status.icon}: {status.word}]"
        assert status.word


def test_a_status_this_release_does_not_know_is_called_unknown_in_tables() -> None:
    column = columns.badge("状態", "status", TERMINAL)
    cell = column.cell({"status": "exploded"})
    drawn: dict[str, Any] = dict(column.draw("状態", [cell]))

    assert cell == ["不明"]
    words = [option["value"] for option in drawn["type_config"]["options"]]
    assert words == [*(status.word for status in TERMINAL.values()), "不明"]
