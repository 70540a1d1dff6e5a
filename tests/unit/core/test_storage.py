"""File storage in a folder or a bucket; writes are atomic."""

from __future__ import annotations

import asyncio
import io
import os
from pathlib import Path

import pytest

from service.core.files.storage import make_storage
from service.core.problems import Unavailable


@pytest.mark.parametrize(
    "url",
    ["", "files", "file://host/files", "http://bucket", "s3://", "s3://bucket?endpoit=https://x", "memory:///"],
)
def test_an_invalid_storage_url_is_refused_with_a_message(url: str) -> None:
    with pytest.raises(ValueError, match="FILES_URL"):
        make_storage(url)


def test_a_folder_with_a_japanese_name_and_spaces_is_a_storage(tmp_path: Path) -> None:
    folder = tmp_path / "現場 ファイル"
    make_storage(folder.as_uri()).put("fleet/ab/abc", io.BytesIO(b"content"))

    assert (folder / "fleet/ab/abc").read_bytes() == b"content"


def test_a_failed_write_leaves_no_file(tmp_path: Path) -> None:
    class FailingStream(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > 10_000_000:
                raise OSError("the disk says no")
            return super().read(size)

    storage = make_storage(tmp_path.as_uri())
    with pytest.raises(Unavailable):
        storage.put("fleet/ab/abc", FailingStream(b"x" * 30_000_000))

    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_stored_file_is_synced_to_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    real_fsync = os.fsync

    def fsync(descriptor: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{descriptor}").resolve().relative_to(tmp_path)))
        real_fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    make_storage(tmp_path.as_uri()).put("fleet/ab/abc", io.BytesIO(b"content"))

    assert synced == ["fleet/ab/abc", "fleet/ab", "fleet", "."]


def test_a_missing_file_is_unavailable_and_may_be_deleted_again(tmp_path: Path) -> None:
    storage = make_storage(tmp_path.as_uri())
    storage.put("fleet/ab/abc", io.BytesIO(b"content"))
    for _ in range(2):
        storage.delete("fleet/ab/abc")

    with pytest.raises(Unavailable):
        storage.size("fleet/ab/abc")
    with pytest.raises(Unavailable):
        asyncio.run(storage.stream("fleet/ab/abc", 0, 1))
