"""The folder of FILES_URL in a backup. A bucket elsewhere (s3://…) is backed up where it is."""

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


class Counted(io.RawIOBase):
    """A file that is hashed as it is read."""

    def __init__(self, name: str, source: IO[bytes]) -> None:
        self.size, self.hash, self._source = 0, hashlib.sha256(name.encode() + b"\0"), source

    def read(self, size: int = -1, /) -> bytes:
        piece = self._source.read(size)
        self.hash.update(piece)
        self.size += len(piece)
        return piece


class Figures:
    """How many files and bytes, and a sum over their names and contents, whatever their order."""

    def __init__(self) -> None:
        self._count = self._bytes = self._content = 0

    def counting(self, name: str, source: IO[bytes]) -> Counted:
        return Counted(name, source)

    def add(self, counted: Counted) -> None:
        self._count, self._bytes = self._count + 1, self._bytes + counted.size
        self._content += int.from_bytes(counted.hash.digest()[:16])

    def told(self) -> dict[str, Any]:
        return {"count": self._count, "bytes": self._bytes, "content": str(self._content)}


def folder_of(environ: Mapping[str, str]) -> Path | None:
    """The local folder, or None when files are kept elsewhere."""
    address = urlsplit(environ.get("FILES_URL", ""))
    return Path(unquote(address.path)) if address.scheme == "file" else None


def pack(environ: Mapping[str, str], target: Target) -> dict[str, Any]:
    """Writes the folder into the archive; how many files and bytes, and a figure that changes with any of them. Taken
    after the database's snapshot: what a row of the snapshot names is there already, and what is deleted meanwhile is
    left out."""
    folder, figures = folder_of(environ), Figures()
    assert folder is not None  # nobody asks otherwise
    with tarfile.open(fileobj=cast(IO[bytes], target), mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for file in sorted(folder.rglob("*")) if folder.is_dir() else []:
            if file.is_symlink() or not file.is_file():
                continue
            try:
                handle = file.open("rb")
            except FileNotFoundError:
                continue
            with handle:
                about = tar.gettarinfo(arcname=str(file.relative_to(folder)), fileobj=handle)
                counted = figures.counting(about.name, handle)
                tar.addfile(about, counted)
            figures.add(counted)
    return figures.told()


def refuse_unless_empty(environ: Mapping[str, str], packed: Mapping[str, Any] | None) -> None:
    """Raises RuntimeError, in words."""
    folder = folder_of(environ)
    if not packed or not packed["count"]:
        return
    if folder is None:
        raise RuntimeError("The backup holds files; set FILES_URL to a local folder (file:///…) to restore them into.")
    if folder.is_dir() and any(folder.iterdir()):
        raise RuntimeError(f"{folder} is not empty, and no file is ever overwritten. Set FILES_URL to an empty folder.")


def unpack(environ: Mapping[str, str], packed: Mapping[str, Any], source: Source) -> None:
    folder = folder_of(environ)
    if folder is None:
        return

    def kept(about: tarfile.TarInfo, counted: Counted) -> None:
        target = folder / about.name
        if not target.resolve().is_relative_to(folder.resolve()):
            raise RuntimeError(f"The backup holds {about.name!r}, which no backup of ours does.")
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with target.open("xb") as handle:
            shutil.copyfileobj(counted, handle)
        target.chmod(about.mode & 0o777)

    _compared(packed, source, kept)


def verify(packed: Mapping[str, Any], source: Source) -> None:
    """That all could be unpacked, without doing so. Raises RuntimeError, in words."""

    def read(_: tarfile.TarInfo, counted: Counted) -> None:
        while counted.read(1024 * 1024):
            pass

    _compared(packed, source, read)


def _compared(packed: Mapping[str, Any], source: Source, take: Callable[[tarfile.TarInfo, Counted], None]) -> None:
    try:
        found = _figures(source, take)
    except tarfile.TarError as error:
        raise RuntimeError(f"The packed files cannot be read ({error}); take another backup.") from error
    # Backups of earlier releases have no content figure.
    if any(found[name] != packed[name] for name in found.keys() & packed.keys()):
        raise RuntimeError(f"The files are not what was backed up: {found} instead of {dict(packed)}.")


def _figures(source: Source, take: Callable[[tarfile.TarInfo, Counted], None]) -> dict[str, Any]:
    figures = Figures()
    with tarfile.open(fileobj=cast(IO[bytes], source), mode="r|") as tar:
        for about in tar:
            if not about.isreg():
                raise RuntimeError(f"The backup holds {about.name!r}, which no backup of ours does.")
            handle = tar.extractfile(about)
            assert handle is not None  # it is a regular file
            with handle:
                counted = figures.counting(about.name, handle)
                take(about, counted)
            figures.add(counted)
    return figures.told()
