"""New keys as AGENCIES_CARD_KEYS and AGENCIES_CODE_KEYS have them."""

from __future__ import annotations

import base64
import secrets


def generate_key() -> str:
    """Put before the others, it becomes the current one."""
    return f"k{secrets.token_hex(4)}:{base64.b64encode(secrets.token_bytes(32)).decode()}"
