"""A station's token, and the error messages of its log-in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import jwt

ALGORITHM = "HS256"
WRONG_CREDENTIALS = "保育園コードまたはパスワードが違います。入力を確認して、もう一度お試しください。"
SWITCHED_OFF = (
    "この保育園では入退登録画面が使えません。入退登録画面のパスワードが設定されていないためです。"
    "管理画面の「園情報」でパスワードを設定してから、もう一度ログインしてください。"
)
SESSION_ENDED = "この端末のログインは終了しています。もう一度ログインしてください。未送信の記録は端末に残っています。"


@dataclass(frozen=True)
class Claims:
    station_id: int
    nursery_id: int
    expires_at: datetime


def encode_token(key: bytes, claims: Claims, now: datetime) -> str:
    """A JWT (AR-EL-004)."""
    return jwt.encode(
        {
            "sub": str(claims.station_id),
            "nid": claims.nursery_id,
            "iat": int(now.timestamp()),
            "exp": int(claims.expires_at.timestamp()),
        },
        key,
        ALGORITHM,
    )


def decode_token(key: bytes, token: str) -> Claims | None:
    """The claims of a valid token, expired or not; None for any other token."""
    try:
        payload = jwt.decode(
            token,
            key,
            [ALGORITHM],
            options={"require": ["sub", "nid", "exp"], "verify_exp": False, "verify_iat": False},
        )
        return Claims(int(payload["sub"]), int(payload["nid"]), datetime.fromtimestamp(int(payload["exp"]), UTC))
    except (jwt.InvalidTokenError, TypeError, ValueError, OverflowError):
        return None
