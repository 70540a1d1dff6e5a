"""The last resort: errors that no page caught."""

from __future__ import annotations

import pytest
import streamlit as st

from dashboards.client import ApiProblem
from dashboards.ui import feedback


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    said: list[str] = []
    monkeypatch.setattr(st, "error", lambda text, **_: said.append(text))
    return said


def test_a_bug_in_a_page_is_said_with_a_reference_that_is_in_the_log(
    shown: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    assert feedback.script_failed(ZeroDivisionError("secret detail")) is True

    assert shown[0].startswith("プログラムの不具合により、この部分を表示できませんでした。")
    assert "secret detail" not in shown[0]
    [record] = caplog.records
    assert f"（受付番号 {record.args[1]}）" in shown[0]  # type: ignore[index]


def test_a_problem_no_page_caught_is_said_in_the_services_words(shown: list[str]) -> None:
    assert feedback.script_failed(ApiProblem(409, "", "ほかの人が変更しました。", reference="abc123")) is True

    assert shown == ["ほかの人が変更しました。（受付番号 abc123）"]


def test_a_number_that_the_service_already_named_is_not_repeated(shown: list[str]) -> None:
    feedback.script_failed(ApiProblem(500, "", "受付番号 abc123 をお知らせください。", reference="abc123"))

    assert shown == ["受付番号 abc123 をお知らせください。"]
