"""Statuses of 端末管理: each that the service knows has a word, a colour and an icon here."""

from __future__ import annotations

import ast
import re
from typing import Any

import pytest

from dashboards.fleet import incident_words, terminal_words
from dashboards.fleet.words import ALERT, ROLLOUT, TERMINAL, UPDATE
from service.fleet.firmware.rules import ROLLOUT_LABELS, RolloutState, TaskState
from service.fleet.impact import rules as impact
from service.fleet.ingest import batches
from service.fleet.rules import ALERT_LABELS, STATUS_LABELS, AlertType, ContractType, Status
from stack.home import ROOT


def test_terminals_are_named_as_in_the_exports() -> None:
    assert {Status(code): status.word for code, status in TERMINAL.items()} == STATUS_LABELS


def test_alerts_are_named_as_in_the_mails_about_them() -> None:
    assert {AlertType(code): status.word for code, status in ALERT.items()} == ALERT_LABELS


def test_roll_outs_are_named_as_in_the_services_words() -> None:
    assert {RolloutState(code): status.word for code, status in ROLLOUT.items()} == ROLLOUT_LABELS
    assert {TaskState(code) for code in UPDATE} == set(TaskState)


def written(*functions: str) -> set[str]:
    """The kinds that the service's code passes to one of these functions, as a constant."""
    kinds: set[str] = set()
    for path in (ROOT / "service/fleet").rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text())):
            if isinstance(call, ast.Call) and ast.unparse(call.func).rpartition(".")[2] in functions:
                named = [part for given in call.args[1:4] for part in (given, *vars(given).values())]
                kinds |= {str(one.value) for one in named if isinstance(one, ast.Constant)}
    return {kind for kind in kinds if re.fullmatch("[a-z_]+", kind)}


def test_the_rules_of_impact_are_told_as_they_are() -> None:
    said = incident_words.IMPACT_HELP
    for points in (
        f"全台停止で{impact.STANDSTILL_POINTS}点",
        f"スタンダード保守{impact.CONTRACT_POINTS[ContractType.STANDARD]}点",
        f"プレミアム保守{impact.CONTRACT_POINTS[ContractType.PREMIUM]}点",
        f"営業時間の目安の内（{impact.TRADING_POINTS}点）",
        f"{impact.HIGH_FROM}点以上を大、{impact.MIDDLE_FROM}点以上を中",
    ):
        assert points in said
    assert set(incident_words.IMPACTS) == {*impact.Level, "over"}


AT = "2026-11-21T01:00:00Z"
ITEM = {"at": AT, "by": "システム", "text": "", "detail": None, "status": None}


def test_whatever_is_logged_about_a_terminal_has_words() -> None:
    ingested = set(re.findall(r"\(is_\w+[^']*(?:'started'|'shutdown')?,? ?'(\w+)'", batches.STORE))
    kinds = (
        written("record_terminal_event", "record_terminal_events", "_note")
        | ingested
        | {"registered", "command", "status"}
    )
    assert {"cloned", "clock_skew", "update_failed", "swapped", "archived", "maintenance_planned"} <= kinds
    unnamed = terminal_words.timeline_event(ITEM | {"source": "log", "kind": "spaceship"}).what

    said = {kind: terminal_words.timeline_event(ITEM | {"source": "log", "kind": kind}).what for kind in kinds}

    assert [kind for kind, words in said.items() if words == unnamed] == []


def test_whatever_happens_to_an_incident_has_words() -> None:
    kinds = written("record_event") | {"archived", "recovered", "snoozed", "woken"}
    assert {"opened", "maintenance", "reminded"} <= kinds
    unnamed = incident_words.timeline_event(ITEM | {"kind": "spaceship"}).what

    said = {kind: incident_words.timeline_event(ITEM | {"kind": kind, "text": "理由"}) for kind in kinds}

    assert [kind for kind, one in said.items() if one.what == unnamed] == []
    assert said["maintenance"].what == "1台がメンテナンスに入りました"
    assert said["maintenance"].reason == "理由"
    assert said["archived"].what == "1台がアーカイブされ、対象から外れました"


@pytest.mark.parametrize(
    ("kind", "detail", "words", "reason"),
    [
        ("update_offered", {"version": "2.1.0"}, "ファームウェア 2.1.0 への更新を指示しました", ""),
        ("update_succeeded", {"version": "2.1.0"}, "ファームウェア 2.1.0 への更新が完了しました", ""),
        (
            "update_failed",
            {"version": "2.1.0", "error": "署名が正しくありません。"},
            "ファームウェア 2.1.0 への更新に失敗しました",
            "署名が正しくありません。",
        ),
    ],
)
def test_an_update_is_told_with_version_and_reason(kind: str, detail: dict[str, Any], words: str, reason: str) -> None:
    told = terminal_words.timeline_event(ITEM | {"source": "log", "kind": kind, "detail": detail})
    assert (told.what, told.reason) == (words, reason)
