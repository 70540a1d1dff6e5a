"""The last resort: errors that no page caught."""

from __future__ import annotations

import pytest
import streamlit as st

from dashboards.client import ApiProblem
from dashboards.ui import feedback


@pytest.fixture
def shown_errors(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    errors: list[str] = []
    monkeypatch.setattr(st, "error", lambda text, **_: errors.append(text))
    return errors


def test_a_bug_in_a_page_is_reported_with_a_reference_that_is_in_the_log(
    shown_errors: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    assert feedback.script_failed(ZeroDivisionError("secret detail")) is True

    assert shown_errors[0].startswith("プログラムの不具合により、この部分を表示できませんでした。")
    assert "secret detail" not in shown_errors[0]
    [record] = caplog.records
    assert f"（受付番号 {record.args[1]}）" in shown_errors[0]  # type: ignore[index]


def test_a_problem_that_no_page_caught_shows_the_services_message(shown_errors: list[str]) -> None:
    assert feedback.script_failed(ApiProblem(409, "", "ほかの人が変更しました。", reference="abc123")) is True

    assert shown_errors == ["ほかの人が変更しました。（受付番号 abc123）"]


def test_a_reference_that_the_service_already_named_is_not_repeated(shown_errors: list[str]) -> None:
    feedback.script_failed(ApiProblem(500, "", "受付番号 abc123 をお知らせください。", reference="abc123"))

    assert shown_errors == ["受付番号 abc123 をお知らせください。"]
