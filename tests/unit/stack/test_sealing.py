"""Sealed backups: the published test vectors of age's format, and the detection of changed bytes."""

from __future__ import annotations

import hashlib
import io
import json
import tracemalloc
import zlib
from base64 import b64decode
from pathlib import Path

import pytest

from stack import sealing

# C2SP/CCTV, age/testdata (CC0), by name: the vectors without armor and with keys of type X25519.
VECTORS = json.loads((Path(__file__).parent / "age.json").read_text())
FAILURES = {"no match": sealing.NoMatchingKey} | dict.fromkeys(
    ("HMAC failure", "header failure", "payload failure"), sealing.InvalidFile
)
# Unknown stanzas whose last line is missing: pyrage skips them and opens the file with the key of another.
LENIENT = {"stanza_missing_body", "stanza_missing_final_line"}
SECRET, PUBLIC = sealing.generate_key()


def seal(content: bytes) -> bytes:
    target = io.BytesIO()
    keys = sealing.parse_keys(PUBLIC)
    assert keys is not None
    with sealing.Encryptor(target, keys.public) as sealer:
        for start in range(0, len(content), 10_007):
            sealer.write(content[start : start + 10_007])
    return target.getvalue()


def unseal(content: bytes, keys: str = SECRET) -> bytes:
    return unseal_from(io.BytesIO(content), keys)


def unseal_from(source: io.BytesIO, keys: str = SECRET) -> bytes:
    with sealing.Decryptor(source, sealing.parse_keys(keys)) as decrypted:
        return decrypted.read()


@pytest.mark.parametrize("name", sorted(VECTORS.keys() - LENIENT))
def test_the_vectors_of_age_are_opened_or_refused(name: str) -> None:
    head, _, file = b64decode(VECTORS[name]).partition(b"\n\n")
    header = dict(line.split(": ", 1) for line in head.decode().splitlines())
    file = zlib.decompress(file) if header.get("compressed") else file

    def read() -> bytes:
        with sealing.Decryptor(io.BytesIO(file), sealing.parse_keys(header.get("identity", ""))) as decrypted:
            return b"".join(iter(lambda: decrypted.read(1000), b""))

    if header["expect"] == "success":
        assert hashlib.sha256(read()).hexdigest() == header["payload"]
    else:
        with pytest.raises(FAILURES[header["expect"]]):
            read()


@pytest.mark.parametrize("length", [0, 1, 65_535, 65_536, 65_537, 131_072, 200_000])
def test_sealed_content_of_any_length_is_opened(length: int) -> None:
    content = bytes(range(256)) * (length // 256 + 1)

    assert unseal(seal(content[:length])) == content[:length]


def test_a_changed_byte_or_a_missing_end_is_refused() -> None:
    content = seal(b"x" * 70_000)
    positions = [*range(250), 65_700, 65_800, len(content) - 1]
    for position in positions:
        changed = bytearray(content)
        changed[position] ^= 1
        with pytest.raises((sealing.InvalidFile, sealing.NoMatchingKey)):
            unseal(bytes(changed))
    for length in (0, 10, 100, 200, 65_760, len(content) - 1, len(content) - 4_480):
        with pytest.raises(sealing.InvalidFile):
            unseal(content[:length])


def test_chunks_cannot_be_exchanged() -> None:
    content = seal(bytes(65_536) + b"\1" * 65_536 + b"end")
    chunk = 65_536 + 16
    head = len(content) - 2 * chunk - 3 - 16
    exchanged = content[:head] + content[head + chunk : head + 2 * chunk] + content[head : head + chunk] + content[-19:]

    assert len(exchanged) == len(content)
    with pytest.raises(sealing.InvalidFile):
        unseal(exchanged)


def test_only_the_right_secret_key_opens_also_in_a_list() -> None:
    content = seal(b"kept")
    other, _ = sealing.generate_key()

    for keys in (other, PUBLIC, ""):
        with pytest.raises(sealing.NoMatchingKey):
            unseal(content, keys)
    assert unseal(content, f"{other}, {SECRET}") == b"kept"


def test_large_files_need_little_memory() -> None:
    class CountingTarget:
        size = 0

        def write(self, data: bytes) -> int:
            self.size += len(data)
            return len(data)

    keys, target = sealing.parse_keys(PUBLIC), CountingTarget()
    assert keys is not None
    piece = bytes(1_000_000)
    tracemalloc.start()
    with sealing.Encryptor(target, keys.public) as sealer:
        for _ in range(50):
            sealer.write(piece)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert target.size > 50_000_000
    assert peak < 5_000_000


@pytest.mark.parametrize(
    "key",
    ["much-too-short", SECRET[:-1] + ("Q" if SECRET[-1] != "Q" else "P"), SECRET[:-1], PUBLIC.title()],
    ids=["short", "other letter", "letter missing", "both cases"],
)
def test_a_mistyped_key_is_refused_without_being_shown(key: str) -> None:
    with pytest.raises(ValueError, match="BACKUP_KEY must be a key of age") as refused:
        sealing.parse_keys(key)

    assert key not in str(refused.value)


def test_an_error_of_the_disk_is_reported_as_such() -> None:
    class Broken(io.BytesIO):
        def write(self, data: object) -> int:
            raise OSError(28, "No space left on device")

        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > 100_000:
                raise OSError(5, "Input/output error")
            return super().read(size)

    keys = sealing.parse_keys(PUBLIC)
    assert keys is not None
    with pytest.raises(OSError, match="No space left"), sealing.Encryptor(Broken(), keys.public) as sealer:
        sealer.write(bytes(2_000_000))
    with pytest.raises(OSError, match="Input/output"):
        unseal_from(Broken(seal(bytes(300_000))))
