"""The folder of FILES_URL in a backup. A bucket (s3://…) has its own backup."""

from __future__ import annotations

import hashlib
import io
import shutil
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, Protocol, cast
from urllib.parse import unquote, urlsplit

from stack.sealing import Target


class Source(Protocol):
    def read(self, size: int = ..., /) -> bytes: ...


class HashingReader(io.RawIOBase):
    """Computes the hash and the size of a file while it is read."""

    def __init__(self, name: str, source: IO[bytes]) -> None:
        self.size, self.hash, self._source = 0, hashlib.sha256(name.encode() + b"\0"), source

    def read(self, size: int = -1, /) -> bytes:
        chunk = self._source.read(size)
        self.hash.update(chunk)
        self.size += len(chunk)
        return chunk


class FileTotals:
    """The number of files and bytes, and a checksum of their names and contents that does not depend on their order."""

    def __init__(self) -> None:
        self._count = self._bytes = self._content = 0

    def reader(self, name: str, source: IO[bytes]) -> HashingReader:
        return HashingReader(name, source)

    def add(self, reader: HashingReader) -> None:
        self._count, self._bytes = self._count + 1, self._bytes + reader.size
        self._content += int.from_bytes(reader.hash.digest()[:16])

    def as_dict(self) -> dict[str, Any]:
        return {"count": self._count, "bytes": self._bytes, "content": str(self._content)}


def files_folder(environ: Mapping[str, str]) -> Path | None:
    """The local folder, or None when files are stored elsewhere."""
    address = urlsplit(environ.get("FILES_URL", ""))
    return Path(unquote(address.path)) if address.scheme == "file" else None


def pack(environ: Mapping[str, str], target: Target) -> dict[str, Any]:
    """Writes the folder into the archive; returns the totals. It runs after the database's snapshot: every file that a
    row of the snapshot names exists by then, and a file deleted meanwhile is left out."""
    folder, totals = files_folder(environ), FileTotals()
    assert folder is not None  # Callers check this.
    with tarfile.open(fileobj=cast(IO[bytes], target), mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for file in sorted(folder.rglob("*")) if folder.is_dir() else []:
            if file.is_symlink() or not file.is_file():
                continue
            try:
                handle = file.open("rb")
            except FileNotFoundError:
                continue
            with handle:
                info = tar.gettarinfo(arcname=str(file.relative_to(folder)), fileobj=handle)
                reader = totals.reader(info.name, handle)
                tar.addfile(info, reader)
            totals.add(reader)
    return totals.as_dict()


def refuse_unless_empty(environ: Mapping[str, str], packed: Mapping[str, Any] | None) -> None:
    """Raises RuntimeError with a message for the user when files cannot be restored."""
    folder = files_folder(environ)
    if not packed or not packed["count"]:
        return
    if folder is None:
        raise RuntimeError("The backup holds files; set FILES_URL to a local folder (file:///…) to restore them into.")
    if folder.is_dir() and any(folder.iterdir()):
        raise RuntimeError(f"{folder} is not empty, and no file is ever overwritten. Set FILES_URL to an empty folder.")


def unpack(environ: Mapping[str, str], packed: Mapping[str, Any], source: Source) -> None:
    folder = files_folder(environ)
    if folder is None:
        return

    def write_file(info: tarfile.TarInfo, reader: HashingReader) -> None:
        target = folder / info.name
        if not target.resolve().is_relative_to(folder.resolve()):
            raise RuntimeError(f"The backup holds {info.name!r}, which no backup of ours does.")
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with target.open("xb") as handle:
            shutil.copyfileobj(reader, handle)
        target.chmod(info.mode & 0o777)

    _read_and_compare(packed, source, write_file)


def verify(packed: Mapping[str, Any], source: Source) -> None:
    """Checks that everything can be unpacked, without writing it. Raises RuntimeError with a message for the user."""

    def read_through(_: tarfile.TarInfo, reader: HashingReader) -> None:
        while reader.read(1024 * 1024):
            pass

    _read_and_compare(packed, source, read_through)


def _read_and_compare(
    packed: Mapping[str, Any], source: Source, handle_file: Callable[[tarfile.TarInfo, HashingReader], None]
) -> None:
    try:
        totals = _read_archive(source, handle_file)
    except tarfile.TarError as error:
        raise RuntimeError(f"The packed files cannot be read ({error}); take another backup.") from error
    # Backups of earlier releases have no content figure.
    if any(totals[name] != packed[name] for name in totals.keys() & packed.keys()):
        raise RuntimeError(f"The files are not what was backed up: {totals} instead of {dict(packed)}.")


def _read_archive(source: Source, handle_file: Callable[[tarfile.TarInfo, HashingReader], None]) -> dict[str, Any]:
    totals = FileTotals()
    with tarfile.open(fileobj=cast(IO[bytes], source), mode="r|") as tar:
        for info in tar:
            if not info.isreg():
                raise RuntimeError(f"The backup holds {info.name!r}, which no backup of ours does.")
            handle = tar.extractfile(info)
            assert handle is not None  # It is a regular file.
            with handle:
                reader = totals.reader(info.name, handle)
                handle_file(info, reader)
            totals.add(reader)
    return totals.as_dict()
