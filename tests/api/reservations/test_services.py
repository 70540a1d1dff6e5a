"""Services and their sizes: who may change them, what is refused, and the history."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from tests.api.reservations import partners
from tests.api.reservations.partners import SERVICES

SignIn = Callable[..., TestClient]
PLANS = "/api/reservations/plans"
PLAN = {"code": "s", "name": "S（約10本）", "price": 3300}


@pytest.fixture
def _engine(empty: Engine) -> Engine:
    """Without the demo's services and shops."""
    return empty


def test_a_service_is_made_with_its_sizes_and_listed_with_their_prices(sign_in: SignIn) -> None:
    client = sign_in("alice", reservations="admin")
    key = partners.create_service(client)

    for code, price in (("s", 3300), ("m", 5500)):
        partners.create(client, f"{SERVICES}/{key}/plans", {"code": code, "name": code.upper(), "price": price})
    [item] = client.get(SERVICES).json()["items"]

    assert (item["code"], item["name"], item["shops"]) == ("bouquet", "花束", 0)
    assert [(plan["code"], plan["price"]) for plan in item["plans"]] == [("s", 3300), ("m", 5500)]


def test_services_are_listed_in_order_and_found_by_name_and_code(sign_in: SignIn) -> None:
    client = sign_in("alice", reservations="admin")
    for code, name in (("bouquet", "花束"), ("cake", "ケーキ"), ("platter", "オードブル")):
        partners.create_service(client, code, name)

    def list_codes(**params: str | int) -> list[str]:
        return [item["code"] for item in client.get(SERVICES, params=params).json()["items"]]

    assert list_codes() == ["bouquet", "cake", "platter"]
    assert list_codes(sort="-code") == ["platter", "cake", "bouquet"]
    assert list_codes(q="ケー") == list_codes(q="CAK") == ["cake"]


def test_an_edit_changes_what_it_names_and_a_stale_one_shows_both_sides(sign_in: SignIn) -> None:
    client = sign_in("alice", reservations="admin")
    key = partners.create_service(client)
    plan = partners.create(client, f"{SERVICES}/{key}/plans", PLAN)

    assert client.patch(f"{SERVICES}/{key}", json={"version": 1, "name": "お祝いの花束"}).status_code == 204
    assert client.patch(f"{PLANS}/{plan}", json={"version": 1, "price": 3500}).status_code == 204
    stale = client.patch(f"{PLANS}/{plan}", json={"version": 1, "price": 3000})
    service = client.get(f"{SERVICES}/{key}").json()

    assert stale.status_code == 409
    assert (stale.json()["yours"]["price"], stale.json()["current"]["price"]) == (3000, 3500)
    assert (service["name"], service["plans"][0]["price"], service["plans"][0]["version"]) == ("お祝いの花束", 3500, 2)


def test_what_is_archived_is_offered_no_more_and_comes_back(sign_in: SignIn) -> None:
    client = sign_in("alice", reservations="admin")
    key = partners.create_service(client)
    plan = partners.create(client, f"{SERVICES}/{key}/plans", PLAN)

    assert client.post(f"{PLANS}/{plan}/archive").status_code == 204
    assert client.get(SERVICES).json()["items"][0]["plans"] == []
    assert client.get(f"{SERVICES}/{key}").json()["plans"][0]["archived_at"] is not None
    assert client.post(f"{SERVICES}/{key}/archive").status_code == 204
    assert client.get(SERVICES).json()["total"] == 0
    assert client.patch(f"{SERVICES}/{key}", json={"version": 2, "name": "花"}).status_code == 409
    assert client.post(f"{SERVICES}/{key}/restore").status_code == 204
    assert client.post(f"{PLANS}/{plan}/restore").status_code == 204
    assert len(client.get(SERVICES).json()["items"][0]["plans"]) == 1


