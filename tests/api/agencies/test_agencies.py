"""代理店管理 (2.1, 3.5): the agencies, what an administrator does with them, and what that means for their users."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from service.agencies.requests import queries
from service.core.access.identity import Membership, open_session
from service.core.audit import AuditEntry
from tests import people
from tests.api.agencies import scene
from tests.api.agencies.scene import Scene

PATH = "/api/agencies/agencies"
NEW = {
    "name": "株式会社CCC代理店",
    "code": "CCC",
    "referral_shop_code": "SHP0009",
    "referral_shop_name": "CCC紹介店",
    "contact_name": "佐藤 一郎",
    "phone": "03-0000-0000",
    "mail_address": "sato@example.com",
}


def listed(team: Scene, **params: Any) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = team.client.get(PATH, params=params).json()["items"]
    return items


def test_an_agency_is_registered_with_every_field_of_the_document(team: Scene) -> None:
    client = team.sign_in(team.adam)

    answer = client.post(PATH, json=NEW)
    [item] = listed(team, q="CCC")

    assert answer.status_code == 201
    assert item | NEW == item
    assert (item["id"], item["is_active"], item["sales_count"], item["version"]) == (answer.json()["id"], True, 0, 1)
    assert item["created_at"]
    assert item["updated_at"]


def test_name_and_code_are_all_that_must_be_given(team: Scene) -> None:
    client = team.sign_in(team.adam)

    assert client.post(PATH, json={"name": "田中", "code": "T1"}).status_code == 201
    refused = client.post(PATH, json={"referral_shop_code": "S"}).json()

    assert [error["field"] for error in refused["errors"]] == ["name", "code"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": " "},
        {"code": "代理店"},
        {"code": "A B"},
        {"code": "A" * 31},
        {"phone": "でんわ"},
        {"mail_address": "sato"},
        {"contact_name": "佐藤\n一郎"},
    ],
)
def test_wrong_values_are_refused_at_their_field(team: Scene, wrong: dict[str, str]) -> None:
    answer = team.sign_in(team.adam).post(PATH, json=NEW | wrong)

    assert answer.status_code == 422
    assert {error["field"] for error in answer.json()["errors"]} == set(wrong)


def test_a_code_is_one_agencys_alone(team: Scene) -> None:
    client = team.sign_in(team.adam)

    again = client.post(PATH, json=NEW | {"code": "AAA"})
    taken = client.patch(f"{PATH}/{team.b.id}", json={"version": 1, "code": "AAA"})

    for answer in (again, taken):
        assert answer.status_code == 409
        assert answer.json()["errors"] == [
            {"field": "code", "message": "代理店コード「AAA」はすでに登録されています。"}
        ]


def test_a_stale_edit_shows_both_sides_and_changes_nothing(team: Scene) -> None:
    client = team.sign_in(team.adam)
    path = f"{PATH}/{team.a.id}"

    assert client.patch(path, json={"version": 1, "contact_name": "鈴木"}).status_code == 204
    stale = client.patch(path, json={"version": 1, "contact_name": "高橋"})

    assert stale.status_code == 409
    assert (stale.json()["yours"], stale.json()["current"]["contact_name"]) == ({"contact_name": "高橋"}, "鈴木")


def test_sales_of_an_agency_are_counted_and_others_are_not(team: Scene) -> None:
    people.create_user(team.db, "root", agencies="admin")
    inactive = scene.sales(team.db, "gone", team.a)
    inactive.is_active = False
    team.sign_in(team.adam)

    assert {row["code"]: row["sales_count"] for row in listed(team)} == {"AAA": 2, "BBB": 1}


def test_the_list_is_searched_narrowed_and_sorted(team: Scene) -> None:
    scene.agency(team.db, "個人 田中代理店", "TANAKA", contact_name="田中 実")
    client = team.sign_in(team.adam)
    client.post(f"{PATH}/{team.b.id}/deactivate", json={})

    assert [row["code"] for row in listed(team, q="田中 実")] == ["TANAKA"]
    assert [row["code"] for row in listed(team, is_active=False)] == ["BBB"]
    assert [row["code"] for row in listed(team, sort="-code")] == ["TANAKA", "BBB", "AAA"]
    assert client.get(f"{PATH}/summary").json() == {"active": 2, "inactive": 1, "without_sales": 1, "without_shop": 2}


def test_deactivating_signs_its_users_out_keeps_them_out_and_says_how_many(team: Scene) -> None:
    for user in (team.alice, team.alice, team.anna, team.bob):
        open_session(team.db, user, "testclient", timedelta(hours=1))
    client = team.sign_in(team.adam)

    answer = client.post(f"{PATH}/{team.a.id}/deactivate", json={"reason": "契約終了"})

    assert answer.json() == {"sessions_ended": 3}
    entry = team.db.scalars(select(AuditEntry).where(AuditEntry.subject == "agency")).one()
    assert entry.after == {"archived": True, "sessions_ended": 3, "reason": "契約終了"}
    credentials = {"login_id": "alice", "password": people.PASSWORD}
    assert client.post("/api/auth/login", json=credentials).status_code in (401, 403)
    assert client.post("/api/auth/login", json=credentials | {"login_id": "bob"}).status_code == 200
    assert [(row["is_active"], row["sales_count"]) for row in listed(team, q="AAA")] == [(False, 2)]
    assert client.patch(f"{PATH}/{team.a.id}", json={"version": 2, "name": "別名"}).status_code == 409

    assert client.post(f"{PATH}/{team.a.id}/activate").status_code == 204
    assert client.post("/api/auth/login", json=credentials).status_code == 200


def test_deactivating_twice_is_deactivating_once(team: Scene) -> None:
    client = team.sign_in(team.adam)

    answers = [client.post(f"{PATH}/{team.a.id}/deactivate", json={}) for _ in range(2)]

    assert [answer.json() for answer in answers] == [{"sessions_ended": 0}] * 2
    assert len(team.db.scalars(select(AuditEntry).where(AuditEntry.subject == "agency")).all()) == 1
    assert team.db.scalars(select(Membership.is_suspended).where(Membership.tenant_id == team.a.id)).all() == [True] * 2


def test_what_an_inactive_agency_asked_for_goes_on(team: Scene) -> None:
    request = scene.request(team.db, scene.corporation(team.db, team.a), team.alice)
    team.sign_in(team.adam).post(f"{PATH}/{team.a.id}/deactivate", json={})

    assert queries.get_request(team.db, team.acting(team.olga), request.id).is_open


@pytest.mark.parametrize("login_id", ["alice", "olga"])
def test_agencies_are_the_administrators_alone(team: Scene, login_id: str) -> None:
    client = team.sign_in(getattr(team, login_id))
    path = f"{PATH}/{team.a.id}"

    answers = [
        client.get(PATH),
        client.get(f"{PATH}.csv"),
        client.get(f"{PATH}/summary"),
        client.post(PATH, json=NEW),
        client.patch(path, json={"version": 1, "name": "X"}),
        client.post(f"{path}/deactivate", json={}),
        client.post(f"{path}/activate"),
    ]

    assert {answer.status_code for answer in answers} == {403}


def test_an_absent_agency_is_not_found(team: Scene) -> None:
    client = team.sign_in(team.adam)

    answers = [
        client.patch(f"{PATH}/{2**62}", json={"version": 1}),
        client.post(f"{PATH}/{2**62}/deactivate", json={}),
        client.post(f"{PATH}/{2**62}/activate"),
    ]

    assert {answer.status_code for answer in answers} == {404}


def test_the_list_is_exported_with_its_filters(team: Scene) -> None:
    client = team.sign_in(team.adam)

    text = client.get(f"{PATH}.csv", params={"q": "AAA"}).content.decode("utf-8-sig")
    [row] = csv.DictReader(io.StringIO(text))

    assert (row["代理店名"], row["代理店コード"], row["所属営業担当数"], row["ステータス"]) == (
        "株式会社AAA代理店",
        "AAA",
        "2",
        "有効",
    )
    assert client.get(f"{PATH}.xlsx").status_code == 200


def test_sales_see_the_colleagues_on_whose_behalf_they_may_ask_and_an_administrator_all(team: Scene) -> None:
    visible = {}
    for user in (team.alice, team.bob, team.adam):
        items = team.sign_in(user).get("/api/agencies/sales-people").json()["items"]
        visible[user.login_id] = [(row["id"], row["agency_id"]) for row in items]

    of_a = [(team.alice.id, team.a.id), (team.anna.id, team.a.id)]
    of_b = [(team.bob.id, team.b.id)]
    assert visible == {"alice": of_a, "bob": of_b, "adam": of_a + of_b}
    team.sign_in(team.alice)
    assert team.client.get("/api/agencies/sales-people", params={"agency_id": team.b.id}).json()["items"] == []
    assert team.sign_in(team.olga).get("/api/agencies/sales-people").status_code == 403


def test_inactive_users_and_users_of_inactive_agencies_are_not_offered(team: Scene) -> None:
    team.anna.is_active = False
    client = team.sign_in(team.adam)
    client.post(f"{PATH}/{team.b.id}/deactivate", json={})

    items = client.get("/api/agencies/sales-people").json()["items"]

    assert [row["id"] for row in items] == [team.alice.id]
