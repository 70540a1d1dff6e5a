"""Doors for our own programs beside the service, the watchdog and the daily backup: WATCHDOG_TOKEN is their key."""

from __future__ import annotations

import hmac

from service.core.auth import BearerToken
from service.core.problems import Unauthorized
from service.core.settings import settings


def known_machine(token: BearerToken) -> None:
    """Raises Unauthorized; without a token in the settings, for everybody."""
    wanted = settings().watchdog_token.get_secret_value()
    if not wanted or not hmac.compare_digest(token.encode(), wanted.encode()):
        raise Unauthorized("監視プログラムのトークンが違います。WATCHDOG_TOKEN の設定を確認してください。")