def test_a_code_is_unique_among_services_and_among_a_services_sizes(sign_in: SignIn) -> None:
    client = sign_in("alice", reservations="admin")
    first, second = partners.create_service(client), partners.create_service(client, "cake", "ケーキ")
    partners.create(client, f"{SERVICES}/{first}/plans", PLAN)

    same_service = client.post(SERVICES, json={"code": "bouquet", "name": "別の花束"})
    same_plan = client.post(f"{SERVICES}/{first}/plans", json=PLAN)

    assert (same_service.status_code, same_plan.status_code) == (409, 409)
    assert same_service.json()["errors"] == [
        {"field": "code", "message": "コード「bouquet」はすでに登録されています。"}
    ]
    assert client.post(f"{SERVICES}/{second}/plans", json=PLAN).status_code == 201


@pytest.mark.parametrize(
    "wrong", [{"price": 49}, {"price": 10_000_000}, {"price": "無料"}, {"code": "Ｓ"}, {"code": ""}, {"name": " "}]
)
def test_a_size_that_cannot_be_charged_or_named_is_refused_by_field(sign_in: SignIn, wrong: dict[str, object]) -> None:
    client = sign_in("alice", reservations="admin")
    key = partners.create_service(client)

    response = client.post(f"{SERVICES}/{key}/plans", json=PLAN | wrong)

    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == [*wrong]


def test_a_services_history_has_its_sizes_too_and_the_users(sign_in: SignIn) -> None:
    client = sign_in("alice", reservations="admin")
    key = partners.create_service(client)
    plan = partners.create(client, f"{SERVICES}/{key}/plans", PLAN)
    client.patch(f"{PLANS}/{plan}", json={"version": 1, "price": 3500})
    client.post(f"{PLANS}/{plan}/archive")
    client.patch(f"{SERVICES}/{key}", json={"version": 1, "description": "店頭でお渡しします。"})
    partners.create_service(client, "cake", "ケーキ")

    entries = partners.history(client, SERVICES, key)

    assert [(entry["subject_title"], entry["action_title"]) for entry in entries] == [
        ("サービス", "変更"),
        ("サイズ・料金", "状態の変更"),
        ("サイズ・料金", "変更"),
        ("サイズ・料金", "登録"),
        ("サービス", "登録"),
    ]
    assert [(change["title"], change["before"], change["after"]) for change in entries[2]["changes"]] == [
        ("料金（円）", "3300", "3500")
    ]
    assert {entry["actor_title"] for entry in entries} == {"alice さん（alice）"}


@pytest.mark.parametrize(
    ("role", "reads", "writes"), [("operator", 200, 403), ("support", 200, 403), ("manager", 403, 403)]
)
def test_all_roles_but_managers_read_and_only_administrators_change(
    sign_in: SignIn, role: str, reads: int, writes: int
) -> None:
    key = partners.create_service(sign_in("alice", reservations="admin"))
    client = sign_in("bob", reservations=role)

    assert client.get(SERVICES).status_code == client.get(f"{SERVICES}/{key}").status_code == reads
    assert client.get(f"{SERVICES}/{key}/history").status_code == reads
    assert client.post(SERVICES, json={"code": "x", "name": "x"}).status_code == writes
    assert client.patch(f"{SERVICES}/{key}", json={"version": 1}).status_code == writes
    assert client.post(f"{SERVICES}/{key}/plans", json=PLAN).status_code == writes


def test_an_unknown_service_is_not_found_and_other_areas_have_no_access(sign_in: SignIn) -> None:
    admin = sign_in("alice", reservations="admin")
    assert admin.get(f"{SERVICES}/999999").status_code == 404
    assert admin.get(f"{SERVICES}/999999/history").status_code == 404
    assert admin.post(f"{SERVICES}/999999/plans", json=PLAN).status_code == 404
    assert admin.patch(f"{PLANS}/999999", json={"version": 1}).status_code == 404

    assert sign_in("charlie", fleet="admin").get(SERVICES).status_code == 403
