"""Settings: every environment variable of the core that the service and the jobs read, typed, in one place. An area
declares its own in `service/<area>/settings.py`, with its name as the prefix.

Production is the default, without default secrets; the demo has to be selected (GENBA_MODE=demo).
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from collections.abc import Mapping
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from service.core.areas import AREAS

ADDRESS = re.compile(r"[^@\s,<>]+@[^@\s,<>]+")
# A vendor's base URL; the client adds the paths.
ORIGIN = r"^https?://[^/]+$"
# Variables that are not in the environment are read from files in this folder: database_url for DATABASE_URL. Only its
# owner can read a file; every tool that lists containers shows their environment.
SECRETS_FOLDER = os.environ.get("SECRETS_FOLDER") or None


def for_area(area: str | None = None) -> SettingsConfigDict:
    """How settings are read; those of an area have its name as the prefix: FLEET_ALERT_RECIPIENTS."""
    prefix = f"{area.upper()}_" if area else ""
    return SettingsConfigDict(
        env_prefix=prefix,
        secrets_dir=SECRETS_FOLDER,
        extra="ignore",
        str_strip_whitespace=True,
        hide_input_in_errors=True,
    )


def from_environment(name: str) -> str:
    """Reads a variable that is not in `Settings` in the same way; empty when there is none."""
    file = Path(SECRETS_FOLDER or "", name.lower())
    return os.environ.get(name) or (file.read_text().strip() if SECRETS_FOLDER and file.is_file() else "")


class Settings(BaseSettings):
    model_config = for_area()

    mode: Literal["production", "demo"] = Field("production", validation_alias="GENBA_MODE")
    secret_key: SecretStr = SecretStr("")
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    public_base_url: str = "http://127.0.0.1:8501"
    service_url: str = "http://127.0.0.1:8000"
    allowed_hosts: str = ""

    # Connections with the role genba_app. DATABASE_URL may be a PgBouncer in transaction mode; LISTEN and the heartbeat
    # batcher need a session of their own, so they use DATABASE_DIRECT_URL. Empty means: the same as DATABASE_URL.
    database_url: SecretStr = SecretStr("")
    database_direct_url: SecretStr = SecretStr("")
    # Whether statements are prepared; "auto": unless DATABASE_URL is a PgBouncer (another address than the direct one),
    # which supports prepared statements from 1.22 on, with max_prepared_statements.
    database_prepared_statements: Literal["auto", "on", "off"] = "auto"
    database_pool_size: int = Field(10, ge=1, le=100)
    # A streaming replica, with the role genba_app, for routes whose answers may lag; empty: all is read from
    # DATABASE_URL. The second value is the lag in seconds above which the replica is not used.
    database_read_url: SecretStr = SecretStr("")
    database_read_lag_seconds: float = Field(5, ge=1, le=300)
    redis_url: SecretStr = SecretStr("redis://127.0.0.1:6379/0")

    files_url: str = "file:///var/lib/genba/files"
    # For a bucket; empty means that the machine itself has access (instance roles and similar).
    files_access_key: str = ""
    files_secret_key: SecretStr = SecretStr("")

    # The token of watchdogs and of the daily backup; empty: their routes refuse every request.
    watchdog_token: SecretStr = SecretStr("")
    # Tokyo time of the daily backup; off: another system makes the backups.
    backup_at: str = Field("03:00", pattern=r"^(off|([01]\d|2[0-3]):[0-5]\d)$")

    # Graceful shutdown: how long the service goes on answering after SIGTERM, so that the proxy can switch.
    drain_seconds: float = Field(0, ge=0, le=30)

    session_hours: float = Field(12, gt=0, le=24 * 30)
    session_idle_minutes: int = Field(120, ge=5, le=60 * 24)
    sign_in_attempts: int = Field(5, ge=1, le=100)
    sign_in_attempts_per_source: int = Field(50, ge=1, le=1000)
    sign_in_attempts_per_login_id: int = Field(100, ge=1, le=10_000)
    sign_in_window_minutes: int = Field(15, ge=1, le=24 * 60)
    address_lists: str = ""
    public_requests_per_minute: int = Field(600, ge=10, le=1_000_000)
    refusals_per_minute: int = Field(100, ge=10, le=1_000_000)

    task_processes: int = Field(2, ge=1, le=16)

    smtp_host: str = "127.0.0.1"
    smtp_port: int = Field(25, ge=1, le=65535)
    smtp_username: str = ""
    smtp_password: SecretStr = SecretStr("")
    smtp_starttls: bool = False
    mail_from: str = "Genba <genba@localhost>"

    slack_base_url: str = Field("https://slack.com/api/", pattern=r"^https?://.+/$")
    slack_bot_token: SecretStr = SecretStr("")

    # The total time-out of one request to the three vendors below.
    vendor_timeout_seconds: float = Field(10, ge=1, le=20)
    twilio_base_url: str = Field("https://api.twilio.com", pattern=ORIGIN)
    twilio_account_sid: str = ""
    twilio_auth_token: SecretStr = SecretStr("")
    twilio_from: str = ""
    bland_base_url: str = Field("https://api.bland.ai", pattern=ORIGIN)
    bland_api_key: SecretStr = SecretStr("")
    bland_webhook_secret: SecretStr = SecretStr("")
    bland_voice: str = ""
    bland_from: str = ""
    stripe_base_url: str = Field("https://api.stripe.com", pattern=ORIGIN)
    stripe_api_key: SecretStr = SecretStr("")
    # Several secrets, while one replaces another.
    stripe_webhook_secrets: SecretStr = SecretStr("")

    @model_validator(mode="after")
    def _refuse_weak_secrets(self) -> Self:
        key = self.secret_key.get_secret_value()
        if len(key) < 32 or len(set(key)) < 8:
            raise ValueError("SECRET_KEY is missing or too weak; 32 random characters at least.")
        if not self.database_url.get_secret_value():
            raise ValueError("DATABASE_URL is missing.")
        return self

    @field_validator("address_lists")
    @classmethod
    def _are_networks(cls, value: str) -> str:
        _networks(value)
        return value

    @property
    def networks(self) -> Mapping[str, tuple[IPv4Network | IPv6Network, ...]]:
        """The networks from which an area can be used; an area that is missing can be used from anywhere."""
        return {} if self.mode == "demo" else _networks(self.address_lists)

    def page_url(self, path: str) -> str:
        """The address of a page of the dashboards; `path` begins with a slash."""
        return self.public_base_url.rstrip("/") + path

    def derived_key(self, purpose: bytes) -> bytes:
        """A key of the SECRET_KEY for one purpose only."""
        return hmac.new(self.secret_key.get_secret_value().encode(), purpose, hashlib.sha256).digest()

    @property
    def direct_url(self) -> str:
        return self.database_direct_url.get_secret_value() or self.database_url.get_secret_value()

    @property
    def prepares_statements(self) -> bool:
        if self.database_prepared_statements == "auto":
            return self.direct_url == self.database_url.get_secret_value()
        return self.database_prepared_statements == "on"


def _networks(text: str) -> dict[str, tuple[IPv4Network | IPv6Network, ...]]:
    """Parses `fleet=203.0.113.0/24,2001:db8::/32;reservations=…`. Raises ValueError for a list that it does not
    understand, because ignoring that would open the area to all."""
    by_area = {}
    for part in filter(None, map(str.strip, text.split(";"))):
        area, equals, networks = part.partition("=")
        if not equals or area.strip() not in AREAS:
            raise ValueError(f"ADDRESS_LISTS: 「{area}」 is no area; write fleet=203.0.113.0/24,… and ; between areas")
        if not networks.strip():
            raise ValueError(f"ADDRESS_LISTS: the list of {area} is empty; leave the area out to open it to all")
        by_area[area.strip()] = tuple(ip_network(network.strip()) for network in networks.split(","))
    return by_area


@lru_cache(maxsize=1)
def settings() -> Settings:
    return Settings()
