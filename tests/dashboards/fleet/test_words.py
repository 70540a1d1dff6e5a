"""Statuses of 端末管理: each that the service knows has a word, a colour and an icon here."""

from __future__ import annotations

from dashboards.fleet.words import ALERT, ROLLOUT, TERMINAL, UPDATE
from service.fleet.firmware.rules import ROLLOUT_WORDS, RolloutState, TaskState
from service.fleet.rules import ALERT_WORDS, STATUS_WORDS, AlertType, Status


def test_terminals_are_named_as_in_the_exports() -> None:
    assert {Status(code): status.word for code, status in TERMINAL.items()} == STATUS_WORDS


def test_alerts_are_named_as_in_the_mails_about_them() -> None:
    assert {AlertType(code): status.word for code, status in ALERT.items()} == ALERT_WORDS


def test_roll_outs_are_named_as_in_the_services_words() -> None:
    assert {RolloutState(code): status.word for code, status in ROLLOUT.items()} == ROLLOUT_WORDS
    assert {TaskState(code) for code in UPDATE} == set(TaskState)
