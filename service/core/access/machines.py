"""Authentication of our own programs (the watchdog and the daily backup) by the token WATCHDOG_TOKEN."""

from __future__ import annotations

import hmac

from service.core.access.auth import BearerToken
from service.core.problems import Unauthorized
from service.core.settings import settings


def authenticate_machine(token: BearerToken) -> None:
    """Raises Unauthorized when the token is wrong or the settings have none."""
    expected = settings().watchdog_token.get_secret_value()
    if not expected or not hmac.compare_digest(token.encode(), expected.encode()):
        raise Unauthorized("監視プログラムのトークンが違います。WATCHDOG_TOKEN の設定を確認してください。")
