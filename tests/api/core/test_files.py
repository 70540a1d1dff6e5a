"""Files over HTTP: uploaded, checked, stripped of metadata, visible to the right users, and downloaded again."""

from __future__ import annotations

import hashlib
import io
import uuid
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest
from fastapi.testclient import TestClient
from PIL import ExifTags, Image
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.audit import AuditEntry
from service.core.files import records
from service.core.files.records import File
from service.core.files.storage import make_storage, storage
from service.core.purposes import FileKind, Purpose
from service.fleet.models import Terminal
from tests import factories
from tests.pictures import picture

PHOTO = "fleet.terminal_photo"
# Accepts every kind of file, for the kinds that no purpose of an area accepts yet.
ANYTHING = Purpose(
    "fleet.anything", frozenset(FileKind), "fleet:photo:update", "fleet:terminal:read", max_bytes=300_000
)
SignIn = Callable[..., TestClient]


@pytest.fixture(autouse=True)
def _any_purpose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(records.purposes(), ANYTHING.key, ANYTHING)


def send(
    client: TestClient, content: bytes, name: str = "現地.jpg", purpose: str = PHOTO, **headers: str
) -> httpx2.Response:
    return client.put("/api/core/files", params={"name": name, "purpose": purpose}, content=content, headers=headers)


def upload(client: TestClient, content: bytes, name: str = "現地.jpg", purpose: str = PHOTO) -> dict[str, object]:
    answer = send(client, content, name, purpose)
    assert answer.status_code == 201, answer.text
    body: dict[str, object] = answer.json()
    return body


