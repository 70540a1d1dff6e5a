"""Settings from environment variables: production by default, and a wrong value stops the start."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from dashboards.settings import DEMO_REFRESH_SECONDS, Settings

NAMES = (
    "SERVICE_URL",
    "SERVICE_TIMEOUT_SECONDS",
    "GENBA_MODE",
    "SESSION_COOKIE_SECURE",
    "REFRESH_SECONDS",
)


@pytest.fixture(autouse=True)
def _clear_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


def test_without_any_variable_it_is_production_on_https() -> None:
    settings = Settings()

    assert not settings.demo_mode
    assert settings.session_cookie_secure
    assert settings.refresh_seconds == 30
    assert settings.service_url == "http://127.0.0.1:8000"


def test_the_demo_works_over_plain_http_and_refreshes_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENBA_MODE", "demo")

    settings = Settings()

    assert settings.demo_mode
    assert not settings.session_cookie_secure
    assert settings.refresh_seconds == DEMO_REFRESH_SECONDS


def test_what_is_set_wins_over_the_demos_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("GENBA_MODE", "demo"), ("SESSION_COOKIE_SECURE", "true"), ("REFRESH_SECONDS", "60")):
        monkeypatch.setenv(name, value)

    settings = Settings()

    assert settings.session_cookie_secure
    assert settings.refresh_seconds == 60


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GENBA_MODE", "staging"),
        ("REFRESH_SECONDS", "1"),
        ("REFRESH_SECONDS", "often"),
        ("SERVICE_TIMEOUT_SECONDS", "0"),
        ("SERVICE_TIMEOUT_SECONDS", "600"),
        ("SESSION_COOKIE_SECURE", "perhaps"),
    ],
)
def test_a_wrong_value_is_refused_instead_of_guessed(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(ValidationError):
        Settings()
