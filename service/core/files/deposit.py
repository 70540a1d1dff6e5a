"""Checks a spooled upload and stores its bytes. The row is written afterwards (`records.add`): an object without a row
is invisible and is deleted later, but a row without an object would be a broken file."""

from __future__ import annotations

import contextlib
import hashlib
import io
import tempfile
import uuid
from dataclasses import dataclass
from typing import IO

from service.core.files import names, pictures
from service.core.files.content import recognise
from service.core.files.storage import storage
from service.core.problems import Unavailable
from service.core.purposes import FileKind, Purpose

_CHUNK = 1024 * 1024
THUMBNAIL_TYPE = FileKind.WEBP


@dataclass(frozen=True)
class Deposit:
    """What was stored; `size` and `sha256` are of the stored bytes."""

    id: uuid.UUID
    purpose: Purpose
    name: str
    kind: FileKind
    size: int
    sha256: bytes
    width: int | None
    height: int | None
    storage_key: str
    has_thumbnail: bool


def store(spool: IO[bytes], purpose: Purpose, name: str, made_as: FileKind | None = None) -> Deposit:
    """Checks the content and stores it. Slow (decoding, hashing, the network): outside any transaction. `made_as` is
    the kind of a file that we generated: it is not checked, and may be larger than an upload.

    Raises:
        UnsupportedMedia, Invalid: see `content` and `pictures`.
        Unavailable: the storage cannot be reached; nothing was stored.
    """
    kind = made_as or recognise(spool, purpose)
    with tempfile.TemporaryFile() as stripped:
        picture = pictures.inspect_picture(kind, spool, purpose, stripped) if kind.is_image else None
        content = stripped if picture else spool
        size, digest = _measure(content)
        file_id = uuid.uuid4()
        deposit = Deposit(
            id=file_id,
            purpose=purpose,
            name=names.clean(name, kind),
            kind=kind,
            size=size,
            sha256=digest,
            width=picture.width if picture else None,
            height=picture.height if picture else None,
            storage_key=key_of(file_id, purpose),
            has_thumbnail=picture is not None,
        )
        try:
            if picture:
                storage().put(thumbnail_key(deposit.storage_key), io.BytesIO(picture.thumbnail))
            storage().put(deposit.storage_key, content)
        except BaseException:
            discard(deposit.storage_key)
            raise
    return deposit


def discard(storage_key: str) -> None:
    """Deletes bytes without a row. What cannot be deleted now is deleted later as an orphan (`retention`)."""
    with contextlib.suppress(Unavailable):
        storage().delete(thumbnail_key(storage_key))
        storage().delete(storage_key)


def key_of(file_id: uuid.UUID, purpose: Purpose) -> str:
    """The storage key, spread over 256 folders, because a folder with a million entries is slow."""
    return f"{purpose.area}/{file_id.hex[:2]}/{file_id.hex}"


def thumbnail_key(storage_key: str) -> str:
    return f"{storage_key}.thumbnail"


def _measure(content: IO[bytes]) -> tuple[int, bytes]:
    content.seek(0)
    digest, size = hashlib.sha256(), 0
    while chunk := content.read(_CHUNK):
        digest.update(chunk)
        size += len(chunk)
    return size, digest.digest()
