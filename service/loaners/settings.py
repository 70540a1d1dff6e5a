"""What of the environment is the loaners area's own: LOANERS_…"""

from __future__ import annotations

from functools import lru_cache

from pydantic import Field
from pydantic_settings import BaseSettings

from service.core.settings import for_area


class Settings(BaseSettings):
    model_config = for_area("loaners")

    # Days before 返却予定日 that a site is reminded.
    remind_days: int = Field(3, ge=0, le=30)
    # A device that could be fetched, and a loan that nobody said anything about, for longer than this is forgotten.
    returnable_days: int = Field(14, ge=1, le=365)
    silent_days: int = Field(90, ge=1, le=3650)


@lru_cache(maxsize=1)
def settings() -> Settings:
    return Settings()
