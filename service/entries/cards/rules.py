"""The texts of a card, and its link."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime

PATH = "/parent-card"
INVALID_LINK = (
    "このリンクでは保護者カードを開けません。無効になったか、アドレスの一部が欠けています。"
    "お通いの保育園に、新しいリンクの発行をお願いしてください。"
)
# 6.1 of the document.
HOW_TO = "保育園の入退登録端末のスキャナーにこのバーコードをかざしてください。"
PHONE_HINT = "スマートフォンで表示するときは、QRコードを読み取ってください。"


def card_token(key: bytes, parent_id: int, issued_at: datetime) -> str:
    """The secret part of the link. The key derives it again at any time; without the key it cannot be guessed."""
    message = f"{parent_id} {issued_at.astimezone(UTC).isoformat()}".encode()
    return base64.urlsafe_b64encode(hmac.new(key, message, hashlib.sha256).digest()).decode().rstrip("=")


def card_url(base: str, token: str) -> str:
    """The token follows a #, which browsers do not send: it reaches no log and no other site."""
    return f"{base}{PATH}#{token}"


def card_mail(parent_name: str, nursery_name: str, url: str) -> tuple[str, str]:
    """Subject and body."""
    return f"【{nursery_name}】入退管理バーコードのご案内", (
        f"{parent_name} 様\n\n"
        f"{nursery_name}です。送り迎えのときにお使いいただく「入退管理バーコード」をお送りします。\n\n"
        f"▼ {parent_name} 様のバーコード\n{url}\n\n"
        f"■ 使い方\n"
        f"1. スマートフォンで上のリンクを開きます。\n"
        f"2. {HOW_TO}\n\n"
        "一度開いておくと、電波の届かないところでも表示できます。"
        "ホーム画面に追加しておくと、すぐに開けて便利です。\n\n"
        "このリンクは保護者ご本人専用です。ほかの方には転送しないでください。"
        "携帯電話をなくされたときや、このメールにお心当たりがないときは、園までご連絡ください。\n\n"
        f"{nursery_name}\n"
    )
