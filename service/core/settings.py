"""Every environment variable of the floor that the service and the jobs read, typed, in one place. An area declares its
own in `service/<area>/settings.py`, with its name in front.

Production is the default and starts with no default secret: the demo has to be asked for (GENBA_MODE=demo).
"""

from __future__ import annotations

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
# A vendor's address; the paths are the client's.
ORIGIN = r"^https?://[^/]+$"
# What the environment does not hold may stand in a file of this folder: database_url for DATABASE_URL. A file is its
# owner's alone; a container's environment is shown by every tool that lists containers.
SECRETS_FOLDER = os.environ.get("SECRETS_FOLDER") or None


def for_area(area: str | None = None) -> SettingsConfigDict:
    """How settings are read; those of an area have its name in front: FLEET_ALERT_RECIPIENTS."""
    prefix = f"{area.upper()}_" if area else ""
    return SettingsConfigDict(
        env_prefix=prefix,
        secrets_dir=SECRETS_FOLDER,
        extra="ignore",
        str_strip_whitespace=True,
        hide_input_in_errors=True,
    )


def from_environment(name: str) -> str:
    """As `Settings` are read, for what is none of them; empty when it is nowhere."""
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

    # Connections as the role genba_app. DATABASE_URL may be a PgBouncer in transaction mode; LISTEN and the heartbeat
    # batcher need a session of their own, so they take DATABASE_DIRECT_URL. Empty means: the same as DATABASE_URL.
    database_url: SecretStr = SecretStr("")
    database_direct_url: SecretStr = SecretStr("")
    # Whether the server keeps the plans of statements; "auto": unless DATABASE_URL is a PgBouncer (another address than
    # the direct one), which can carry them from 1.22 on, with max_prepared_statements.
    database_prepared_statements: Literal["auto", "on", "off"] = "auto"
    database_pool_size: int = Field(10, ge=1, le=100)
    # A streaming replica, as genba_app, for doors whose answers may lag; empty: all is read from DATABASE_URL. How many
    # seconds it may be behind before it is not asked any more.
    database_read_url: SecretStr = SecretStr("")
    database_read_lag_seconds: float = Field(5, ge=1, le=300)
    redis_url: SecretStr = SecretStr("redis://127.0.0.1:6379/0")

    files_url: str = "file:///var/lib/genba/files"
    # For a bucket; empty means that the machine itself is allowed in (instance roles and the like).
    files_access_key: str = ""
    files_secret_key: SecretStr = SecretStr("")

    # What watchdogs show at the door that takes their probes; empty: that door is closed.
    watchdog_token: SecretStr = SecretStr("")
    # When the daily backup is taken, in Tokyo; off: by somebody else.
    backup_at: str = Field("03:00", pattern=r"^(off|([01]\d|2[0-3]):[0-5]\d)$")

    # How long a service that was asked to end goes on answering, so that the proxy asks the others first.
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

    # How long one request to a vendor of the three below may take, all in all.
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
    # Several while one replaces another.
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
    def _are_networks(cls, listed: str) -> str:
        _networks(listed)
        return listed

    @property
    def networks(self) -> Mapping[str, tuple[IPv4Network | IPv6Network, ...]]:
        """Where people of an area may come from; an area that is not there may be reached from anywhere."""
        return {} if self.mode == "demo" else _networks(self.address_lists)

    @property
    def direct_url(self) -> str:
        return self.database_direct_url.get_secret_value() or self.database_url.get_secret_value()

    @property
    def prepares_statements(self) -> bool:
        if self.database_prepared_statements == "auto":
            return self.direct_url == self.database_url.get_secret_value()
        return self.database_prepared_statements == "on"


def _networks(listed: str) -> dict[str, tuple[IPv4Network | IPv6Network, ...]]:
    """`fleet=203.0.113.0/24,2001:db8::/32;reservations=…`. Raises ValueError: a list that is not understood must not be
    an open door."""
    found = {}
    for part in filter(None, map(str.strip, listed.split(";"))):
        area, equals, networks = part.partition("=")
        if not equals or area.strip() not in AREAS:
            raise ValueError(f"ADDRESS_LISTS: 「{area}」 is no area; write fleet=203.0.113.0/24,… and ; between areas")
        if not networks.strip():
            raise ValueError(f"ADDRESS_LISTS: the list of {area} is empty; leave the area out to open it to all")
        found[area.strip()] = tuple(ip_network(network.strip()) for network in networks.split(","))
    return found


@lru_cache(maxsize=1)
def settings() -> Settings:
    return Settings()
