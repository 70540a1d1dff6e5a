"""Backups that only the key opens: the format of age (age-encryption.org/v1), which the program `age` opens as well.

A file is sealed in pieces of 64 KiB, each authenticated with its place and the last one marked, so that files of any
size go through constant memory and a changed, moved or missing piece is noticed. Only recipients of the kind X25519.
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
LONGEST_HEADER = 64 * 1024


class Broken(Exception):
    """What was sealed is not whole, or never was sealed: in words."""


class NoKey(Exception):
    """None of the keys opens it."""


class Target(Protocol):
    def write(self, data: bytes, /) -> object: ...


@dataclass(frozen=True)
class Keys:
    """The first one seals. A public one (age1…) cannot open."""

    public: bytes
    secret: tuple[bytes, ...]


def keys(words: str) -> Keys | None:
    """BACKUP_KEY: one or several, separated by commas. None: nothing is sealed. Raises ValueError, in words."""
    given = [word.strip() for word in words.split(",") if word.strip()]
    known = [_key(word) for word in given]
    if not known:
        return None
    return Keys(known[0][0], tuple(secret for _, secret in known if secret is not None))


def generate() -> tuple[str, str]:
    """A new key: the secret one, and the public one that can only seal."""
    key = X25519PrivateKey.generate()
    public = bech32.encode(PUBLIC, key.public_key().public_bytes_raw())
    return bech32.encode(SECRET, key.private_bytes_raw()).upper(), public


def _key(word: str) -> tuple[bytes, bytes | None]:
    try:
        kind, key = bech32.decode(word)
        if (kind, len(key)) == (PUBLIC, 32):
            return key, None
        if (kind, len(key)) == (SECRET, 32):
            return X25519PrivateKey.from_private_bytes(key).public_key().public_bytes_raw(), key
    except ValueError:
        pass
    # Not the word itself: it may be a key with a slip of the pen.
    raise ValueError("BACKUP_KEY must be a key of age: AGE-SECRET-KEY-1… or, to seal only, age1….")


class Sealer:
    """A file to write to; what arrives in `target` is sealed. Whole only once `close` was called."""

    def __init__(self, target: Target, public: bytes) -> None:
        file_key, nonce = os.urandom(16), os.urandom(16)
        target.write(_header(file_key, public) + nonce)
        self._target, self._cipher = target, ChaCha20Poly1305(_derived(file_key, nonce, b"payload"))
        self._waiting, self._place = bytearray(), 0

    def write(self, data: bytes) -> int:
        self._waiting += data
        # One piece stays: it may be the last.
        while len(self._waiting) > CHUNK:
            self._seal(bytes(self._waiting[:CHUNK]), is_last=False)
            del self._waiting[:CHUNK]
        return len(data)

    def close(self) -> None:
        self._seal(bytes(self._waiting), is_last=True)

    def _seal(self, piece: bytes, *, is_last: bool) -> None:
        self._target.write(self._cipher.encrypt(_place(self._place, is_last=is_last), piece, None))
        self._place += 1


class Opener:
    """A file to read from; nothing is given out that was not authenticated.

    Raises:
        NoKey, Broken: at once or while reading.
    """

    def __init__(self, source: IO[bytes], known: Keys | None) -> None:
        file_key = _open_header(source, known)
        nonce = source.read(16)
        if len(nonce) != 16:
            raise Broken("it ends too soon")
        self._pieces = _pieces(source, ChaCha20Poly1305(_derived(file_key, nonce, b"payload")))
        self._waiting = b""

    def read(self, size: int = -1) -> bytes:
        found = [self._waiting]
        length = len(self._waiting)
        while size < 0 or length < size:
            piece = next(self._pieces, b"")
            if not piece:
                break
            found.append(piece)
            length += len(piece)
        whole = b"".join(found)
        self._waiting = whole[size:] if size >= 0 else b""
        return whole[:size] if size >= 0 else whole


def _pieces(source: IO[bytes], cipher: ChaCha20Poly1305) -> Iterator[bytes]:
    place, sealed = 0, source.read(CHUNK + TAG)
    while True:
        following = source.read(CHUNK + TAG)
        try:
            piece = cipher.decrypt(_place(place, is_last=not following), sealed, None)
        except InvalidTag:
            raise Broken("it was changed or cut off") from None
        if not piece and place:
            raise Broken("its last piece is empty")
        yield piece
        if not following:
            return
        place, sealed = place + 1, following


def _place(number: int, *, is_last: bool) -> bytes:
    return number.to_bytes(11) + bytes([is_last])


def _derived(secret: bytes, salt: bytes, info: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt, info).derive(secret)


def _header(file_key: bytes, public: bytes) -> bytes:
    once = X25519PrivateKey.generate()
    share = once.public_key().public_bytes_raw()
    shared = once.exchange(X25519PublicKey.from_public_bytes(public))
    sealed = ChaCha20Poly1305(_wrapping(shared, share, public)).encrypt(bytes(12), file_key, None)
    header = VERSION + b"-> X25519 " + _text(share) + b"\n" + _text(sealed) + b"\n---"
    return header + b" " + _text(_mac(file_key, header).finalize()) + b"\n"


def _wrapping(shared: bytes, share: bytes, public: bytes) -> bytes:
    return _derived(shared, share + public, b"age-encryption.org/v1/X25519")


def _mac(file_key: bytes, header: bytes) -> HMAC:
    mac = HMAC(_derived(file_key, b"", b"header"), SHA256())
    mac.update(header)
    return mac


def _open_header(source: IO[bytes], known: Keys | None) -> bytes:
    """The key of the file."""
    header, stanzas = _line(source, b""), []
    if header != VERSION:
        raise Broken("it is not a file of age")
    while not (line := _line(source, header)).startswith(b"---"):
        header += line
        if not line.startswith(b"-> "):
            raise Broken("its header cannot be read")
        arguments, body = line[3:-1].split(b" "), b""
        if not all(argument and all(33 <= letter <= 126 for letter in argument) for argument in arguments):
            raise Broken("its header cannot be read")
        while True:
            line = _line(source, header)
            header += line
            if len(line) > 65:
                raise Broken("its header cannot be read")
            body += line[:-1]
            if len(line) < 65:
                break
        stanzas.append((arguments, _bytes(body)))
    if not stanzas or not line.startswith(b"--- "):
        raise Broken("its header cannot be read")
    mac = _bytes(line[4:-1])
    file_key = _file_key(stanzas, known)
    try:
        _mac(file_key, header + b"---").verify(mac)
    except InvalidSignature:
        raise Broken("its header was changed") from None
    return file_key


def _file_key(stanzas: list[tuple[list[bytes], bytes]], known: Keys | None) -> bytes:
    found = None
    for arguments, body in stanzas:
        if arguments[0] == b"scrypt":
            raise NoKey
        if arguments[0] != b"X25519":
            continue
        if len(arguments) != 2 or len(share := _bytes(arguments[1])) != 32 or len(body) != 32:
            raise Broken("its header cannot be read")
        for secret in known.secret if known else ():
            found = found or _unwrapped(secret, share, body)
    if found is None:
        raise NoKey
    return found


def _unwrapped(secret: bytes, share: bytes, body: bytes) -> bytes | None:
    key = X25519PrivateKey.from_private_bytes(secret)
    try:
        shared = key.exchange(X25519PublicKey.from_public_bytes(share))
    except ValueError:
        raise Broken("its header cannot be read") from None
    wrapping = _wrapping(shared, share, key.public_key().public_bytes_raw())
    try:
        return ChaCha20Poly1305(wrapping).decrypt(bytes(12), body, None)
    except InvalidTag:
        return None


def _line(source: IO[bytes], before: bytes) -> bytes:
    line = source.readline(LONGEST_HEADER)
    if not line.endswith(b"\n") or len(before) + len(line) > LONGEST_HEADER:
        raise Broken("its header cannot be read")
    return line


def _text(data: bytes) -> bytes:
    return base64.b64encode(data).rstrip(b"=")


def _bytes(text: bytes) -> bytes:
    """Only as it would have been written."""
    try:
        data = base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except ValueError:
        raise Broken("its header cannot be read") from None
    if _text(data) != text:
        raise Broken("its header cannot be read")
    return data
