"""Files that are not what they claim to be: refused in words, and nothing of them is stored."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable

import httpx2
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.files import records
from service.core.files.records import File
from service.core.files.storage import storage
from service.core.purposes import FileKind, Purpose
from tests.pictures import animated_picture, picture, png_of_size, workbook

# Every kind that is recognised by its content.
KINDS = frozenset(FileKind) - {FileKind.BINARY}
ANYTHING = Purpose("fleet.anything", KINDS, "fleet:photo:update", "fleet:terminal:read", max_bytes=300_000)
PDF = b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n"
SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
HTML = b"<!DOCTYPE html><html><script>alert(1)</script></html>"
HEIC = struct.pack(">I", 24) + b"ftypheic" + b"\0\0\0\0mif1heic" + b"\0" * 100


@pytest.fixture
def operator(sign_in: Callable[..., TestClient], monkeypatch: pytest.MonkeyPatch) -> TestClient:
    monkeypatch.setitem(records.purposes(), ANYTHING.key, ANYTHING)
    return sign_in("olivia", fleet="operator")


def send(client: TestClient, content: bytes, name: str, purpose: str = ANYTHING.key) -> httpx2.Response:
    return client.put("/api/core/files", params={"name": name, "purpose": purpose}, content=content)


def bomb() -> bytes:
    """Half a megabyte that would unpack to 400 megabytes."""
    buffer = io.BytesIO(workbook())
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_DEFLATED) as parts, parts.open("xl/bomb.xml", "w") as part:
        for _ in range(400):
            part.write(b" " * 1024 * 1024)
    return buffer.getvalue()


def lying_workbook() -> bytes:
    """Declares a part of 10 bytes, which unpacks to a thousand."""
    content = workbook({"xl/lie.xml": b" " * 1000})
    return content.replace(struct.pack("<I", 1000), struct.pack("<I", 10))


REFUSED: dict[str, tuple[bytes, str, int, str]] = {
    "empty": (b"", "空.jpg", 422, "中身が空"),
    "html named jpg": (HTML, "photo.jpg", 415, "形式は使えません"),
    "svg": (SVG, "logo.svg", 415, "形式は使えません"),
    "svg named csv": (b"\xef\xbb\xbf  " + SVG, "table.csv", 415, "形式は使えません"),
    "html named csv": (b"\n<ScRiPt>alert(1)</script>", "table.csv", 415, "形式は使えません"),
    "gif": (b"GIF89a" + b"\0" * 50, "photo.gif", 415, "形式は使えません"),
    "program": (b"MZ\x90\0" + b"\0" * 100, "photo.jpg", 415, "形式は使えません"),
    "heic": (HEIC, "IMG_0001.HEIC", 415, "互換性優先"),
    "truncated jpeg": (picture()[:-400], "現地.jpg", 422, "途中で切れている"),
    "truncated png": (picture("PNG")[:-20], "現地.png", 422, "途中で切れている"),
    "truncated webp": (picture("WEBP")[:-20], "現地.webp", 422, "画像"),
    "jpeg of nothing": (b"\xff\xd8\xff" + b"A" * 500, "現地.jpg", 422, "画像として読み取れません"),
    "too many pixels": (png_of_size(50_000, 50_000), "huge.png", 422, "5,000万画素以下"),
    "rather many pixels": (png_of_size(10_000, 10_000), "huge.png", 422, "5,000万画素以下"),
    "moving png": (animated_picture("PNG"), "a.png", 422, "動く画像"),
    "moving webp": (animated_picture("WEBP"), "a.webp", 422, "動く画像"),
    "truncated pdf": (PDF[:-8], "図面.pdf", 422, "PDFが途中で切れています"),
    "pdf behind something": (b"\0" + PDF, "図面.pdf", 415, "形式は使えません"),
    "zip": (b"PK\x03\x04" + b"\0" * 100, "表.xlsx", 422, "Excelファイルとして読み取れません"),
    "torn workbook": (workbook()[:-30], "表.xlsx", 422, "Excelファイルとして読み取れません"),
    "zip of something else": (
        workbook().replace(b"xl/workbook.xml", b"xl/notebook.xml"),
        "表.xlsx",
        415,
        "Excelファイルとして読み取れません",
    ),
    "macros": (workbook({"xl/vbaProject.bin": b"x"}), "表.xlsm", 415, "マクロ"),
    "lying workbook": (lying_workbook(), "表.xlsx", 422, "Excelファイルとして読み取れません"),
    "text with NUL": (b"a,b\n\0,1\n", "表.csv", 415, "形式は使えません"),
    "text of no encoding": (b"a,b\n\xff\xfe\xfd,1\n", "表.csv", 415, "形式は使えません"),
    "too large": (b"1,2\n" * 80_000, "表.csv", 413, "MB以下"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_what_it_says_is_refused_in_words(operator: TestClient, db: Session, case: str) -> None:
    content, name, status, message = REFUSED[case]
    before = {stored.key for listed in storage().all() for stored in listed}

    answer = send(operator, content, name)

    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert message in answer.json()["detail"]
    assert db.scalars(select(File)).all() == []
    assert {stored.key for listed in storage().all() for stored in listed} == before


def test_a_workbook_that_unpacks_without_end_is_refused(operator: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    roomy = Purpose(ANYTHING.key, ANYTHING.kinds, ANYTHING.permission, ANYTHING.read)
    monkeypatch.setitem(records.purposes(), ANYTHING.key, roomy)

    answer = send(operator, bomb(), "表.xlsx")

    assert answer.status_code == 422
    assert "中身が大きすぎます" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("content", "sent_name", "stored_name", "content_type"),
    [
        (picture(), "../../etc/passwd", "passwd.jpg", "image/jpeg"),
        (picture(), "C:\\写真\\現地.JPEG", "現地.JPEG", "image/jpeg"),
        (picture(), "a\0b\r\nSet-Cookie: x.jpg", "abSet-Cookie_ x.jpg", "image/jpeg"),
        (picture(), "evil\u202egpj.exe", "evilgpj.exe.jpg", "image/jpeg"),
        (picture("PNG"), "写真.html", "写真.html.png", "image/png"),
        (picture(), "..", "ファイル.jpg", "image/jpeg"),
        (picture(), ".jpg", "ファイル.jpg", "image/jpeg"),
        (picture(), "店" * 300 + ".jpg", "店" * 196 + ".jpg", "image/jpeg"),
        (picture(), "が" * 3 + ".jpg", "が" * 3 + ".jpg", "image/jpeg"),
        ("端末,状態\n1,正常\n".encode(), "一覧.csv", "一覧.csv", "text/csv"),
        ("端末,状態\n1,正常\n".encode("cp932"), "一覧", "一覧.csv", "text/csv"),
        (PDF, "図面.pdf", "図面.pdf", "application/pdf"),
        (workbook(), "表.xlsx", "表.xlsx", FileKind.XLSX.value),
        (HTML + b"", "x.html", "", ""),
    ],
)
def test_names_are_made_harmless_and_types_come_from_the_content(
    operator: TestClient, content: bytes, sent_name: str, stored_name: str, content_type: str
) -> None:
    answer = send(operator, content, sent_name)

    if not stored_name:
        assert answer.status_code == 415
        return
    assert answer.status_code == 201, answer.text
    assert answer.json()["name"] == stored_name
    assert answer.json()["content_type"] == content_type
    served = operator.get(f"/api/core/files/{answer.json()['id']}")
    assert served.headers["content-type"].startswith(content_type)
    assert served.headers["content-disposition"].startswith("inline" if "image" in content_type else "attachment")
    assert "\n" not in served.headers["content-disposition"]


def test_a_photo_must_be_a_photo(operator: TestClient) -> None:
    """A purpose accepts only its own kinds of files."""
    answer = send(operator, PDF, "図面.pdf", "fleet.terminal_photo")

    assert answer.status_code == 415
    assert "使える形式は JPEG画像、PNG画像、WebP画像 です。" in answer.json()["detail"]
