"""Encryption of backups in the format of age (age-encryption.org/v1), by its Rust implementation (pyrage).

pyrage reads one file and writes another. Here data is pushed in and pulled out, so it works on a thread of its own, at
the other end of a pipe: files of any size need constant memory.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any, Protocol, Self

import pyrage
from pyrage.x25519 import Identity, Recipient

# What pyrage says when none of the keys fits, or the file is for a passphrase.
_NO_MATCHING_KEY = ("No matching keys found", "passphrase")


class InvalidFile(Exception):
    """The encrypted file is incomplete or not an age file; the message says why."""


class NoMatchingKey(Exception):
    """None of the keys decrypts the file."""


class Target(Protocol):
    def write(self, data: bytes, /) -> object: ...


@dataclass(frozen=True)
class Keys:
    """`public` encrypts: it belongs to the first key. `secret` decrypts; a public key (age1…) cannot."""

    public: Recipient
    secret: tuple[Identity, ...]


def parse_keys(text: str) -> Keys | None:
    """BACKUP_KEY: one key, or several separated by commas. None: nothing is encrypted. Raises ValueError with a message
    for the user."""
    keys = [_parse_key(part.strip()) for part in text.split(",") if part.strip()]
    if not keys:
        return None
    first = keys[0]
    public = first.to_public() if isinstance(first, Identity) else first
    return Keys(public, tuple(key for key in keys if isinstance(key, Identity)))


def generate_key() -> tuple[str, str]:
    """A new key: the secret key, and the public one, which can only encrypt."""
    key = Identity.generate()
    return str(key), str(key.to_public())


def _parse_key(text: str) -> Identity | Recipient:
    kind = Identity if text.upper().startswith("AGE-SECRET-KEY-") else Recipient
    try:
        return kind.from_str(text)
    except (pyrage.IdentityError, pyrage.RecipientError):
        # The message does not contain the value, which may be a mistyped key.
        raise ValueError("BACKUP_KEY must be a key of age: AGE-SECRET-KEY-1… or, to seal only, age1….") from None


class _Disk:
    """A file that remembers its own error, such as a full disk: pyrage would turn it into one of its own."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.error: OSError | None = None

    def read(self, size: int = -1) -> bytes:
        data: bytes = self._remember(self._file.read, size)
        return data

    def write(self, data: bytes) -> int:
        return self._remember(self._file.write, data) or len(data)

    def flush(self) -> None:
        """The caller that opened the file flushes it."""

    def _remember(self, work: Callable[[Any], Any], argument: object) -> Any:
        try:
            return work(argument)
        except OSError as error:
            self.error = error
            raise


class _Pump:
    """Runs `work` on a thread; its exception, or that of the disk, is raised by `join`."""

    def __init__(self, disk: _Disk, work: Callable[[], None]) -> None:
        self._disk, self._work = disk, work
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._work()
        except Exception as error:
            self._error = self._disk.error or error

    def join(self, *, silent: bool = False) -> None:
        self._thread.join()
        if self._error is not None and not silent:
            raise self._error


class Encryptor:
    """A file to write to, in a `with`; the encrypted data goes to `target`, and is complete after the block."""

    def __init__(self, target: Target, public: Recipient) -> None:
        source, sink = os.pipe()
        self._sink = os.fdopen(sink, "wb", buffering=0)

        def encrypt() -> None:
            with os.fdopen(source, "rb") as plain:
                pyrage.encrypt_io(plain, disk, [public])

        disk = _Disk(target)
        self._pump = _Pump(disk, encrypt)

    def write(self, data: bytes) -> int:
        try:
            remaining = memoryview(data)
            while remaining:
                remaining = remaining[self._sink.write(remaining) :]
        except BrokenPipeError:
            self._pump.join()  # raises why nothing more is encrypted, such as a full disk
            raise
        return len(data)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._sink.close()
        self._pump.join(silent=kind is not None)


class Decryptor:
    """A file to read from, in a `with`; it returns only authenticated data.

    Raises:
        NoMatchingKey, InvalidFile: while reading.
    """

    def __init__(self, source: IO[bytes], available_keys: Keys | None) -> None:
        plain, sink = os.pipe()
        self._plain = os.fdopen(plain, "rb")
        identities = list(available_keys.secret) if available_keys else []

        def decrypt() -> None:
            with os.fdopen(sink, "wb", buffering=0) as target:
                pyrage.decrypt_io(disk, target, identities)

        disk = _Disk(source)
        self._pump = _Pump(disk, decrypt)

    def read(self, size: int = -1) -> bytes:
        data = self._plain.read(size)
        if size < 0 or len(data) < size:
            self._end()
        return data

    def _end(self) -> None:
        try:
            self._pump.join()
        except pyrage.DecryptError as error:
            if any(text in str(error) for text in _NO_MATCHING_KEY):
                raise NoMatchingKey from None
            raise InvalidFile("its header cannot be read") from None
        except OSError as error:
            if error.errno is not None:  # the disk's own
                raise
            raise InvalidFile("it was changed or cut off") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._plain.close()  # the thread at the other end stops when nobody reads
