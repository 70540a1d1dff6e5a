"""Purposes of files. Pure: an area's rules declare them, and the core enforces them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class FileKind(StrEnum):
    """The kind of a file, detected from its content. The value is its content type."""

    JPEG = "image/jpeg"
    PNG = "image/png"
    WEBP = "image/webp"
    PDF = "application/pdf"
    CSV = "text/csv"
    XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    ZIP = "application/zip"
    # Any bytes, for files with a signature of their own.
    BINARY = "application/octet-stream"

    @property
    def is_image(self) -> bool:
        return self in IMAGES

    @property
    def extensions(self) -> tuple[str, ...]:
        """File name extensions of this kind; the first is added to a name without one."""
        return _EXTENSIONS[self]

    @property
    def label(self) -> str:
        return _LABELS[self]


IMAGES = frozenset({FileKind.JPEG, FileKind.PNG, FileKind.WEBP})
_EXTENSIONS = {
    FileKind.JPEG: (".jpg", ".jpeg"),
    FileKind.PNG: (".png",),
    FileKind.WEBP: (".webp",),
    FileKind.PDF: (".pdf",),
    FileKind.CSV: (".csv", ".txt"),
    FileKind.XLSX: (".xlsx",),
    FileKind.ZIP: (".zip",),
    FileKind.BINARY: (".bin", ".img", ".fw"),
}
_LABELS = {
    FileKind.JPEG: "JPEG画像",
    FileKind.PNG: "PNG画像",
    FileKind.WEBP: "WebP画像",
    FileKind.PDF: "PDF",
    FileKind.CSV: "CSV",
    FileKind.XLSX: "Excel（.xlsx）",
    FileKind.ZIP: "ZIP",
    FileKind.BINARY: "任意のファイル",
}


@dataclass(frozen=True)
class Purpose:
    """One use of files. `key` is `<area>.<name>`; `permission` is needed to upload, `read` to see a file in use.

    `max_pixels` is width times height: 50 million is a phone's largest photo, and 200 MB when decoded.
    """

    key: str
    kinds: frozenset[FileKind]
    permission: str
    read: str
    max_bytes: int = 20 * 1024 * 1024
    max_pixels: int = 50_000_000

    @property
    def area(self) -> str:
        return self.key.partition(".")[0]

    @property
    def kind_labels(self) -> str:
        return "、".join(kind.label for kind in FileKind if kind in self.kinds)
