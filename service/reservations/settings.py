"""Settings of the reservations area, from environment variables RESERVATIONS_…"""

from __future__ import annotations

from functools import lru_cache

from pydantic import Field
from pydantic_settings import BaseSettings

from service.core.settings import for_area


class Settings(BaseSettings):
    model_config = for_area("reservations")

    slack_channel: str = Field("#qrv-alerts", pattern=r"^[#CG]\S+$")
    # Contact data of customer support, shown in mails, on public pages and in assistants' answers.
    support_phone: str = ""
    support_mail: str = ""
    # Rate limits for new requests by assistants per hour, each of which sends an SMS: per telephone number, per token
    # of one customer, and per shared token.
    requests_per_phone: int = Field(5, ge=1)
    requests_per_assistant: int = Field(20, ge=1)
    requests_per_shared_assistant: int = Field(300, ge=1)
    # The longest a call to a shop may last.
    call_minutes: int = Field(5, ge=1, le=12)
    # Goals for 予約成功率 and 決済成功率 in percent: a line in the week's charts. 0: no goal.
    success_goal: int = Field(0, ge=0, le=100)
    payment_goal: int = Field(0, ge=0, le=100)


@lru_cache(maxsize=1)
def settings() -> Settings:
    return Settings()
