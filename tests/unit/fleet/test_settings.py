"""The fleet's settings."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from service.fleet.settings import Settings


def test_recipients_are_split_and_trimmed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEET_ALERT_RECIPIENTS", " a@example.com , b@example.com,")

    assert Settings().recipients == ["a@example.com", "b@example.com"]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("FLEET_ALERT_RECIPIENTS", "a@example.com, nobody", "is not a mail address"),
        ("FLEET_ALERT_SLACK_CHANNEL", "#fleet-alerts", "SLACK_BOT_TOKEN is missing"),
        ("FLEET_HEARTBEAT_KEEP_DAYS", "6", "heartbeat_keep_days"),
        ("FLEET_FIRMWARE_PUBLIC_KEYS", "bm8ga2V5", "is not a raw Ed25519 public key"),
        ("FLEET_FIRMWARE_PUBLIC_KEYS", "not base64", "is not a raw Ed25519 public key"),
    ],
)
def test_invalid_settings_are_refused_at_start(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(ValidationError, match=message):
        Settings()
