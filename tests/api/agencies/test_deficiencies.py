"""不備 → 通知 → 修正 → 再提出, and what may be cancelled."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.agencies.models import Request, Site
from service.agencies.requests import actions, queries
from service.agencies.rules import Status
from service.core.outbox.records import OutboxMessage
from tests.api.agencies import scene
from tests.api.agencies.scene import Scene

LIST = "/api/agencies/requests"


@pytest.fixture
def request_(team: Scene) -> Request:
    return scene.request(team.db, scene.corporation(team.db, team.a, "株式会社青空"), team.alice, Status.WORKING)


@pytest.fixture
def deficient(team: Scene, request_: Request) -> Request:
    team.alice.mail = "alice@aaa.example"
    actions.report_deficiency(
        team.db, team.acting(team.olga), request_, "番号が読めません。", queries.sites(team.db, request_)
    )
    team.db.commit()
    return request_


def counts(client: TestClient) -> dict[str, Any]:
    result: dict[str, Any] = client.get(f"{LIST}/counts").json()
    return result


def site_of(team: Scene, request: Request) -> Site:
    team.db.expire_all()
    return queries.sites(team.db, request)[0]


def test_a_deficiency_shows_in_the_menu_in_the_list_and_by_mail(team: Scene, deficient: Request) -> None:
    alice = team.sign_in(team.alice)
    assert {name: counts(alice)[name] for name in ("deficient", "unread", "waiting")} == {
        "deficient": 1,
        "unread": 1,
        "waiting": 1,
    }
    [listed] = alice.get(LIST, params={"unread": True}).json()["items"]
    assert (listed["status"], listed["unread"]) == ("deficient", 1)
    [mail] = team.db.scalars(select(OutboxMessage))
    assert (mail.recipient, "番号が読めません。" in mail.payload["body"]) == ("alice@aaa.example", True)
    # The mail names the site and links to the page where it is corrected.
    name = queries.site_names(team.db, deficient)[queries.sites(team.db, deficient)[0].id]
    assert f"対象: {name}" in mail.payload["body"]
    assert f"/request?id={deficient.id}\n" in mail.payload["body"]
    # A colleague is not notified, nor does the administrator's menu show it.
    assert counts(team.sign_in(team.anna))["waiting"] == 0
    assert (counts(team.sign_in(team.adam))["waiting"], counts(team.client)["deficient"]) == (0, 1)


@pytest.mark.parametrize("reason", ["to another agency", "with the agency"])
def test_a_user_who_no_longer_sells_for_the_agency_is_not_notified(team: Scene, request_: Request, reason: str) -> None:
    team.alice.mail = "alice@aaa.example"
    [membership] = team.alice.memberships
    if reason == "to another agency":
        membership.tenant_id = team.b.id
    else:
        membership.is_suspended = True
    team.db.commit()

    actions.report_deficiency(
        team.db, team.acting(team.olga), request_, "番号が読めません。", queries.sites(team.db, request_)
    )

    assert team.db.scalars(select(OutboxMessage)).all() == []


def test_what_was_read_is_no_longer_new_and_what_came_later_is(team: Scene, deficient: Request) -> None:
    alice = team.sign_in(team.alice)
    [deficiency] = alice.get(f"{LIST}/{deficient.id}/comments").json()["items"]
    assert (deficiency["type"], deficiency["is_unread"], deficiency["is_open"], deficiency["site_name"] != "") == (
        "deficiency",
        True,
        True,
        True,
    )
    actions.report_deficiency(team.db, team.acting(team.olga), deficient, "印影もありません。")

    assert alice.post(f"{LIST}/{deficient.id}/read", json={"comment_id": deficiency["id"]}).status_code == 204

    assert [comment["is_unread"] for comment in alice.get(f"{LIST}/{deficient.id}/comments").json()["items"]] == [
        True,
        False,
    ]
    assert (counts(alice)["waiting"], counts(alice)["deficient"]) == (1, 1)
    alice.post(f"{LIST}/{deficient.id}/read", json={"comment_id": 2**62})
    assert counts(alice)["waiting"] == 0


def test_put_right_and_sent_again_it_is_worked_on_again(team: Scene, deficient: Request) -> None:
    alice = team.sign_in(team.alice)
    detail = alice.get(f"{LIST}/{deficient.id}").json()
    assert (detail["may_put_right"], detail["may_cancel"]) == (True, True)
    alice.put(f"/api/agencies/drafts/correction/{deficient.id}", json={"values": {"message": "撮"}, "number": 0})
    image = str(scene.upload(team.db, team.alice).id)
    body = {
        "version": detail["version"],
        "remarks": "番号は 123 です",
        "images": [image],
        "message": "撮り直しました。",
    }

    assert alice.post(f"{LIST}/{deficient.id}/resubmit", json=body).status_code == 204

    after = alice.get(f"{LIST}/{deficient.id}").json()
    assert (after["status"], after["remarks"], after["images"]) == ("working", "番号は 123 です", 1)
    assert site_of(team, deficient).status == "working"
    newest, oldest = alice.get(f"{LIST}/{deficient.id}/comments").json()["items"]
    assert (newest["message"], newest["is_unread"], oldest["is_open"]) == ("撮り直しました。", False, False)
    assert alice.get(f"/api/agencies/drafts/correction/{deficient.id}").json()["number"] == 0
    again = alice.post(f"{LIST}/{deficient.id}/resubmit", json={"version": after["version"]})
    assert again.status_code == 409
    assert "不備はありません" in again.json()["detail"]


def test_a_colleague_may_send_it_again(team: Scene, deficient: Request) -> None:
    anna = team.sign_in(team.anna)
    body = {"version": anna.get(f"{LIST}/{deficient.id}").json()["version"]}
    assert anna.post(f"{LIST}/{deficient.id}/resubmit", json=body).status_code == 204
    assert site_of(team, deficient).status == "working"


def test_a_request_that_moved_on_is_not_sent_again_unseen(team: Scene, deficient: Request) -> None:
    alice = team.sign_in(team.alice)
    image = str(scene.upload(team.db, team.alice).id)
    version = alice.get(f"{LIST}/{deficient.id}").json()["version"]
    actions.report_deficiency(team.db, team.acting(team.olga), deficient, "印影もありません。")
    team.db.commit()
    body = {"version": version, "remarks": "新しい備考", "images": [image]}
    answer = alice.post(f"{LIST}/{deficient.id}/resubmit", json=body)
    assert answer.status_code == 409
    assert answer.json()["yours"]["remarks"] == "新しい備考"
    assert site_of(team, deficient).status == "deficient"
    assert alice.get(f"{LIST}/{deficient.id}/images").json()["items"] == []


def test_a_comment_of_sales_is_new_to_the_operator(team: Scene, request_: Request) -> None:
    alice = team.sign_in(team.alice)
    assert alice.post(f"{LIST}/{request_.id}/comments", json={"message": "急ぎです。"}).status_code == 204
    assert alice.get(f"{LIST}/{request_.id}/comments").json()["items"][0]["is_unread"] is False
    assert team.sign_in(team.adam).get(f"{LIST}/{request_.id}").json()["unread_comments"] == 1


def cancel(client: TestClient, request: Request, reason: str = "お客様の都合") -> Any:
    return client.post(f"{LIST}/{request.id}/cancel", json={"reason": reason})


@pytest.mark.parametrize("status", [Status.WORKING, Status.DEFICIENT])
def test_ones_own_request_is_taken_back_with_a_reason(team: Scene, status: Status) -> None:
    request = scene.request(team.db, scene.corporation(team.db, team.a), team.alice, status)
    alice = team.sign_in(team.alice)
    assert cancel(alice, request, "  ").status_code == 422
    assert cancel(alice, request).status_code == 204
    detail = alice.get(f"{LIST}/{request.id}").json()
    assert (detail["status"], detail["is_open"], detail["may_cancel"]) == ("cancelled", False, False)
    assert "お客様の都合" in alice.get(f"{LIST}/{request.id}/comments").json()["items"][0]["message"]
    assert cancel(alice, request).status_code == 409


def test_a_colleagues_request_is_not_theirs_to_take_back_and_the_administrators_is(
    team: Scene, request_: Request, db: Session
) -> None:
    anna = team.sign_in(team.anna)
    assert anna.get(f"{LIST}/{request_.id}").json()["may_cancel"] is False
    refused = cancel(anna, request_)
    assert (refused.status_code, "自分が提出した依頼だけ" in refused.json()["detail"]) == (403, True)
    assert site_of(team, request_).status == "working"
    assert cancel(team.sign_in(team.olga), request_).status_code == 403
    assert cancel(team.sign_in(team.adam), request_).status_code == 204


def test_what_is_entered_is_never_taken_back(team: Scene) -> None:
    alice, corporation = team.sign_in(team.alice), scene.corporation(team.db, team.a)
    entered = scene.request(team.db, corporation, team.alice, Status.ENTERED)
    mixed = scene.request(team.db, corporation, team.alice, Status.ENTERED, Status.WORKING, Status.DEFICIENT)
    assert cancel(alice, entered).status_code == 409
    assert cancel(alice, mixed).status_code == 204
    team.db.expire_all()
    assert [site.status for site in queries.sites(team.db, entered)] == ["entered"]
    assert [site.status for site in queries.sites(team.db, mixed)] == ["entered", "cancelled", "cancelled"]
    image = str(scene.upload(team.db, team.alice).id)
    assert alice.post(f"{LIST}/{mixed.id}/images", json={"images": [image]}).status_code == 409


def test_an_image_is_added_to_what_is_being_worked_on(team: Scene, request_: Request) -> None:
    alice = team.sign_in(team.alice)
    image = str(scene.upload(team.db, team.alice).id)
    assert alice.post(f"{LIST}/{request_.id}/images", json={"images": [image]}).status_code == 204
    assert alice.get(f"{LIST}/{request_.id}").json()["images"] == 1
    assert alice.post(f"{LIST}/{request_.id}/images", json={"images": []}).status_code == 422
