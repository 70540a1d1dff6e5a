"""Settings of the loaners area, from environment variables LOANERS_…."""

from __future__ import annotations

from functools import lru_cache

from pydantic import Field
from pydantic_settings import BaseSettings

from service.core.settings import for_area


class Settings(BaseSettings):
    model_config = for_area("loaners")

    # A site is reminded this many days before 返却予定日.
    remind_days: int = Field(3, ge=0, le=30)
    # A device that has been returnable, and a loan that has had no update, for more days than this counts as forgotten.
    returnable_days: int = Field(14, ge=1, le=365)
    silent_days: int = Field(90, ge=1, le=3650)


@lru_cache(maxsize=1)
def settings() -> Settings:
    return Settings()
