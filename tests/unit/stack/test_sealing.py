"""Sealed backups: the published vectors of age's format, and what any one changed byte comes to."""

from __future__ import annotations

import hashlib
import io
import json
import tracemalloc
import zlib
from base64 import b64decode
from pathlib import Path

import pytest

from stack import bech32, sealing

# C2SP/CCTV, age/testdata (CC0): those for files that are not armored and keys of the kind X25519, by their names.
VECTORS = json.loads((Path(__file__).parent / "age.json").read_text())
FAILURES = {"no match": sealing.NoMatchingKey} | dict.fromkeys(
    ("HMAC failure", "header failure", "payload failure"), sealing.InvalidFile
)
SECRET, PUBLIC = sealing.generate_key()


def sealed(content: bytes) -> bytes:
    target = io.BytesIO()
    known = sealing.parse_keys(PUBLIC)
    assert known is not None
    sealer = sealing.Encryptor(target, known.public)
    for start in range(0, len(content), 10_007):
        sealer.write(content[start : start + 10_007])
    sealer.close()
    return target.getvalue()


def opened(content: bytes, words: str = SECRET) -> bytes:
    return sealing.Decryptor(io.BytesIO(content), sealing.parse_keys(words)).read()


@pytest.mark.parametrize("name", VECTORS)
def test_ages_own_vectors_are_opened_or_refused_as_age_does(name: str) -> None:
    head, _, file = b64decode(VECTORS[name]).partition(b"\n\n")
    about = dict(line.split(": ", 1) for line in head.decode().splitlines())
    file = zlib.decompress(file) if about.get("compressed") else file

    def read() -> bytes:
        opener = sealing.Decryptor(io.BytesIO(file), sealing.parse_keys(about.get("identity", "")))
        return b"".join(iter(lambda: opener.read(1000), b""))

    if about["expect"] == "success":
        assert hashlib.sha256(read()).hexdigest() == about["payload"]
    else:
        with pytest.raises(FAILURES[about["expect"]]):
            read()


@pytest.mark.parametrize("length", [0, 1, 65_535, 65_536, 65_537, 131_072, 200_000])
def test_what_was_sealed_is_opened_whatever_its_length(length: int) -> None:
    content = bytes(range(256)) * (length // 256 + 1)

    assert opened(sealed(content[:length])) == content[:length]


def test_any_changed_byte_and_any_missing_end_is_noticed() -> None:
    whole = sealed(b"x" * 70_000)
    places = [*range(250), 65_700, 65_800, len(whole) - 1]
    for place in places:
        changed = bytearray(whole)
        changed[place] ^= 1
        with pytest.raises((sealing.InvalidFile, sealing.NoMatchingKey)):
            opened(bytes(changed))
    for length in (0, 10, 100, 200, 65_760, len(whole) - 1, len(whole) - 4_480):
        with pytest.raises(sealing.InvalidFile):
            opened(whole[:length])


def test_pieces_cannot_be_exchanged() -> None:
    whole = sealed(bytes(65_536) + b"\1" * 65_536 + b"end")
    piece = 65_536 + 16
    head = len(whole) - 2 * piece - 3 - 16
    exchanged = whole[:head] + whole[head + piece : head + 2 * piece] + whole[head : head + piece] + whole[-19:]

    assert len(exchanged) == len(whole)
    with pytest.raises(sealing.InvalidFile):
        opened(exchanged)


def test_another_key_or_the_public_one_opens_nothing_and_an_old_one_beside_it_does() -> None:
    content = sealed(b"kept")
    other, _ = sealing.generate_key()

    for words in (other, PUBLIC, ""):
        with pytest.raises(sealing.NoMatchingKey):
            opened(content, words)
    assert opened(content, f"{other}, {SECRET}") == b"kept"


def test_large_files_go_through_little_memory() -> None:
    class Counted:
        size = 0

        def write(self, data: bytes) -> int:
            self.size += len(data)
            return len(data)

    known, counted = sealing.parse_keys(PUBLIC), Counted()
    assert known is not None
    sealer = sealing.Encryptor(counted, known.public)
    piece = bytes(1_000_000)
    tracemalloc.start()
    for _ in range(50):
        sealer.write(piece)
    sealer.close()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert counted.size > 50_000_000
    assert most < 5_000_000


@pytest.mark.parametrize(
    "words",
    ["much-too-short", SECRET[:-1] + ("Q" if SECRET[-1] != "Q" else "P"), SECRET[:-1], PUBLIC.title()],
    ids=["short", "other letter", "letter missing", "both cases"],
)
def test_a_key_with_a_slip_of_the_pen_is_refused_without_being_shown(words: str) -> None:
    with pytest.raises(ValueError, match="BACKUP_KEY must be a key of age") as refused:
        sealing.parse_keys(words)

    assert words not in str(refused.value)


def test_a_word_of_bip_173_is_read_and_written() -> None:
    # BIP 173, valid test vectors.
    word = "abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw"
    kind, data = bech32.decode(word)

    assert bech32.encode(kind, data) == word
