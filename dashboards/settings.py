"""Every environment variable that the dashboards read, typed, in one place."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

DEMO_REFRESH_SECONDS = 5


class Settings(BaseSettings):
    model_config = SettingsConfigDict(
        # As in the service: what is not in the environment may be in a file of that folder.
        secrets_dir=os.environ.get("SECRETS_FOLDER") or None,
        extra="ignore",
        str_strip_whitespace=True,
        hide_input_in_errors=True,
    )

    # Shared with the service: with it the dashboards sign the browser's IP address.
    secret_key: SecretStr = SecretStr("")
    service_url: str = "http://127.0.0.1:8000"
    public_base_url: str = "http://127.0.0.1:8501"
    allowed_hosts: str = ""
    service_timeout_seconds: float = Field(10, gt=0, le=60)
    mode: Literal["production", "demo"] = Field("production", validation_alias="GENBA_MODE")
    session_cookie_secure: bool = True
    # The largest limit of any purpose; the service has a limit for each.
    upload_max_megabytes: int = Field(256, ge=1, le=10_000)
    refresh_seconds: int = Field(30, ge=2, le=3600)
    demo_accounts_file: str = ""

    @property
    def demo_mode(self) -> bool:
        return self.mode == "demo"

    @model_validator(mode="after")
    def _refuse_missing_secret(self) -> Self:
        if not self.demo_mode and len(self.secret_key.get_secret_value()) < 32:
            raise ValueError("SECRET_KEY is missing or too weak; the dashboards need the one of the service.")
        return self

    @model_validator(mode="after")
    def _demo_defaults(self) -> Self:
        # The demo is served over plain HTTP on loopback, and its visitors want to see changes quickly.
        if self.demo_mode and "session_cookie_secure" not in self.model_fields_set:
            self.session_cookie_secure = False
        if self.demo_mode and "refresh_seconds" not in self.model_fields_set:
            self.refresh_seconds = DEMO_REFRESH_SECONDS
        return self


@lru_cache(maxsize=1)
def settings() -> Settings:
    return Settings()
