"""File storage: a folder (file:///…) or an S3-compatible bucket (s3://bucket/prefix?endpoint=…&region=…).

Writes are atomic, and an object never changes afterwards.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import IO, Any
from urllib.parse import parse_qsl, unquote, urlsplit

import obstore
import structlog
from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, S3Store

from service.core.problems import Unavailable
from service.core.settings import settings

PART = 8 * 1024 * 1024
CHUNK = 256 * 1024
# obstore raises Python's own exception for a missing object, and its own for everything else.
FAILURES = (BaseError, OSError)
log = structlog.get_logger()


@dataclass(frozen=True)
class Stored:
    key: str
    size: int
    modified_at: datetime


@dataclass(frozen=True)
class Storage:
    """`root` is the folder of a local store."""

    store: ObjectStore
    root: Path | None

    def put(self, key: str, content: IO[bytes]) -> None:
        """Stores the content from its first byte, durably; large content in parts. Raises Unavailable."""
        content.seek(0)
        try:
            obstore.put(self.store, key, content, chunk_size=PART, max_concurrency=2)
            if self.root is not None:
                _sync(self.root, self.root / key)
        except FAILURES as error:
            raise _not_written(error) from None

    async def stream(self, key: str, start: int, end: int) -> AsyncIterator[bytes]:
        """The bytes from `start` to before `end`, read as fast as the caller takes them. Raises Unavailable here, not
        in the middle of the stream."""
        try:
            result = await obstore.get_async(self.store, key, options={"range": (start, end)})
        except FAILURES as error:
            raise _not_read(error) from None
        return result.stream(CHUNK)

    def size(self, key: str) -> int:
        """In bytes. Raises Unavailable."""
        try:
            return obstore.head(self.store, key)["size"]
        except FAILURES as error:
            raise _not_read(error) from None

    def open(self, key: str) -> obstore.ReadableFile:
        """For code that reads a whole file, such as an import. Raises Unavailable."""
        try:
            return obstore.open_reader(self.store, key)
        except FAILURES as error:
            raise _not_read(error) from None

    def delete(self, key: str) -> None:
        """Does nothing when there is no such object. Raises Unavailable."""
        try:
            obstore.delete(self.store, key)
        except FileNotFoundError:
            return
        except FAILURES as error:
            raise _not_written(error) from None

    def all(self) -> Iterator[list[Stored]]:
        """All objects, some hundreds at a time."""
        for batch in obstore.list(self.store):
            yield [Stored(meta["path"], meta["size"], meta["last_modified"]) for meta in batch]


def _not_written(error: Exception) -> Unavailable:
    # Only the class: the text of such an error can contain addresses and keys.
    log.error("file not stored", error=type(error).__name__)
    return Unavailable(
        "ファイルの保管場所に書き込めません。保存はされていません。しばらく待ってから、もう一度お試しください。"
    )


def _not_read(error: Exception) -> Unavailable:
    log.error("file not read", error=type(error).__name__)
    return Unavailable(
        "ファイルを保管場所から読み出せません。しばらく待ってから、もう一度お試しください。"
        "続く場合は、管理者にお知らせください。"
    )


def _sync(root: Path, path: Path) -> None:
    """Syncs the file and its folders to the disk. The store itself does not."""
    folders = [folder for folder in path.parents if folder == root or root in folder.parents]
    for entry in (path, *folders):
        descriptor = os.open(entry, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def make_storage(url: str, access_key: str = "", secret_key: str = "") -> Storage:
    """Raises ValueError for a URL that is not one of a storage."""
    parts = urlsplit(url)
    if parts.scheme == "file" and not parts.netloc and parts.path.startswith("/"):
        root = Path(unquote(parts.path))
        return Storage(LocalStore(root, mkdir=True), root)
    if parts.scheme == "s3" and parts.netloc:
        parameters = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
        if unknown := parameters.keys() - {"endpoint", "region"}:
            raise ValueError(f"FILES_URL has an unknown part: {unknown.pop()}")
        options: dict[str, Any] = {"region": parameters.get("region", "us-east-1")}
        if endpoint := parameters.get("endpoint"):
            options["endpoint"] = endpoint
        if access_key:
            options |= {"access_key_id": access_key, "secret_access_key": secret_key}
        # The time-out is for a whole transfer, and readers can be slow.
        client: dict[str, Any] = {
            "allow_http": parameters.get("endpoint", "").startswith("http://"),
            "timeout": timedelta(hours=1),
            "connect_timeout": timedelta(seconds=5),
        }
        retries: dict[str, Any] = {"max_retries": 3, "retry_timeout": timedelta(seconds=20)}
        prefix = parts.path.strip("/") or None
        store = S3Store(parts.netloc, prefix=prefix, config=options, client_options=client, retry_config=retries)  # type: ignore[arg-type]  # typed dicts
        return Storage(store, None)
    raise ValueError("FILES_URL must be file:///a/folder or s3://bucket/prefix?endpoint=https://host&region=name")


@lru_cache(maxsize=1)
def storage() -> Storage:
    config = settings()
    return make_storage(config.files_url, config.files_access_key, config.files_secret_key.get_secret_value())
