"""The fleet's settings, from environment variables FLEET_…"""

from __future__ import annotations

import base64
import binascii
from datetime import time
from functools import lru_cache
from typing import Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings

from service.core.settings import ADDRESS, for_area
from service.core.settings import settings as core_settings

_KEY_BYTES = 32


class Settings(BaseSettings):
    model_config = for_area("fleet")

    heartbeat_interval_seconds: int = Field(300, ge=5, le=3600)
    heartbeat_keep_days: int = Field(35, ge=7, le=400)
    alert_recipients: str = ""
    alert_slack_channel: str = ""
    shutdown_grace_hours: int = Field(12, ge=0, le=24 * 7)
    # Whether an alert for silence outside the learned opening hours waits for the next opening.
    learned_hours: bool = True
    token_days: int = Field(90, ge=1, le=3650)
    firmware_public_keys: str = ""
    trading_from: time = time(9)
    trading_until: time = time(21)

    @field_validator("alert_recipients")
    @classmethod
    def _check_addresses(cls, value: str) -> str:
        for address in filter(None, map(str.strip, value.split(","))):
            if not ADDRESS.fullmatch(address):
                raise ValueError(f"FLEET_ALERT_RECIPIENTS: 「{address}」 is not a mail address")
        return value

    @field_validator("firmware_public_keys")
    @classmethod
    def _check_keys(cls, value: str) -> str:
        _parse_keys(value)
        return value

    @model_validator(mode="after")
    def _require_slack_token(self) -> Self:
        if self.alert_slack_channel and not core_settings().slack_bot_token.get_secret_value():
            raise ValueError("SLACK_BOT_TOKEN is missing; FLEET_ALERT_SLACK_CHANNEL needs it.")
        return self

    @property
    def recipients(self) -> list[str]:
        return [address.strip() for address in self.alert_recipients.split(",") if address.strip()]

    @property
    def public_keys(self) -> list[bytes]:
        """Raw Ed25519 public keys; firmware may be registered when it is signed with one of their private keys."""
        return _parse_keys(self.firmware_public_keys)


def _parse_keys(value: str) -> list[bytes]:
    keys = []
    for text in filter(None, map(str.strip, value.split(","))):
        try:
            raw = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raw = b""
        if len(raw) != _KEY_BYTES:
            raise ValueError(f"FLEET_FIRMWARE_PUBLIC_KEYS: 「{text}」 is not a raw Ed25519 public key in base64")
        keys.append(raw)
    return keys


@lru_cache(maxsize=1)
def settings() -> Settings:
    return Settings()
