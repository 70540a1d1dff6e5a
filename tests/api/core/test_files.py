"""Files over HTTP: sent, checked, stripped, seen by whom they concern, and served again."""

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
# Takes everything there is, for what no purpose of an area takes yet.
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


def sent(client: TestClient, content: bytes, name: str = "現地.jpg", purpose: str = PHOTO) -> dict[str, object]:
    answer = send(client, content, name, purpose)
    assert answer.status_code == 201, answer.text
    body: dict[str, object] = answer.json()
    return body


def refused(answer: httpx2.Response, status: int, words: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert words in answer.json()["detail"]


def stored_keys() -> set[str]:
    return {stored.key for listed in storage().all() for stored in listed}


@pytest.fixture
def operator(sign_in: SignIn) -> TestClient:
    return sign_in("olivia", fleet="operator")


def attached(client: TestClient, db: Session, content: bytes) -> tuple[Terminal, str]:
    terminal = factories.terminal(db)
    db.commit()
    file_id = str(sent(client, content)["id"])
    assert client.post(f"/api/fleet/terminals/{terminal.id}/photos", json={"file_id": file_id}).status_code == 201
    return terminal, file_id


def test_a_photo_is_stored_described_and_served_again(operator: TestClient, db: Session) -> None:
    photo = picture(size=(640, 400))

    described = sent(operator, photo, "現地 写真.JPG")
    answer = operator.get(f"/api/core/files/{described['id']}")

    assert described | {"id": ""} == {
        "id": "",
        "name": "現地 写真.JPG",
        "size": len(answer.content),
        "content_type": "image/jpeg",
        "width": 640,
        "height": 400,
    }
    assert Image.open(io.BytesIO(answer.content)).size == (640, 400)
    file = db.get_one(File, uuid.UUID(str(described["id"])))
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
def test_where_and_by_whom_a_photo_was_taken_is_not_kept_but_which_side_is_up(
    operator: TestClient, kind: str, orientation: int
) -> None:
    photo = picture(kind, orientation=orientation, gps=True)
    assert b"SecretPhone" in photo

    described = sent(operator, photo)
    kept = operator.get(f"/api/core/files/{described['id']}").content
    small = operator.get(f"/api/core/files/{described['id']}", params={"thumbnail": 1}).content

    assert b"SecretPhone" not in kept
    with Image.open(io.BytesIO(kept)) as image, Image.open(io.BytesIO(photo)) as original:
        assert image.tobytes() == original.tobytes(), "the pixels are untouched"
        exif = image.getexif()
        assert exif.get(ExifTags.Base.Orientation, 1) == orientation
        assert not exif.get_ifd(ExifTags.IFD.GPSInfo)
    upright = (640, 400) if orientation < 5 else (400, 640)
    assert (described["width"], described["height"]) == upright
    with Image.open(io.BytesIO(small)) as thumbnail:
        assert thumbnail.format == "WEBP"
        assert max(thumbnail.size) == 480
        assert (thumbnail.width > thumbnail.height) == (orientation < 5)
        # The red corner has turned with the picture.
        right, below = thumbnail.width - 20, thumbnail.height - 20
        corner = {1: (20, 20), 3: (right, below), 6: (right, 20)}[orientation]
        red, green, _ = thumbnail.convert("RGB").getpixel(corner)  # type: ignore[misc]  # a pixel of RGB
        assert (red > 200, green < 80) == (True, True)


def test_what_hangs_on_behind_a_picture_stays_behind(operator: TestClient) -> None:
    for kind in ("JPEG", "PNG", "WEBP"):
        described = sent(operator, picture(kind) + b"PK\x03\x04<script>alert(1)</script>")
        assert b"<script>" not in operator.get(f"/api/core/files/{described['id']}").content


@pytest.mark.parametrize("mode", ["L", "RGBA", "I;16"])
def test_pictures_of_every_kind_of_pixel_get_a_thumbnail(operator: TestClient, mode: str) -> None:
    described = sent(operator, picture("PNG", mode=mode))

    small = operator.get(f"/api/core/files/{described['id']}?thumbnail=1")

    assert small.headers["content-type"] == "image/webp"
    with Image.open(io.BytesIO(small.content)) as thumbnail:
        assert thumbnail.size == (480, 300)


def test_a_part_is_served_and_an_unchanged_file_is_not_sent_again(operator: TestClient) -> None:
    rows = "シリアル番号,店舗\r\n".encode() + b"TC200-000001,Shinjuku\r\n" * 2000
    address = f"/api/core/files/{sent(operator, rows, '端末.csv', ANYTHING.key)['id']}"
    whole = operator.get(address)
    assert whole.content == rows
    assert whole.headers["content-disposition"].startswith("attachment; ")

    def part(wanted: str, **more: str) -> tuple[int, bytes, str | None]:
        answer = operator.get(address, headers={"Range": wanted, **more})
        return answer.status_code, answer.content, answer.headers.get("content-range")

    end = len(rows)
    assert part("bytes=10-19") == (206, rows[10:20], f"bytes 10-19/{end}")
    assert part("bytes=40000-") == (206, rows[40000:], f"bytes 40000-{end - 1}/{end}")
    assert part("bytes=-5") == (206, rows[-5:], f"bytes {end - 5}-{end - 1}/{end}")
    assert part(f"bytes=0-{'9' * 18}") == (206, rows, f"bytes 0-{end - 1}/{end}")
    assert part("bytes=0-9", **{"If-Range": '"another"'}) == (200, rows, None)
    for not_understood in ("bytes=-", "bytes=5-1", "lines=1-2", "bytes=0-1,5-6", f"bytes=0-{'9' * 5000}"):
        assert part(not_understood)[0] == 200
    behind = operator.get(address, headers={"Range": f"bytes={end}-"})
    refused(behind, 416, "範囲")
    assert behind.headers["content-range"] == f"bytes */{end}"
    same = operator.get(address, headers={"If-None-Match": whole.headers["etag"]})
    assert (same.status_code, same.content) == (304, b"")


def test_an_upload_that_is_sent_again_is_answered_with_the_first_file(operator: TestClient, db: Session) -> None:
    key = {"Idempotency-Key": str(uuid.uuid4())}
    first = send(operator, picture(), **key)
    before = stored_keys()

    again = send(operator, picture(size=(64, 64)), "別名.jpg", **key)

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert stored_keys() == before
    assert len(db.scalars(select(File)).all()) == 1
    refused(send(operator, picture(), purpose=ANYTHING.key, **key), 409, "Idempotency-Key")


def test_every_upload_leaves_an_entry_in_the_trail(operator: TestClient, db: Session) -> None:
    described = sent(operator, picture())

    entry = db.scalars(select(AuditEntry).where(AuditEntry.subject == "file")).one()
    assert (entry.actor, entry.area, entry.action) == ("olivia", "fleet", "create")
    assert entry.subject_id == described["id"]
    assert entry.after is not None
    assert entry.after["name"] == "現地.jpg"


def test_nobody_but_the_sender_sees_a_file_that_is_not_in_use(operator: TestClient, sign_in: SignIn) -> None:
    address = f"/api/core/files/{sent(operator, picture())['id']}"
    assert operator.get(address).status_code == 200

    for colleague, role in (("adam", "admin"), ("samuel", "support")):
        refused(sign_in(colleague, fleet=role).get(address), 404, "見つかりません")


def test_a_file_in_use_is_seen_by_those_who_may_and_is_unknown_to_all_others(
    operator: TestClient, sign_in: SignIn, db: Session
) -> None:
    _, file_id = attached(operator, db, picture())

    for address in (f"/api/core/files/{file_id}", f"/api/core/files/{file_id}?thumbnail=1"):
        assert sign_in(f"samuel{len(address)}", fleet="support").get(address).status_code == 200
        absent = operator.get(f"/api/core/files/{uuid.uuid4()}").json()
        for stranger in (
            sign_in(f"vera{len(address)}", fleet="viewer"),
            sign_in(f"charlie{len(address)}"),
            sign_in(f"nora{len(address)}", entries="staff"),
        ):
            refused(stranger.get(address), 404, "見つかりません")
            assert stranger.get(address).json() == absent, "absent and not yours are the same"


def test_without_a_session_nothing_is_taken_and_nothing_is_shown(client: TestClient) -> None:
    before = stored_keys()

    refused(send(client, picture()), 401, "ログイン")
    refused(client.get(f"/api/core/files/{uuid.uuid4()}"), 401, "ログイン")

    assert stored_keys() == before


def test_who_may_not_change_terminals_may_not_send_photos_of_them(sign_in: SignIn) -> None:
    refused(send(sign_in("samuel", fleet="support"), picture()), 403, "送る権限がありません")
    refused(send(sign_in("nora"), picture()), 403, "送る権限がありません")
    refused(send(sign_in("olivia", fleet="operator"), picture(), purpose="fleet.nothing"), 422, "用途")


def test_a_picture_that_cannot_be_stored_is_not_promised(
    operator: TestClient, db: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = make_storage(tmp_path.as_uri())
    (tmp_path / "fleet").write_text("a file where a folder has to be")
    monkeypatch.setattr("service.core.files.deposit.storage", lambda: broken)

    refused(send(operator, picture()), 503, "保存はされていません")

    assert db.scalars(select(File)).all() == []


def test_a_row_that_cannot_be_written_leaves_no_bytes(operator: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    from service.core.problems import Conflict

    def refuse(*_: object, **__: object) -> None:
        raise Conflict("いまは書けません。")

    before = stored_keys()
    monkeypatch.setattr(records, "add", refuse)

    refused(send(operator, picture()), 409, "いまは書けません")

    assert stored_keys() == before
