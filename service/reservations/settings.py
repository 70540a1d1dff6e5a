"""What of the environment is the reservations area's own: RESERVATIONS_…"""

from __future__ import annotations

from functools import lru_cache

from pydantic import Field
from pydantic_settings import BaseSettings

from service.core.settings import for_area


class Settings(BaseSettings):
    model_config = for_area("reservations")

    slack_channel: str = Field("#qrv-alerts", pattern=r"^[#CG]\S+$")
    # Who customers and shops turn to; both stand in mails, on public pages and in what assistants answer.
    support_phone: str = ""
    support_mail: str = ""
    # New requests by assistants within an hour, each of which sends an SMS: for one telephone number, by a token of one
    # customer's, and by one that many share.
    requests_per_phone: int = Field(5, ge=1)
    requests_per_assistant: int = Field(20, ge=1)
    requests_per_shared_assistant: int = Field(300, ge=1)
    # The longest a call to a shop may last.
    call_minutes: int = Field(5, ge=1, le=12)
    # What 予約成功率 and 決済成功率 should reach, in percent: a line in the week's charts. 0: there is none.
    success_goal: int = Field(0, ge=0, le=100)
    payment_goal: int = Field(0, ge=0, le=100)


@lru_cache(maxsize=1)
def settings() -> Settings:
    return Settings()
