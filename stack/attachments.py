"""The folder of FILES_URL in a backup. A bucket elsewhere (s3://…) is backed up where it is."""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit


def folder_of(environ: Mapping[str, str]) -> Path | None:
    """The local folder, or None when files are kept elsewhere."""
    address = urlsplit(environ.get("FILES_URL", ""))
    return Path(unquote(address.path)) if address.scheme == "file" else None


def pack(environ: Mapping[str, str], archive: Path) -> dict[str, int] | None:
    """Writes the folder into the archive; how many files and bytes. Taken after the database's snapshot: what a row of
    the snapshot names is there already, and what is deleted meanwhile is left out."""
    folder = folder_of(environ)
    if folder is None:
        return None
    count = total = 0
    with tarfile.open(archive, "x", format=tarfile.PAX_FORMAT) as tar:
        archive.chmod(0o600)
        for file in sorted(folder.rglob("*")) if folder.is_dir() else []:
            if file.is_symlink() or not file.is_file():
                continue
            try:
                handle = file.open("rb")
            except FileNotFoundError:
                continue
            with handle:
                about = tar.gettarinfo(arcname=str(file.relative_to(folder)), fileobj=handle)
                tar.addfile(about, handle)
            count, total = count + 1, total + about.size
    return {"count": count, "bytes": total}


def refuse_unless_empty(environ: Mapping[str, str], packed: Mapping[str, Any] | None) -> None:
    """Raises RuntimeError, in words."""
    folder = folder_of(environ)
    if not packed or not packed["count"]:
        return
    if folder is None:
        raise RuntimeError("The backup holds files; set FILES_URL to a local folder (file:///…) to restore them into.")
    if folder.is_dir() and any(folder.iterdir()):
        raise RuntimeError(f"{folder} is not empty, and no file is ever overwritten. Set FILES_URL to an empty folder.")


def unpack(environ: Mapping[str, str], packed: Mapping[str, Any] | None, archive: Path) -> None:
    folder = folder_of(environ)
    if not packed or folder is None:
        return
    try:
        count, total = _unpacked(archive, folder)
    except tarfile.TarError as error:
        raise RuntimeError(f"{archive} cannot be read ({error}); take another backup.") from error
    if (count, total) != (packed["count"], packed["bytes"]):
        raise RuntimeError(f"{count} files with {total} bytes were restored instead of {packed}.")


def _unpacked(archive: Path, folder: Path) -> tuple[int, int]:
    """How many files and bytes were written."""
    count = total = 0
    with tarfile.open(archive) as tar:
        for about in tar:
            target = folder / about.name
            if not about.isreg() or not target.resolve().is_relative_to(folder.resolve()):
                raise RuntimeError(f"{archive} holds {about.name!r}, which no backup of ours does.")
            source = tar.extractfile(about)
            assert source is not None  # it is a regular file
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with source, target.open("xb") as handle:
                shutil.copyfileobj(source, handle)
            target.chmod(about.mode & 0o777)
            count, total = count + 1, total + about.size
    return count, total
