"""The order of an update, and the check of the firmware maker's signature."""

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from agent.command import CommandFailed
from agent.tc200 import MAX_FIRMWARE_CHARACTERS

MAX_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True)
class Order:
    """One update. `signature`: raw bytes; `sha256`: 64 lower hexadecimal digits."""

    task_id: int
    version: str
    size: int
    sha256: str
    signature: bytes


def signed_bytes(version: str, size: int, sha256: str) -> bytes:
    """The bytes that are signed."""
    return f"genba-firmware-1\n{version}\n{size}\n{sha256}\n".encode()


def read(arguments: Mapping[str, Any]) -> Order:
    """The order in the command's arguments. Raises CommandFailed."""
    try:
        task_id, version, size = arguments["task_id"], arguments["version"], arguments["size"]
        sha256, signature = arguments["sha256"], base64.b64decode(arguments["signature"], validate=True)
        is_valid = type(task_id) is int and type(size) is int and 0 < size <= MAX_BYTES
        is_valid = is_valid and 1 <= len(version) <= MAX_FIRMWARE_CHARACTERS and version.isprintable()
        if not (is_valid and version == version.strip() and re.fullmatch(r"[0-9a-f]{64}", sha256)):
            raise ValueError
    except (KeyError, TypeError, AttributeError, ValueError, binascii.Error):
        raise CommandFailed("bad_signature", "更新の指示の形式が正しくありません。", rolled_back=False) from None
    return Order(task_id, version, size, sha256, signature)


def verify(order: Order, public_keys: Iterable[bytes]) -> None:
    """Raises CommandFailed unless one of the keys signed exactly this version, size and content."""
    keys = tuple(public_keys)
    if not keys:
        text = "設定ファイルに firmware_public_keys がないため、ファームウェアを検証できません。"
        raise CommandFailed("bad_signature", text, rolled_back=False)
    message = signed_bytes(order.version, order.size, order.sha256)
    for key in keys:
        try:
            return Ed25519PublicKey.from_public_bytes(key).verify(order.signature, message)
        except InvalidSignature:
            continue
    raise CommandFailed("bad_signature", "ファームウェアの署名が正しくありません。", rolled_back=False)
