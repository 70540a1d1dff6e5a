"""Encryption of backups in the format of age (age-encryption.org/v1), which the program `age` can decrypt too.

A file is encrypted in chunks of 64 KiB. Each is authenticated with its number, and the last one is marked: files of any
size need constant memory, and a changed, moved or missing chunk is noticed. Only recipients of type X25519.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Protocol

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from stack import bech32

VERSION = b"age-encryption.org/v1\n"
SECRET, PUBLIC = "age-secret-key-", "age"
CHUNK, TAG = 64 * 1024, 16
MAX_HEADER_BYTES = 64 * 1024


class InvalidFile(Exception):
    """The encrypted file is incomplete or not an age file; the message says why."""


class NoMatchingKey(Exception):
    """None of the keys decrypts the file."""


class Target(Protocol):
    def write(self, data: bytes, /) -> object: ...


@dataclass(frozen=True)
class Keys:
    """The first key encrypts. A public key (age1…) cannot decrypt."""

    public: bytes
    secret: tuple[bytes, ...]


def parse_keys(text: str) -> Keys | None:
    """BACKUP_KEY: one key, or several separated by commas. None: nothing is encrypted. Raises ValueError with a message
    for the user."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    decoded_keys = [_parse_key(part) for part in parts]
    if not decoded_keys:
        return None
    return Keys(decoded_keys[0][0], tuple(secret for _, secret in decoded_keys if secret is not None))


def generate_key() -> tuple[str, str]:
    """A new key: the secret key, and the public one, which can only encrypt."""
    key = X25519PrivateKey.generate()
    public = bech32.encode(PUBLIC, key.public_key().public_bytes_raw())
    return bech32.encode(SECRET, key.private_bytes_raw()).upper(), public


def _parse_key(text: str) -> tuple[bytes, bytes | None]:
    try:
        kind, key = bech32.decode(text)
        if (kind, len(key)) == (PUBLIC, 32):
            return key, None
        if (kind, len(key)) == (SECRET, 32):
            return X25519PrivateKey.from_private_bytes(key).public_key().public_bytes_raw(), key
    except ValueError:
        pass
    # The message does not contain the value, which may be a mistyped key.
    raise ValueError("BACKUP_KEY must be a key of age: AGE-SECRET-KEY-1… or, to seal only, age1….")


class Encryptor:
    """A file to write to; the encrypted data goes to `target`. Complete only after `close`."""

    def __init__(self, target: Target, public: bytes) -> None:
        file_key, nonce = os.urandom(16), os.urandom(16)
        target.write(_header(file_key, public) + nonce)
        self._target, self._cipher = target, ChaCha20Poly1305(_derive_key(file_key, nonce, b"payload"))
        self._buffer, self._chunk_number = bytearray(), 0

    def write(self, data: bytes) -> int:
        self._buffer += data
        # One chunk stays in the buffer: it may be the last.
        while len(self._buffer) > CHUNK:
            self._encrypt_chunk(bytes(self._buffer[:CHUNK]), is_last=False)
            del self._buffer[:CHUNK]
        return len(data)

    def close(self) -> None:
        self._encrypt_chunk(bytes(self._buffer), is_last=True)

    def _encrypt_chunk(self, chunk: bytes, *, is_last: bool) -> None:
        self._target.write(self._cipher.encrypt(_nonce(self._chunk_number, is_last=is_last), chunk, None))
        self._chunk_number += 1


class Decryptor:
    """A file to read from; it returns only authenticated data.

    Raises:
        NoMatchingKey, InvalidFile: at once or while reading.
    """

    def __init__(self, source: IO[bytes], available_keys: Keys | None) -> None:
        file_key = _read_header(source, available_keys)
        nonce = source.read(16)
        if len(nonce) != 16:
            raise InvalidFile("it ends too soon")
        self._chunks = _decrypt_chunks(source, ChaCha20Poly1305(_derive_key(file_key, nonce, b"payload")))
        self._buffer = b""

    def read(self, size: int = -1) -> bytes:
        parts = [self._buffer]
        length = len(self._buffer)
        while size < 0 or length < size:
            chunk = next(self._chunks, b"")
            if not chunk:
                break
            parts.append(chunk)
            length += len(chunk)
        data = b"".join(parts)
        self._buffer = data[size:] if size >= 0 else b""
        return data[:size] if size >= 0 else data


def _decrypt_chunks(source: IO[bytes], cipher: ChaCha20Poly1305) -> Iterator[bytes]:
    number, encrypted = 0, source.read(CHUNK + TAG)
    while True:
        next_encrypted = source.read(CHUNK + TAG)
        try:
            chunk = cipher.decrypt(_nonce(number, is_last=not next_encrypted), encrypted, None)
        except InvalidTag:
            raise InvalidFile("it was changed or cut off") from None
        if not chunk and number:
            raise InvalidFile("its last piece is empty")
        yield chunk
        if not next_encrypted:
            return
        number, encrypted = number + 1, next_encrypted


