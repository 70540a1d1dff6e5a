"""Statuses of 端末管理: each status of the service has a label, a colour and an icon here."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import Any

import pytest

from dashboards.contract import fleet as contract
from dashboards.fleet import incident_words, terminal_words, words
from dashboards.ui.status import Status
from service.fleet.impact import rules as impact
from service.fleet.ingest import batches
from service.fleet.rules import ContractType
from stack.home import ROOT


@pytest.mark.parametrize(
    ("shown", "labels"),
    [
        (words.TERMINAL, contract.STATUS),
        (words.ALERT, contract.ALERT_TYPE),
        (words.ROLLOUT, contract.ROLLOUT_STATE),
        (words.COMMAND_STATES, contract.COMMAND_STATE),
        (words.PHASES, contract.PHASE),
        (words.CODES, contract.CODE_STATE),
    ],
)
def test_every_code_of_the_service_has_a_colour_and_an_icon(
    shown: Mapping[str, Status], labels: Mapping[str, str]
) -> None:
    assert {code: status.label for code, status in shown.items()} == labels


def recorded_kinds(*functions: str) -> set[str]:
    """The event kinds that the service's code passes to one of these functions, as a constant."""
    kinds: set[str] = set()
    for path in (ROOT / "service/fleet").rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text())):
            if isinstance(call, ast.Call) and ast.unparse(call.func).rpartition(".")[2] in functions:
                nodes = [part for argument in call.args[1:4] for part in (argument, *vars(argument).values())]
                kinds |= {str(node.value) for node in nodes if isinstance(node, ast.Constant)}
    return {kind for kind in kinds if re.fullmatch("[a-z_]+", kind)}


def test_the_rules_of_impact_are_explained_as_they_are() -> None:
    help_text = incident_words.IMPACT_HELP
    for points in (
        f"全台停止で{impact.STANDSTILL_POINTS}点",
        f"スタンダード保守{impact.CONTRACT_POINTS[ContractType.STANDARD]}点",
        f"プレミアム保守{impact.CONTRACT_POINTS[ContractType.PREMIUM]}点",
        f"営業時間の目安の内（{impact.TRADING_POINTS}点）",
        f"{impact.HIGH_FROM}点以上を大、{impact.MIDDLE_FROM}点以上を中",
    ):
        assert points in help_text
    assert set(incident_words.IMPACTS) == {*impact.Level, "over"}


AT = "2026-11-21T01:00:00Z"
ITEM: Any = {"at": AT, "by": "システム", "text": "", "detail": None, "status": None}


def test_every_logged_event_of_a_terminal_has_a_title() -> None:
    ingested = set(re.findall(r"\(is_\w+[^']*(?:'started'|'shutdown')?,? ?'(\w+)'", batches.STORE))
    kinds = (
        recorded_kinds("record_terminal_event", "record_terminal_events", "_note")
        | ingested
        | {"registered", "command", "status"}
    )
    assert {"cloned", "clock_skew", "update_failed", "swapped", "archived", "maintenance_planned"} <= kinds
    unnamed = terminal_words.timeline_event(ITEM | {"source": "log", "kind": "spaceship"}).title

    titles = {kind: terminal_words.timeline_event(ITEM | {"source": "log", "kind": kind}).title for kind in kinds}

    assert [kind for kind, title in titles.items() if title == unnamed] == []


def test_every_event_of_an_incident_has_a_title() -> None:
    kinds = recorded_kinds("record_event") | {"archived", "recovered", "snoozed", "woken"}
    assert {"opened", "maintenance", "reminded"} <= kinds
    unnamed = incident_words.timeline_event(ITEM | {"kind": "spaceship"}).title

    events = {kind: incident_words.timeline_event(ITEM | {"kind": kind, "text": "理由"}) for kind in kinds}

    assert [kind for kind, event in events.items() if event.title == unnamed] == []
    assert events["maintenance"].title == "1台がメンテナンスに入りました"
    assert events["maintenance"].reason == "理由"
    assert events["archived"].title == "1台がアーカイブされ、対象から外れました"


@pytest.mark.parametrize(
    ("kind", "detail", "title", "reason"),
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
def test_an_update_is_shown_with_version_and_reason(kind: str, detail: dict[str, Any], title: str, reason: str) -> None:
    event = terminal_words.timeline_event(ITEM | {"source": "log", "kind": kind, "detail": detail})
    assert (event.title, event.reason) == (title, reason)
