"""How card data is sealed (AES-GCM). A sealed value can be unsealed only with the key that it names, for the
corporation and the field that it was sealed for."""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_KEY_BYTES, _NONCE_BYTES = 32, 12
_KEY_ID = re.compile("[A-Za-z0-9_-]{1,32}")


class CannotUnseal(Exception):
    """The value cannot be unsealed; the message contains neither the value nor a key."""


class UnknownKey(CannotUnseal):
    """It was sealed with a key that is no longer in the setting."""


class WrongSeal(CannotUnseal):
    """The sealed value was changed, or belongs to another corporation, field or key."""


@dataclass(frozen=True, eq=False)
class KeyRing:
    """The keys by their ids; `current` is the id of the key that seals new values. The repr shows only the ids."""

    current: str
    _keys: Mapping[str, bytes] = field(repr=False)

    @classmethod
    def parse(cls, setting: str) -> KeyRing:
        """Parses `kid1:base64,kid2:base64`; the first is the current one. Raises ValueError, without a key in the
        message."""
        keys: dict[str, bytes] = {}
        for position, part in enumerate(setting.split(","), 1):
            kid, colon, encoded = part.strip().partition(":")
            if not colon or not _KEY_ID.fullmatch(kid):
                raise ValueError(f"key {position} is not written as id:base64 (an id has letters, digits, - and _)")
            if kid in keys:
                raise ValueError(f"two keys are called {kid}")
            keys[kid] = _decode_key(kid, encoded)
        return cls(next(iter(keys)), keys)

    def __repr__(self) -> str:
        return f"KeyRing({', '.join(self._keys)})"

    def cipher(self, kid: str) -> AESGCM:
        try:
            return AESGCM(self._keys[kid])
        except KeyError:
            raise UnknownKey(f"no key is called {kid}") from None


def _decode_key(kid: str, encoded: str) -> bytes:
    try:
        key = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"the key {kid} is not base64") from None
    if len(key) != _KEY_BYTES:
        raise ValueError(f"the key {kid} has {len(key)} bytes instead of {_KEY_BYTES}")
    return key


def seal(ring: KeyRing, corporation_id: int, field: str, plaintext: str) -> tuple[str, bytes]:
    """The id of the key, and the sealed value: nonce and ciphertext."""
    nonce = os.urandom(_NONCE_BYTES)
    aad = _associated_data(corporation_id, field, ring.current)
    return ring.current, nonce + ring.cipher(ring.current).encrypt(nonce, plaintext.encode(), aad)


def unseal(ring: KeyRing, kid: str, corporation_id: int, field: str, data: bytes) -> str:
    """Raises UnknownKey, WrongSeal."""
    cipher = ring.cipher(kid)
    nonce, sealed = data[:_NONCE_BYTES], data[_NONCE_BYTES:]
    try:
        return cipher.decrypt(nonce, sealed, _associated_data(corporation_id, field, kid)).decode()
    except (InvalidTag, ValueError):  # ValueError: too short to have a nonce
        raise WrongSeal(f"the {field} of corporation {corporation_id} does not open with {kid}") from None


def _associated_data(corporation_id: int, field: str, kid: str) -> bytes:
    return f"card|{corporation_id}|{field}|{kid}".encode()