def _nonce(number: int, *, is_last: bool) -> bytes:
    return number.to_bytes(11) + bytes([is_last])


def _derive_key(secret: bytes, salt: bytes, info: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt, info).derive(secret)


def _header(file_key: bytes, public: bytes) -> bytes:
    ephemeral_key = X25519PrivateKey.generate()
    ephemeral_public_key = ephemeral_key.public_key().public_bytes_raw()
    shared_secret = ephemeral_key.exchange(X25519PublicKey.from_public_bytes(public))
    encrypted_key = ChaCha20Poly1305(_wrapping_key(shared_secret, ephemeral_public_key, public)).encrypt(
        bytes(12), file_key, None
    )
    header = VERSION + b"-> X25519 " + _encode(ephemeral_public_key) + b"\n" + _encode(encrypted_key) + b"\n---"
    return header + b" " + _encode(_mac(file_key, header).finalize()) + b"\n"


def _wrapping_key(shared_secret: bytes, ephemeral_public_key: bytes, public: bytes) -> bytes:
    return _derive_key(shared_secret, ephemeral_public_key + public, b"age-encryption.org/v1/X25519")


def _mac(file_key: bytes, header: bytes) -> HMAC:
    mac = HMAC(_derive_key(file_key, b"", b"header"), SHA256())
    mac.update(header)
    return mac


def _read_header(source: IO[bytes], available_keys: Keys | None) -> bytes:
    """The file key."""
    header, stanzas = _read_line(source, b""), []
    if header != VERSION:
        raise InvalidFile("it is not a file of age")
    while not (line := _read_line(source, header)).startswith(b"---"):
        header += line
        if not line.startswith(b"-> "):
            raise InvalidFile("its header cannot be read")
        arguments, body = line[3:-1].split(b" "), b""
        if not all(argument and all(33 <= letter <= 126 for letter in argument) for argument in arguments):
            raise InvalidFile("its header cannot be read")
        while True:
            line = _read_line(source, header)
            header += line
            if len(line) > 65:
                raise InvalidFile("its header cannot be read")
            body += line[:-1]
            if len(line) < 65:
                break
        stanzas.append((arguments, _decode(body)))
    if not stanzas or not line.startswith(b"--- "):
        raise InvalidFile("its header cannot be read")
    mac = _decode(line[4:-1])
    file_key = _file_key(stanzas, available_keys)
    try:
        _mac(file_key, header + b"---").verify(mac)
    except InvalidSignature:
        raise InvalidFile("its header was changed") from None
    return file_key


def _file_key(stanzas: list[tuple[list[bytes], bytes]], available_keys: Keys | None) -> bytes:
    file_key = None
    for arguments, body in stanzas:
        if arguments[0] == b"scrypt":
            raise NoMatchingKey
        if arguments[0] != b"X25519":
            continue
        if len(arguments) != 2 or len(ephemeral_public_key := _decode(arguments[1])) != 32 or len(body) != 32:
            raise InvalidFile("its header cannot be read")
        for secret in available_keys.secret if available_keys else ():
            file_key = file_key or _unwrap(secret, ephemeral_public_key, body)
    if file_key is None:
        raise NoMatchingKey
    return file_key


def _unwrap(secret: bytes, ephemeral_public_key: bytes, body: bytes) -> bytes | None:
    private_key = X25519PrivateKey.from_private_bytes(secret)
    try:
        shared_secret = private_key.exchange(X25519PublicKey.from_public_bytes(ephemeral_public_key))
    except ValueError:
        raise InvalidFile("its header cannot be read") from None
    wrapping_key = _wrapping_key(shared_secret, ephemeral_public_key, private_key.public_key().public_bytes_raw())
    try:
        return ChaCha20Poly1305(wrapping_key).decrypt(bytes(12), body, None)
    except InvalidTag:
        return None


def _read_line(source: IO[bytes], header: bytes) -> bytes:
    line = source.readline(MAX_HEADER_BYTES)
    if not line.endswith(b"\n") or len(header) + len(line) > MAX_HEADER_BYTES:
        raise InvalidFile("its header cannot be read")
    return line


def _encode(data: bytes) -> bytes:
    return base64.b64encode(data).rstrip(b"=")


def _decode(encoded: bytes) -> bytes:
    """Accepts only the canonical encoding."""
    try:
        data = base64.b64decode(encoded + b"=" * (-len(encoded) % 4), validate=True)
    except ValueError:
        raise InvalidFile("its header cannot be read") from None
    if _encode(data) != encoded:
        raise InvalidFile("its header cannot be read")
    return data
