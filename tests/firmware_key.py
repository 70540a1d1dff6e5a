"""The signing key of the firmware maker that the tests' service trusts."""

from __future__ import annotations

import base64
import hashlib

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SEED = bytes(range(32))
_KEY = Ed25519PrivateKey.from_private_bytes(SEED)
PUBLIC_KEY = base64.b64encode(_KEY.public_key().public_bytes_raw()).decode()


def sign(version: str, content: bytes) -> str:
    """The signature in base64, as the API carries it."""
    digest = hashlib.sha256(content).hexdigest()
    message = f"genba-firmware-1\n{version}\n{len(content)}\n{digest}\n"
    return base64.b64encode(_KEY.sign(message.encode())).decode()
