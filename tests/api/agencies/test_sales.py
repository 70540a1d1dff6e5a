"""投入依頼 by those who sell: sent once, followed, and seen by nobody of another agency."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.agencies.corporations.models import Corporation
from service.agencies.drafts.models import Draft
from service.agencies.requests import actions as requests
from service.agencies.requests import queries
from service.agencies.requests.models import Image, Request
from service.agencies.rules import Status
from service.core.audit import AuditEntry
from tests.api.agencies import scene
from tests.api.agencies.scene import Scene

LIST = "/api/agencies/requests"
CARD = "4111 1111 1111 1111"
# A 個人 needs the least.
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
    plain = {"client_id": str(uuid.uuid4()), "corporation": NEW, "remarks": "明細は郵送します。"}
    return client.post(LIST, json={name: value for name, value in (plain | body).items() if value is not None})


def files(team: Scene, by: Any, many: int) -> list[str]:
    return [str(scene.upload(team.db, by).id) for _ in range(many)]


def fields(answer: Any) -> list[str]:
    assert answer.status_code == 422, answer.text
    return [error["field"] for error in answer.json()["errors"]]


def test_a_request_for_a_new_corporation_is_stored_with_all_that_belongs_to_it(team: Scene, alice: TestClient) -> None:
    alice.put("/api/agencies/drafts/new_request/-", json={"values": {"last_name": "青空"}, "number": 0})
    sent = files(team, team.alice, 3)

    answer = send(alice, images=sent, remarks="  支払は2回に分けてください。  ")

    assert answer.status_code == 201, answer.text
    made = team.db.get_one(Request, answer.json()["id"])
    assert (made.agency_id, made.requested_by, made.status, made.is_open) == (team.a.id, team.alice.id, "working", True)
    assert (made.remarks, made.site_count) == ("支払は2回に分けてください。", 3)
    corporation = team.db.get_one(Corporation, made.corporation_id)
    assert (corporation.agency_id, corporation.name, corporation.zip_code) == (team.a.id, "青空 花子", "1500002")
    images = alice.get(f"{LIST}/{made.id}/images").json()["items"]
    assert [image["file_id"] for image in images] == sent
    assert all(alice.get(f"/api/core/files/{file}").status_code == 200 for file in sent)
    assert team.db.scalars(select(Draft)).all() == []
    [entry] = team.db.scalars(select(AuditEntry).where(AuditEntry.subject == "request"))
    assert entry.after is not None
    assert (entry.action, entry.after["images"], entry.actor) == ("create", 3, "alice")


def test_a_request_that_is_sent_again_is_stored_once(team: Scene, alice: TestClient) -> None:
    body = {"client_id": str(uuid.uuid4()), "images": files(team, team.alice, 1)}
    first, second = send(alice, **body), send(alice, **body)
    assert first.json() == second.json()
    assert len(team.db.scalars(select(Request)).all()) == 1
    assert len(team.db.scalars(select(Corporation)).all()) == 1
    # Another person's number is another one.
    assert send(team.sign_in(team.anna), client_id=body["client_id"]).json() != first.json()


def test_a_check_complains_as_sending_does_and_stores_nothing(team: Scene, alice: TestClient) -> None:
    body = {"client_id": str(uuid.uuid4()), "corporation": NEW, "images": files(team, team.alice, 1), "remarks": ""}
    wrong = body | {"corporation": NEW | {"zip_code": "12"}}
    assert fields(alice.post(f"{LIST}/check", json=wrong)) == ["corporation.zip_code"]

    assert alice.post(f"{LIST}/check", json=body).status_code == 204

    assert team.db.scalars(select(Request)).all() == []
    assert team.db.scalars(select(Corporation)).all() == []
    assert alice.post(LIST, json=body).status_code == 201


def test_a_site_is_added_to_a_known_corporation(team: Scene, alice: TestClient) -> None:
    known = scene.corporation(team.db, team.a)
    answer = send(alice, corporation=None, corporation_id=known.id, images=files(team, team.alice, 2))
    assert answer.status_code == 201, answer.text
    assert team.db.get_one(Request, answer.json()["id"]).corporation_id == known.id
    assert len(team.db.scalars(select(Corporation)).all()) == 1


def test_a_corporation_of_another_agency_is_not_there(team: Scene, alice: TestClient) -> None:
    theirs = scene.corporation(team.db, team.b)
    assert send(alice, corporation=None, corporation_id=theirs.id).status_code == 404
    assert send(alice, corporation=None, corporation_id=2**62).status_code == 404


def test_without_an_image_the_remarks_say_what_the_statement_says(team: Scene, alice: TestClient) -> None:
    assert fields(send(alice, remarks="  ")) == ["images"]
    answer = send(alice, remarks="お客様番号 12345")
    assert team.db.get_one(Request, answer.json()["id"]).site_count == 1


def test_all_that_is_left_to_do_is_said_at_once(team: Scene, alice: TestClient) -> None:
    wrong = NEW | {"zip_code": "12", "sales_channel_id": ""}
    said = fields(send(alice, remarks="", corporation=wrong))
    assert said == ["images", "corporation.zip_code", "corporation.sales_channel_id"]
    said = fields(send(team.sign_in(team.adam), remarks="", corporation=wrong, agency_id=2**40))
    assert said == ["images", "requested_by", "corporation.zip_code", "corporation.sales_channel_id"]
    assert team.db.scalars(select(Corporation)).all() == []


def test_twenty_images_and_no_more(team: Scene, alice: TestClient) -> None:
    sent = files(team, team.alice, 21)
    assert fields(send(alice, images=sent)) == ["images"]
    made = send(alice, images=sent[:20]).json()["id"]
    assert len(alice.get(f"{LIST}/{made}/images").json()["items"]) == 20
    more = alice.post(f"{LIST}/{made}/images", json={"images": sent[20:]})
    assert fields(more) == ["images"]
    assert "20枚まで" in more.json()["detail"]


def test_an_image_that_is_gone_or_somebody_elses_stores_nothing(team: Scene, alice: TestClient) -> None:
    others = files(team, team.anna, 1)
    for images in (others, [str(uuid.uuid4())]):
        answer = send(alice, images=images)
        assert fields(answer) == ["images"]
        assert "取り除く" in answer.json()["detail"]
    assert team.db.scalars(select(Request)).all() == []


def test_fields_of_the_corporation_are_complained_of_by_their_names(alice: TestClient, db: Session) -> None:
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
    made = send(alice).json()["id"]
    assert alice.post(f"{LIST}/{made}/comments", json={"message": CARD}).status_code == 422
    assert alice.post(f"{LIST}/{made}/cancel", json={"reason": CARD}).status_code == 422
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
    made = send(adam, client_id=client_id, images=images, **for_alice)
    assert made.status_code == 201, made.text
    assert send(adam, client_id=client_id, images=images, **for_alice).json() == made.json()

    alice = team.sign_in(team.alice)
    [listed] = alice.get(LIST).json()["items"]
    assert (listed["id"], listed["is_mine"], listed["agency_name"]) == (made.json()["id"], True, team.a.name)
    assert alice.get(f"/api/core/files/{images[0]}").status_code == 200
    assert team.sign_in(team.bob).get(f"/api/core/files/{images[0]}").status_code == 404


def test_for_a_known_corporation_the_agency_follows_from_it(team: Scene) -> None:
    adam, known = team.sign_in(team.adam), scene.corporation(team.db, team.b)
    body = {"corporation": None, "corporation_id": known.id}
    assert fields(send(adam, agency_id=team.a.id, requested_by=team.alice.id, **body)) == ["agency_id"]
    assert fields(send(adam, requested_by=team.alice.id, **body)) == ["requested_by"]
    assert send(adam, requested_by=team.bob.id, **body).status_code == 201


def test_sales_send_for_nobody_else(team: Scene, alice: TestClient) -> None:
    assert fields(send(alice, agency_id=team.b.id)) == ["agency_id"]
    assert fields(send(alice, requested_by=team.anna.id)) == ["requested_by"]
    assert send(alice, agency_id=team.a.id, requested_by=team.alice.id).status_code == 201


def test_operators_send_nothing(team: Scene) -> None:
    olga = team.sign_in(team.olga)
    assert send(olga).status_code == 403
    assert olga.get(LIST).status_code == 403


def test_another_agency_sees_nothing(team: Scene, alice: TestClient) -> None:
    made = send(alice, images=files(team, team.alice, 1)).json()["id"]
    request = team.db.get_one(Request, made)
    requests.report_deficiency(team.db, team.acting(team.olga), request, "番号が読めません。")
    [image] = alice.get(f"{LIST}/{made}/images").json()["items"]
    bob = team.sign_in(team.bob)
    for where in ({}, {"mine": False}, {"q": "青空"}, {"agency_id": team.a.id}, {"unread": True}):
        assert bob.get(LIST, params=where).json()["items"] == []
    counted = bob.get(f"{LIST}/counts").json()
    assert [counted[name] for name in ("deficient", "working", "unread", "waiting")] == [0, 0, 0, 0]
    for below in ("", "/images", "/comments", "/sites"):
        assert bob.get(f"{LIST}/{made}{below}").status_code == 404
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
    for below, body in writes.items():
        assert bob.post(f"{LIST}/{made}{below}", json=body).status_code == 404


def test_colleagues_requests_are_seen_when_asked_for(team: Scene, alice: TestClient) -> None:
    mine, theirs = send(alice).json()["id"], send(team.sign_in(team.anna)).json()["id"]
    team.sign_in(team.alice)
    assert [one["id"] for one in alice.get(LIST).json()["items"]] == [mine]
    everything = alice.get(LIST, params={"mine": False}).json()["items"]
    assert [(one["id"], one["is_mine"]) for one in everything] == [(theirs, False), (mine, True)]
    adam = team.sign_in(team.adam)
    assert adam.get(LIST).json()["total"] == 2


def test_the_list_says_how_far_each_request_is(team: Scene, alice: TestClient) -> None:
    corporation = scene.corporation(team.db, team.a, "株式会社青空")
    mixed = scene.request(team.db, corporation, team.alice, Status.ENTERED, Status.WORKING, Status.CANCELLED)
    done = scene.request(team.db, corporation, team.alice, Status.ENTERED)
    one = alice.get(LIST, params={"open": True}).json()["items"][0]
    assert (one["id"], one["entered_sites"], one["sites"], one["site_count"]) == (mixed.id, 1, 2, 3)
    assert [found["id"] for found in alice.get(LIST, params={"status": "entered"}).json()["items"]] == [done.id]
    assert alice.get(LIST, params={"q": "青空", "since": "2999-01-01"}).json()["items"] == []
    assert alice.get(LIST, params={"q": "赤空"}).json()["items"] == []
    csv = alice.get(f"{LIST}.csv").text
    assert "株式会社青空" in csv
    assert "対応中" in csv


def test_what_has_nothing_left_is_not_counted_as_being_worked_on(team: Scene, alice: TestClient) -> None:
    """A mixture of 投入済 and キャンセル is 対応中 by 4.2."""
    corporation = scene.corporation(team.db, team.a)
    scene.request(team.db, corporation, team.alice, Status.WORKING)
    rest = scene.request(team.db, corporation, team.alice, Status.ENTERED, Status.CANCELLED)

    found = alice.get(f"{LIST}/counts").json()

    assert (found["working"], alice.get(LIST, params={"status": "working"}).json()["total"]) == (1, 2)
    assert alice.get(f"{LIST}/{rest.id}").json()["is_open"] is False


def test_of_a_site_sales_see_its_name_its_status_and_what_is_wrong(team: Scene, alice: TestClient) -> None:
    made = scene.request(team.db, scene.corporation(team.db, team.a), team.alice, Status.WORKING)
    [site] = queries.sites(team.db, made)
    requests.report_deficiency(team.db, team.acting(team.olga), made, "番号が読めません。", [site])
    [seen] = alice.get(f"{LIST}/{made.id}/sites").json()["items"]
    assert seen == {
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
