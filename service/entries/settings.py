"""Settings of the entries area, from environment variables ENTRIES_…."""

from __future__ import annotations

from functools import lru_cache

from pydantic import Field
from pydantic_settings import BaseSettings

from service.core.settings import for_area


class Settings(BaseSettings):
    model_config = for_area("entries")

    # The document's 8 hours (SEC-002), and how long an expired token of a live session may still be renewed.
    token_hours: float = Field(8, gt=0, le=24)
    renewal_hours: float = Field(72, ge=8, le=24 * 14)
    # Log-in attempts before a code is locked for a while (AR-EL-003).
    sign_in_attempts: int = Field(5, ge=1, le=100)
    sign_in_attempts_per_code: int = Field(50, ge=5, le=10_000)
    sign_in_lock_minutes: int = Field(10, ge=1, le=24 * 60)


@lru_cache(maxsize=1)
def settings() -> Settings:
    return Settings()
