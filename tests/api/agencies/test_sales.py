"""投入依頼 by sales users: sent once, followed, and never visible to another agency."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.agencies.corporations.models import Corporation
from service.agencies.drafts.models import Draft
from service.agencies.models import Request
from service.agencies.requests import actions as requests
from service.agencies.requests import queries
from service.agencies.requests.models import Image
from service.agencies.rules import Status
from service.core.audit import AuditEntry
from tests.api.agencies import scene
from tests.api.agencies.scene import Scene

LIST = "/api/agencies/requests"
CARD = "4111 1111 1111 1111"
# A 個人 needs the fewest fields.
NEW = {
    "customer_type": "1",
    "last_name": "青空",
    "first_name": "花子",
    "last_name_kana": "アオゾラ",
    "first_name_kana": "ハナコ",
    "zip_code": "150-0002",
    "prefecture": "東京都",
    "city": "渋谷区",
    "town": "渋谷",
    "street": "1-2-3",
    "phone1": "03-1234-5678",
    "mail_address": "hanako@aozora.example",
    "birthday": "1980-05-05",
    "job_type": "1",
    "payment_type": "2",
    "sales_channel_id": "1",
}


@pytest.fixture
def alice(team: Scene) -> TestClient:
    return team.sign_in(team.alice)


def send(client: TestClient, **body: Any) -> Any:
    defaults = {"client_id": str(uuid.uuid4()), "corporation": NEW, "remarks": "明細は郵送します。"}
    return client.post(LIST, json={name: value for name, value in (defaults | body).items() if value is not None})


def files(team: Scene, by: Any, count: int) -> list[str]:
    return [str(scene.upload(team.db, by).id) for _ in range(count)]


def fields(answer: Any) -> list[str]:
    assert answer.status_code == 422, answer.text
    return [error["field"] for error in answer.json()["errors"]]


def test_a_request_for_a_new_corporation_is_stored_with_all_that_belongs_to_it(team: Scene, alice: TestClient) -> None:
    alice.put("/api/agencies/drafts/new_request/-", json={"values": {"last_name": "青空"}, "number": 0})
    file_ids = files(team, team.alice, 3)

    answer = send(alice, images=file_ids, remarks="  支払は2回に分けてください。  ")

    assert answer.status_code == 201, answer.text
    request = team.db.get_one(Request, answer.json()["id"])
    assert (request.agency_id, request.requested_by, request.status, request.is_open) == (
        team.a.id,
        team.alice.id,
        "working",
        True,
    )
    assert (request.remarks, request.site_count) == ("支払は2回に分けてください。", 3)
    corporation = team.db.get_one(Corporation, request.corporation_id)
    assert (corporation.agency_id, corporation.name, corporation.zip_code) == (team.a.id, "青空 花子", "1500002")
    images = alice.get(f"{LIST}/{request.id}/images").json()["items"]
    assert [image["file_id"] for image in images] == file_ids
    assert all(alice.get(f"/api/core/files/{file}").status_code == 200 for file in file_ids)
    assert team.db.scalars(select(Draft)).all() == []
    [entry] = team.db.scalars(select(AuditEntry).where(AuditEntry.subject == "request"))
    assert entry.after is not None
    assert (entry.action, len(entry.after["images"]), entry.actor) == ("create", 3, "alice")


def test_a_request_that_is_sent_again_is_stored_once(team: Scene, alice: TestClient) -> None:
    body = {"client_id": str(uuid.uuid4()), "images": files(team, team.alice, 1)}
    first, second = send(alice, **body), send(alice, **body)
    assert first.json() == second.json()
    assert len(team.db.scalars(select(Request)).all()) == 1
    assert len(team.db.scalars(select(Corporation)).all()) == 1
    # The idempotency key is per user.
    assert send(team.sign_in(team.anna), client_id=body["client_id"]).json() != first.json()


def test_a_check_reports_the_same_errors_as_sending_and_stores_nothing(team: Scene, alice: TestClient) -> None:
    body = {"client_id": str(uuid.uuid4()), "corporation": NEW, "images": files(team, team.alice, 1), "remarks": ""}
    wrong = body | {"corporation": NEW | {"zip_code": "12"}}
    assert fields(alice.post(f"{LIST}/check", json=wrong)) == ["corporation.zip_code"]

    assert alice.post(f"{LIST}/check", json=body).status_code == 204

    assert team.db.scalars(select(Request)).all() == []
    assert team.db.scalars(select(Corporation)).all() == []
    assert alice.post(LIST, json=body).status_code == 201


def test_a_site_is_added_to_a_known_corporation(team: Scene, alice: TestClient) -> None:
    corporation = scene.corporation(team.db, team.a)
    answer = send(alice, corporation=None, corporation_id=corporation.id, images=files(team, team.alice, 2))
    assert answer.status_code == 201, answer.text
    assert team.db.get_one(Request, answer.json()["id"]).corporation_id == corporation.id
    assert len(team.db.scalars(select(Corporation)).all()) == 1


def test_a_corporation_of_another_agency_is_not_found(team: Scene, alice: TestClient) -> None:
    other = scene.corporation(team.db, team.b)
    assert send(alice, corporation=None, corporation_id=other.id).status_code == 404
    assert send(alice, corporation=None, corporation_id=2**62).status_code == 404


def test_without_an_image_the_remarks_say_what_the_statement_says(team: Scene, alice: TestClient) -> None:
    assert fields(send(alice, remarks="  ")) == ["images"]
    answer = send(alice, remarks="お客様番号 12345")
    assert team.db.get_one(Request, answer.json()["id"]).site_count == 1


def test_all_errors_are_reported_at_once(team: Scene, alice: TestClient) -> None:
    wrong = NEW | {"zip_code": "12", "sales_channel_id": ""}
    wrong_fields = fields(send(alice, remarks="", corporation=wrong))
    assert wrong_fields == ["images", "corporation.zip_code", "corporation.sales_channel_id"]
    wrong_fields = fields(send(team.sign_in(team.adam), remarks="", corporation=wrong, agency_id=2**40))
    assert wrong_fields == ["images", "requested_by", "corporation.zip_code", "corporation.sales_channel_id"]
    assert team.db.scalars(select(Corporation)).all() == []


def test_twenty_images_and_no_more(team: Scene, alice: TestClient) -> None:
    file_ids = files(team, team.alice, 21)
    assert fields(send(alice, images=file_ids)) == ["images"]
    request_id = send(alice, images=file_ids[:20]).json()["id"]
    assert len(alice.get(f"{LIST}/{request_id}/images").json()["items"]) == 20
    refused = alice.post(f"{LIST}/{request_id}/images", json={"images": file_ids[20:]})
    assert fields(refused) == ["images"]
    assert "20枚まで" in refused.json()["detail"]


def test_an_expired_image_or_one_of_another_user_stores_nothing(team: Scene, alice: TestClient) -> None:
    other_users = files(team, team.anna, 1)
    for images in (other_users, [str(uuid.uuid4())]):
        answer = send(alice, images=images)
        assert fields(answer) == ["images"]
        assert "取り除く" in answer.json()["detail"]
    assert team.db.scalars(select(Request)).all() == []


def test_errors_of_the_corporation_name_their_fields(alice: TestClient, db: Session) -> None:
    answer = send(alice, corporation=NEW | {"zip_code": "12", "last_name_kana": "漢字", "phone1": ""})
    assert {"corporation.zip_code", "corporation.last_name_kana", "corporation.phone1"} <= {*fields(answer)}
    assert db.scalars(select(Corporation)).all() == []


@pytest.mark.parametrize("corporation", [{"corporation": None}, {"corporation_id": 1}])
def test_either_a_new_or_a_known_corporation(alice: TestClient, corporation: dict[str, Any]) -> None:
    assert fields(send(alice, **corporation)) == ["corporation"]


def test_a_cards_number_in_the_remarks_is_refused_and_repeated_nowhere(team: Scene, alice: TestClient) -> None:
    answer = send(alice, remarks=f"カードは {CARD} です")
    assert fields(answer) == ["remarks"]
    assert CARD[:9] not in answer.text
    request_id = send(alice).json()["id"]
    assert alice.post(f"{LIST}/{request_id}/comments", json={"message": CARD}).status_code == 422
    assert alice.post(f"{LIST}/{request_id}/cancel", json={"reason": CARD}).status_code == 422
    assert team.db.scalars(select(Request.remarks)).all() == ["明細は郵送します。"]


def test_an_administrator_sends_for_an_agencys_sales_person(team: Scene) -> None:
    adam = team.sign_in(team.adam)
    for_alice = {"agency_id": team.a.id, "requested_by": team.alice.id}
    assert fields(send(adam)) == ["agency_id"]
    assert fields(send(adam, agency_id=team.a.id)) == ["requested_by"]
    assert fields(send(adam, agency_id=team.a.id, requested_by=team.bob.id)) == ["requested_by"]
    assert fields(send(adam, agency_id=team.a.id, requested_by=team.olga.id)) == ["requested_by"]
    client_id = str(uuid.uuid4())
    images = files(team, team.adam, 1)
    answer = send(adam, client_id=client_id, images=images, **for_alice)
    assert answer.status_code == 201, answer.text
    assert send(adam, client_id=client_id, images=images, **for_alice).json() == answer.json()

    alice = team.sign_in(team.alice)
    [listed] = alice.get(LIST).json()["items"]
    assert (listed["id"], listed["is_mine"], listed["agency_name"]) == (answer.json()["id"], True, team.a.name)
    assert alice.get(f"/api/core/files/{images[0]}").status_code == 200
    assert team.sign_in(team.bob).get(f"/api/core/files/{images[0]}").status_code == 404


def test_for_a_known_corporation_the_agency_follows_from_it(team: Scene) -> None:
    adam, corporation = team.sign_in(team.adam), scene.corporation(team.db, team.b)
    body = {"corporation": None, "corporation_id": corporation.id}
    assert fields(send(adam, agency_id=team.a.id, requested_by=team.alice.id, **body)) == ["agency_id"]
    assert fields(send(adam, requested_by=team.alice.id, **body)) == ["requested_by"]
    assert send(adam, requested_by=team.bob.id, **body).status_code == 201


def test_sales_send_for_no_other_user(team: Scene, alice: TestClient) -> None:
    assert fields(send(alice, agency_id=team.b.id)) == ["agency_id"]
    assert fields(send(alice, requested_by=team.anna.id)) == ["requested_by"]
    assert send(alice, agency_id=team.a.id, requested_by=team.alice.id).status_code == 201


def test_operators_send_nothing(team: Scene) -> None:
    olga = team.sign_in(team.olga)
    assert send(olga).status_code == 403
    assert olga.get(LIST).status_code == 403


def test_another_agency_sees_nothing(team: Scene, alice: TestClient) -> None:
    request_id = send(alice, images=files(team, team.alice, 1)).json()["id"]
    request = team.db.get_one(Request, request_id)
    requests.report_deficiency(team.db, team.acting(team.olga), request, "番号が読めません。")
    [image] = alice.get(f"{LIST}/{request_id}/images").json()["items"]
    bob = team.sign_in(team.bob)
    for filters in ({}, {"mine": False}, {"q": "青空"}, {"agency_id": team.a.id}, {"unread": True}):
        assert bob.get(LIST, params=filters).json()["items"] == []
    counts = bob.get(f"{LIST}/counts").json()
    assert [counts[name] for name in ("deficient", "working", "unread", "waiting")] == [0, 0, 0, 0]
    for suffix in ("", "/images", "/comments", "/sites"):
        assert bob.get(f"{LIST}/{request_id}{suffix}").status_code == 404
    assert bob.get(f"/api/core/files/{image['file_id']}").status_code == 404
    csv = bob.get(f"{LIST}.csv", params={"mine": False})
    assert csv.status_code == 200
    assert "青空" not in csv.text
    assert bob.get(f"{LIST}.xlsx", params={"mine": False}).status_code == 200
    writes = {
        "/read": {"comment_id": 1},
        "/comments": {"message": "x"},
        "/images": {"images": [str(uuid.uuid4())]},
        "/resubmit": {"version": 1},
        "/cancel": {"reason": "x"},
    }
    for suffix, body in writes.items():
        assert bob.post(f"{LIST}/{request_id}{suffix}", json=body).status_code == 404


def test_colleagues_requests_are_seen_when_asked_for(team: Scene, alice: TestClient) -> None:
    own, colleagues = send(alice).json()["id"], send(team.sign_in(team.anna)).json()["id"]
    team.sign_in(team.alice)
    assert [item["id"] for item in alice.get(LIST).json()["items"]] == [own]
    all_items = alice.get(LIST, params={"mine": False}).json()["items"]
    assert [(item["id"], item["is_mine"]) for item in all_items] == [(colleagues, False), (own, True)]
    adam = team.sign_in(team.adam)
    assert adam.get(LIST).json()["total"] == 2


def test_the_list_says_how_far_each_request_is(team: Scene, alice: TestClient) -> None:
    corporation = scene.corporation(team.db, team.a, "株式会社青空")
    mixed = scene.request(team.db, corporation, team.alice, Status.ENTERED, Status.WORKING, Status.CANCELLED)
    done = scene.request(team.db, corporation, team.alice, Status.ENTERED)
    open_item = alice.get(LIST, params={"open": True}).json()["items"][0]
    assert (open_item["id"], open_item["entered_sites"], open_item["sites"], open_item["site_count"]) == (
        mixed.id,
        1,
        2,
        3,
    )
    assert [item["id"] for item in alice.get(LIST, params={"status": "entered"}).json()["items"]] == [done.id]
    assert alice.get(LIST, params={"q": "青空", "since": "2999-01-01"}).json()["items"] == []
    assert alice.get(LIST, params={"q": "赤空"}).json()["items"] == []
    csv = alice.get(f"{LIST}.csv").text
    assert "株式会社青空" in csv
    assert "対応中" in csv


def test_what_has_nothing_left_is_not_counted_as_being_worked_on(team: Scene, alice: TestClient) -> None:
    """By 4.2 a mixture of 投入済 and キャンセル is 対応中, although no work remains."""
    corporation = scene.corporation(team.db, team.a)
    scene.request(team.db, corporation, team.alice, Status.WORKING)
    mixed = scene.request(team.db, corporation, team.alice, Status.ENTERED, Status.CANCELLED)

    counts = alice.get(f"{LIST}/counts").json()

    assert (counts["working"], alice.get(LIST, params={"status": "working"}).json()["total"]) == (1, 2)
    assert alice.get(f"{LIST}/{mixed.id}").json()["is_open"] is False


def test_of_a_site_sales_see_its_name_its_status_and_what_is_wrong(team: Scene, alice: TestClient) -> None:
    request = scene.request(team.db, scene.corporation(team.db, team.a), team.alice, Status.WORKING)
    [site] = queries.sites(team.db, request)
    requests.report_deficiency(team.db, team.acting(team.olga), request, "番号が読めません。", [site])
    [item] = alice.get(f"{LIST}/{request.id}/sites").json()["items"]
    assert item == {
        "id": site.id,
        "branch_name": site.power_branch_name,
        "service_type": "electricity",
        "status": "deficient",
        "deficiency": "番号が読めません。",
        "entered_at": None,
    }


def test_images_are_tied_to_a_request_once(team: Scene, alice: TestClient, db: Session) -> None:
    images = files(team, team.alice, 1)
    send(alice, images=images)
    assert fields(send(alice, images=images)) == ["images"]
    assert len(db.scalars(select(Image)).all()) == 1
