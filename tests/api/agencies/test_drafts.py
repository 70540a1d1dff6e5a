"""Drafts: what a user has typed is stored for that user only, and holds no card data."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from service.agencies.drafts.models import Draft
from service.core.database.clock import app_now
from service.core.files.records import File
from tests.api.agencies import scene
from tests.api.agencies.scene import Scene

LIST = "/api/agencies/drafts"
DRAFT = f"{LIST}/new_request/-"
# The test number of a brand.
CARD = "4111 1111 1111 1111"


@pytest.fixture
def alice(team: Scene) -> TestClient:
    return team.sign_in(team.alice)


def save(client: TestClient, values: dict[str, Any], number: int, path: str = DRAFT) -> Any:
    return client.put(path, json={"values": values, "number": number})


def test_what_was_typed_is_there_again(alice: TestClient) -> None:
    assert alice.get(DRAFT).json() == {"values": {}, "number": 0, "updated_at": None}

    assert save(alice, {"last_name": "株式会社青空", "billing_address_same": True}, 0).json()["number"] == 1
    assert save(alice, {"last_name": "株式会社青空商事"}, 1).json()["number"] == 2

    assert alice.get(DRAFT).json()["values"] == {"last_name": "株式会社青空商事"}
    [listed] = alice.get(LIST).json()["items"]
    assert (listed["form"], listed["subject"], listed["number"]) == ("new_request", "-", 2)


def test_a_draft_of_one_thing_is_none_of_another(alice: TestClient) -> None:
    save(alice, {"remarks": "一"}, 0, f"{LIST}/correction/1")
    save(alice, {"remarks": "二"}, 0, f"{LIST}/correction/2")
    assert alice.get(f"{LIST}/correction/1").json()["values"] == {"remarks": "一"}
    assert alice.get(f"{LIST}/site/1").json()["number"] == 0
    assert len(alice.get(LIST, params={"form": "correction"}).json()["items"]) == 2
    assert alice.get(LIST, params={"form": "site"}).json()["items"] == []


@pytest.mark.parametrize("other_login", ["anna", "bob", "olga", "adam"])
def test_a_draft_belongs_to_its_user_only(team: Scene, alice: TestClient, other_login: str) -> None:
    save(alice, {"last_name": "株式会社青空"}, 0)
    other_client = team.sign_in(getattr(team, other_login))
    assert other_client.get(DRAFT).json()["values"] == {}
    assert other_client.get(LIST).json()["items"] == []
    assert other_client.delete(DRAFT).status_code == 204
    assert save(other_client, {"last_name": "別の人"}, 0).json()["number"] == 1
    assert team.sign_in(team.alice).get(DRAFT).json()["values"] == {"last_name": "株式会社青空"}


def test_a_stale_tab_gets_a_conflict_and_overwrites_nothing(alice: TestClient) -> None:
    save(alice, {"last_name": "一", "town": "渋谷"}, 0)
    save(alice, {"last_name": "二", "town": "渋谷"}, 1)

    answer = save(alice, {"last_name": "三", "town": "渋谷"}, 1)

    assert answer.status_code == 409
    body = answer.json()
    assert body["type"] == "urn:genba:stale"
    assert body["yours"]["values"]["last_name"] == "三"
    assert body["current"] == {"values": {"last_name": "二", "town": "渋谷"}, "number": 2}
    assert save(alice, {"last_name": "四"}, 0).status_code == 409
    assert alice.get(DRAFT).json()["values"]["last_name"] == "二"


def test_a_save_whose_answer_got_lost_is_no_conflict_when_repeated(alice: TestClient) -> None:
    assert save(alice, {"last_name": "一"}, 0).json()["number"] == 1
    assert save(alice, {"last_name": "一"}, 0).json()["number"] == 1
    assert save(alice, {"last_name": "二"}, 1).json()["number"] == 2
    assert save(alice, {"last_name": "二"}, 1).json()["number"] == 2


def test_a_tab_left_open_does_not_bring_back_what_was_sent_elsewhere(alice: TestClient) -> None:
    save(alice, {"last_name": "一"}, 0)
    assert alice.delete(DRAFT).status_code == 204
    answer = save(alice, {"last_name": "二"}, 1)
    assert answer.status_code == 409
    assert "送信または破棄" in answer.json()["detail"]
    assert answer.json()["current"] == {"values": {}, "number": 0}
    assert alice.delete(DRAFT).status_code == 204


@pytest.mark.parametrize(
    "values",
    [
        {"credit_card_number": "1"},
        {"card": {"number": "1"}},
        {"card": {"security_code": "123"}},
        {"credit_card_security_code": "123"},
        {"remarks": f"カードは{CARD}です"},
        {"remarks": "4111111111111111"},
        {"last_name": ["x", {"y": CARD}]},
        {"amount": 4111111111111111},
        {"4111111111111111": "x"},
    ],
)
def test_nothing_of_a_card_is_ever_stored(alice: TestClient, db: Session, values: dict[str, Any]) -> None:
    answer = save(alice, {"town": "渋谷", **values}, 0)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [*values]
    assert CARD not in answer.text
    assert "4111111111111111" not in answer.json()["errors"][0]["message"]
    assert db.scalars(select(Draft)).all() == []


def test_empty_fields_of_a_card_and_an_image_are_nothing_of_a_card(alice: TestClient) -> None:
    image = {"id": "a8098c1a-f86e-11da-bd1a-00112444be1e", "name": "明細.jpg", "size": 4111111}
    values = {"card": {"number": "", "security_code": None}, "images": [image], "phone1": "03-1234-5678"}
    assert save(alice, values, 0).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        '{"values": {"a": "\\u0000"}, "number": 0}',
        '{"values": {"a": "\\ud800"}, "number": 0}',
        '{"values": {"\\ud800": 1}, "number": 0}',
        '{"values": {"a": NaN}, "number": 0}',
        '{"values": {"a": 1e999}, "number": 0}',
        '{"values": {"a": ' + "9" * 200 + '}, "number": 0}',
        '{"values": {"a": ' + "[" * 300 + "]" * 300 + '}, "number": 0}',
        '{"values": {"a": "' + "あ" * 30_000 + '"}, "number": 0}',
        '{"values": [], "number": 0}',
        '{"values": {}, "number": -1}',
        '{"values": {}, "number": 0, "other": 1}',
    ],
)
def test_what_no_database_holds_is_refused_in_words(alice: TestClient, body: str) -> None:
    answer = alice.put(DRAFT, content=body.encode(), headers={"Content-Type": "application/json"})
    assert answer.status_code == 422, answer.text[:300]


@pytest.mark.parametrize("path", ["new_request/x", "new_request/0", "other/-", "site/99999999999999999999"])
def test_an_address_that_is_no_drafts_is_refused(alice: TestClient, path: str) -> None:
    assert alice.get(f"{LIST}/{path}").status_code == 422


def test_images_of_a_draft_wait_as_long_as_the_draft(team: Scene, alice: TestClient, db: Session) -> None:
    own_file, other_file = scene.upload(db, team.alice), scene.upload(db, team.anna)
    assert (
        save(alice, {"images": [{"id": str(own_file.id)}, {"id": str(other_file.id)}, {"id": "x"}, 5]}, 0).status_code
        == 200
    )
    db.expire_all()
    expires = {file.id: file.expires_at for file in db.scalars(select(File))}
    own_expiry, other_expiry = expires[own_file.id], expires[other_file.id]
    assert own_expiry is not None
    assert other_expiry is not None
    assert own_expiry > app_now(db) + timedelta(days=29)
    assert other_expiry < app_now(db) + timedelta(days=2)


def test_a_user_who_moved_to_another_agency_starts_with_an_empty_draft(
    team: Scene, alice: TestClient, db: Session
) -> None:
    save(alice, {"last_name": "一"}, 0)
    db.execute(update(Draft).values(agency_id=team.b.id))
    assert alice.get(DRAFT).json()["number"] == 0
    assert save(alice, {"last_name": "二"}, 0).json()["number"] == 1
