"""What files are for. Pure: an area's rules declare their purposes with it, and the floor keeps to them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a file may be, told from its content. The value is the content type it is served with."""

    JPEG = "image/jpeg"
    PNG = "image/png"
    WEBP = "image/webp"
    PDF = "application/pdf"
    CSV = "text/csv"
    XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    ZIP = "application/zip"
    # Any bytes at all, for what carries a signature of its own.
    BINARY = "application/octet-stream"

    @property
    def is_image(self) -> bool:
        return self in IMAGES

    @property
    def endings(self) -> tuple[str, ...]:
        """How a name of this kind ends; the first is added where none fits."""
        return _ENDINGS[self]

    @property
    def in_words(self) -> str:
        return _WORDS[self]


IMAGES = frozenset({Kind.JPEG, Kind.PNG, Kind.WEBP})
_ENDINGS = {
    Kind.JPEG: (".jpg", ".jpeg"),
    Kind.PNG: (".png",),
    Kind.WEBP: (".webp",),
    Kind.PDF: (".pdf",),
    Kind.CSV: (".csv", ".txt"),
    Kind.XLSX: (".xlsx",),
    Kind.ZIP: (".zip",),
    Kind.BINARY: (".bin", ".img", ".fw"),
}
_WORDS = {
    Kind.JPEG: "JPEG画像",
    Kind.PNG: "PNG画像",
    Kind.WEBP: "WebP画像",
    Kind.PDF: "PDF",
    Kind.CSV: "CSV",
    Kind.XLSX: "Excel（.xlsx）",
    Kind.ZIP: "ZIP",
    Kind.BINARY: "任意のファイル",
}


@dataclass(frozen=True)
class Purpose:
    """One use of files. `key` is `<area>.<name>`; `permission` lets a person send one, `read` see one that is in use.

    `max_pixels` is width times height: 50 million is a phone's largest photo, and 200 MB once decoded.
    """

    key: str
    kinds: frozenset[Kind]
    permission: str
    read: str
    max_bytes: int = 20 * 1024 * 1024
    max_pixels: int = 50_000_000

    @property
    def area(self) -> str:
        return self.key.partition(".")[0]

    @property
    def kinds_in_words(self) -> str:
        return "、".join(kind.in_words for kind in Kind if kind in self.kinds)