def assert_refused(answer: httpx2.Response, status: int, message: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert message in answer.json()["detail"]


def stored_keys() -> set[str]:
    return {stored.key for listed in storage().all() for stored in listed}


@pytest.fixture
def operator(sign_in: SignIn) -> TestClient:
    return sign_in("olivia", fleet="operator")


def attach_photo(client: TestClient, db: Session, content: bytes) -> tuple[Terminal, str]:
    terminal = factories.terminal(db)
    db.commit()
    file_id = str(upload(client, content)["id"])
    assert client.post(f"/api/fleet/terminals/{terminal.id}/photos", json={"file_id": file_id}).status_code == 201
    return terminal, file_id


def test_a_photo_is_stored_described_and_served_again(operator: TestClient, db: Session) -> None:
    photo = picture(size=(640, 400))

    uploaded = upload(operator, photo, "現地 写真.JPG")
    answer = operator.get(f"/api/core/files/{uploaded['id']}")

    assert uploaded | {"id": ""} == {
        "id": "",
        "name": "現地 写真.JPG",
        "size": len(answer.content),
        "content_type": "image/jpeg",
        "width": 640,
        "height": 400,
    }
    assert Image.open(io.BytesIO(answer.content)).size == (640, 400)
    file = db.get_one(File, uuid.UUID(str(uploaded["id"])))
    assert file.sha256 == hashlib.sha256(answer.content).digest()
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["etag"] == f'"{file.sha256.hex()}"'
    assert answer.headers["cache-control"] == "private, no-cache"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert answer.headers["content-disposition"] == (
        "inline; filename=\"file.JPG\"; filename*=UTF-8''%E7%8F%BE%E5%9C%B0%20%E5%86%99%E7%9C%9F.JPG"
    )


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_a_photo_loses_its_metadata_and_keeps_its_orientation(
    operator: TestClient, kind: str, orientation: int
) -> None:
    photo = picture(kind, orientation=orientation, gps=True)
    assert b"SecretPhone" in photo

    uploaded = upload(operator, photo)
    stored = operator.get(f"/api/core/files/{uploaded['id']}").content
    small = operator.get(f"/api/core/files/{uploaded['id']}", params={"thumbnail": 1}).content

    assert b"SecretPhone" not in stored
    with Image.open(io.BytesIO(stored)) as image, Image.open(io.BytesIO(photo)) as original:
        assert image.tobytes() == original.tobytes(), "the pixels are untouched"
        exif = image.getexif()
        assert exif.get(ExifTags.Base.Orientation, 1) == orientation
        assert not exif.get_ifd(ExifTags.IFD.GPSInfo)
    upright = (640, 400) if orientation < 5 else (400, 640)
    assert (uploaded["width"], uploaded["height"]) == upright
    with Image.open(io.BytesIO(small)) as thumbnail:
        assert thumbnail.format == "WEBP"
        assert max(thumbnail.size) == 480
        assert (thumbnail.width > thumbnail.height) == (orientation < 5)
        # The red corner has turned with the picture.
        right, below = thumbnail.width - 20, thumbnail.height - 20
        corner = {1: (20, 20), 3: (right, below), 6: (right, 20)}[orientation]
        red, green, _ = thumbnail.convert("RGB").getpixel(corner)  # type: ignore[misc]  # a pixel of RGB
        assert (red > 200, green < 80) == (True, True)


def test_bytes_after_the_end_of_a_picture_are_removed(operator: TestClient) -> None:
    for kind in ("JPEG", "PNG", "WEBP"):
        uploaded = upload(operator, picture(kind) + b"PK\x03\x04<script>alert(1)</script>")
        assert b"<script>" not in operator.get(f"/api/core/files/{uploaded['id']}").content


@pytest.mark.parametrize("mode", ["L", "RGBA", "I;16"])
def test_pictures_of_every_kind_of_pixel_get_a_thumbnail(operator: TestClient, mode: str) -> None:
    uploaded = upload(operator, picture("PNG", mode=mode))

    small = operator.get(f"/api/core/files/{uploaded['id']}?thumbnail=1")

    assert small.headers["content-type"] == "image/webp"
    with Image.open(io.BytesIO(small.content)) as thumbnail:
        assert thumbnail.size == (480, 300)


def test_a_part_is_served_and_an_unchanged_file_is_not_sent_again(operator: TestClient) -> None:
    rows = "シリアル番号,店舗\r\n".encode() + b"TC200-000001,Shinjuku\r\n" * 2000
    url = f"/api/core/files/{upload(operator, rows, '端末.csv', ANYTHING.key)['id']}"
    full = operator.get(url)
    assert full.content == rows
    assert full.headers["content-disposition"].startswith("attachment; ")

    def part(byte_range: str, **headers: str) -> tuple[int, bytes, str | None]:
        answer = operator.get(url, headers={"Range": byte_range, **headers})
        return answer.status_code, answer.content, answer.headers.get("content-range")

    end = len(rows)
    assert part("bytes=10-19") == (206, rows[10:20], f"bytes 10-19/{end}")
    assert part("bytes=40000-") == (206, rows[40000:], f"bytes 40000-{end - 1}/{end}")
    assert part("bytes=-5") == (206, rows[-5:], f"bytes {end - 5}-{end - 1}/{end}")
    assert part(f"bytes=0-{'9' * 18}") == (206, rows, f"bytes 0-{end - 1}/{end}")
    assert part("bytes=0-9", **{"If-Range": '"another"'}) == (200, rows, None)
    for not_understood in ("bytes=-", "bytes=5-1", "lines=1-2", "bytes=0-1,5-6", f"bytes=0-{'9' * 5000}"):
        assert part(not_understood)[0] == 200
    beyond_the_end = operator.get(url, headers={"Range": f"bytes={end}-"})
    assert_refused(beyond_the_end, 416, "範囲")
    assert beyond_the_end.headers["content-range"] == f"bytes */{end}"
    unchanged = operator.get(url, headers={"If-None-Match": full.headers["etag"]})
    assert (unchanged.status_code, unchanged.content) == (304, b"")


def test_an_upload_that_is_sent_again_is_answered_with_the_first_file(operator: TestClient, db: Session) -> None:
    key = {"Idempotency-Key": str(uuid.uuid4())}
    first = send(operator, picture(), **key)
    before = stored_keys()

    again = send(operator, picture(size=(64, 64)), "別名.jpg", **key)

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert stored_keys() == before
    assert len(db.scalars(select(File)).all()) == 1
    assert_refused(send(operator, picture(), purpose=ANYTHING.key, **key), 409, "Idempotency-Key")


def test_every_upload_is_audited(operator: TestClient, db: Session) -> None:
    uploaded = upload(operator, picture())

    entry = db.scalars(select(AuditEntry).where(AuditEntry.subject == "file")).one()
    assert (entry.actor, entry.area, entry.action) == ("olivia", "fleet", "create")
    assert entry.subject_id == uploaded["id"]
    assert entry.after is not None
    assert entry.after["name"] == "現地.jpg"


def test_only_the_sender_sees_a_file_that_is_not_in_use(operator: TestClient, sign_in: SignIn) -> None:
    url = f"/api/core/files/{upload(operator, picture())['id']}"
    assert operator.get(url).status_code == 200

    for colleague, role in (("adam", "admin"), ("samuel", "support")):
        assert_refused(sign_in(colleague, fleet=role).get(url), 404, "見つかりません")


def test_a_file_in_use_is_seen_by_those_who_may_and_is_unknown_to_all_others(
    operator: TestClient, sign_in: SignIn, db: Session
) -> None:
    _, file_id = attach_photo(operator, db, picture())

    for url in (f"/api/core/files/{file_id}", f"/api/core/files/{file_id}?thumbnail=1"):
        assert sign_in(f"samuel{len(url)}", fleet="support").get(url).status_code == 200
        absent = operator.get(f"/api/core/files/{uuid.uuid4()}").json()
        for stranger in (
            sign_in(f"vera{len(url)}", fleet="viewer"),
            sign_in(f"charlie{len(url)}"),
            sign_in(f"nora{len(url)}", entries="staff"),
        ):
            assert_refused(stranger.get(url), 404, "見つかりません")
            assert stranger.get(url).json() == absent, "absent and not yours are the same"


def test_without_a_session_nothing_is_taken_and_nothing_is_shown(client: TestClient) -> None:
    before = stored_keys()

    assert_refused(send(client, picture()), 401, "ログイン")
    assert_refused(client.get(f"/api/core/files/{uuid.uuid4()}"), 401, "ログイン")

    assert stored_keys() == before


def test_who_may_not_change_terminals_may_not_send_photos_of_them(sign_in: SignIn) -> None:
    assert_refused(send(sign_in("samuel", fleet="support"), picture()), 403, "送る権限がありません")
    assert_refused(send(sign_in("nora"), picture()), 403, "送る権限がありません")
    assert_refused(send(sign_in("olivia", fleet="operator"), picture(), purpose="fleet.nothing"), 422, "用途")


def test_a_picture_that_cannot_be_stored_is_not_promised(
    operator: TestClient, db: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = make_storage(tmp_path.as_uri())
    (tmp_path / "fleet").write_text("a file where a folder has to be")
    monkeypatch.setattr("service.core.files.deposit.storage", lambda: broken)

    assert_refused(send(operator, picture()), 503, "保存はされていません")

    assert db.scalars(select(File)).all() == []


def test_a_row_that_cannot_be_written_leaves_no_bytes(operator: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    from service.core.problems import Conflict

    def refuse(*_: object, **__: object) -> None:
        raise Conflict("いまは書けません。")

    before = stored_keys()
    monkeypatch.setattr(records, "add", refuse)

    assert_refused(send(operator, picture()), 409, "いまは書けません")

    assert stored_keys() == before
