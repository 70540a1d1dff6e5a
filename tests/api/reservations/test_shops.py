"""Partner shops: search, call order, stale edits, blacklisting with a reason, import and export."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from tests.api.reservations import partners
from tests.api.reservations.partners import SERVICES, SHOP, SHOPS, call_order
from tests.imports import begin_import, preview, run_import
from tests.unit.reservations.test_shops import NUMBERS
from tests.workers import Environment, environment

__all__ = ["environment"]
SignIn = Callable[..., TestClient]
KIND = "reservations.shops"
HEADER = "店舗コード,店舗名,電話番号,メールアドレス,担当者,電話受付開始,電話受付終了,定休日,備考,サービス:順番\n"
FILE = HEADER + (
    "S001,フラワー銀座,０３ー１２３４ー０００１,ginza@flower.example,佐藤 花,9:00,20:00,なし,,花束:1\n"
    "S002,花工房みどり,03-1234-0002,,,10:00,17:30,水・日,午前中がよい,花束:2、ケーキ:1\n"
)


def codes(client: TestClient, **params: str | int) -> list[str]:
    response = client.get(SHOPS, params=params)
    assert response.status_code == 200, response.text
    return [item["code"] for item in response.json()["items"]]


def get_shop(client: TestClient, key: int) -> dict[str, Any]:
    body: dict[str, Any] = client.get(f"{SHOPS}/{key}").json()
    return body


@pytest.fixture
def _engine(empty: Engine) -> Engine:
    """Without the demo's services and shops."""
    return empty


def test_a_shop_has_the_usual_hours_and_its_number_is_stored_for_dialling(sign_in: SignIn) -> None:
    client = sign_in("olivia", reservations="operator")

    shop = get_shop(client, partners.create(client, SHOPS, SHOP | {"phone": "０３ー１２３４ー０００１"}))

    assert (shop["phone"], shop["phone_shown"]) == ("+81312340001", "03-1234-0001")
    assert (shop["opens_at"], shop["closes_at"], shop["closed_weekdays"]) == ("09:00:00", "20:00:00", [])
    assert (shop["state"], shop["services"]) == ("active", [])


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"phone": "1234"}, "phone"),
        ({"phone": "+1 212 555 0100"}, "phone"),
        ({"code": "店1"}, "code"),
        ({"name": "　"}, "name"),
        ({"mail": "ginza"}, "mail"),
        ({"opens_at": "20:00", "closes_at": "09:00"}, "closes_at"),
        ({"closed_weekdays": [1, 2, 3, 4, 5, 6, 7]}, "closed_weekdays"),
        ({"closed_weekdays": [8]}, "closed_weekdays.0"),
        ({"services": [999999]}, "services"),
    ],
)
def test_a_shop_that_cannot_be_called_or_named_is_refused_by_field(
    sign_in: SignIn, wrong: dict[str, Any], field: str
) -> None:
    client = sign_in("olivia", reservations="operator")

    response = client.post(SHOPS, json=SHOP | wrong)

    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == [field]
    assert client.get(SHOPS).json()["total"] == 0


def test_shops_are_found_by_name_code_and_number_however_it_is_written(sign_in: SignIn) -> None:
    client = sign_in("olivia", reservations="operator")
    partners.create_shop(client, "S001", name="フラワー銀座", phone="03-1234-0001")
    partners.create_shop(client, "S002", name="100%の花", phone="090-8888-0002")

    assert codes(client, q="銀座") == codes(client, q="s001") == codes(client, q="0312340001") == ["S001"]
    assert codes(client, q="03-1234") == codes(client, q="＋８１ ３ 1234") == codes(client, q="4-00") == ["S001"]
    assert codes(client, q="0%") == codes(client, q="8888") == ["S002"]
    assert codes(client, q="-") == codes(client, q="03-9") == []
    assert codes(client, q="") == ["S001", "S002"]


def test_the_list_writes_numbers_as_everything_else_does(sign_in: SignIn) -> None:
    """The database puts the hyphens into lists and files, Python into everything else."""
    client = sign_in("olivia", reservations="operator")
    for place, number in enumerate(NUMBERS):
        partners.create_shop(client, f"N{place:02}", phone=number.replace("-", ""))

    assert [item["phone_shown"] for item in client.get(SHOPS).json()["items"]] == NUMBERS


def test_lists_are_filtered_by_service_and_state_and_sorted(sign_in: SignIn) -> None:
    client = sign_in("alice", reservations="admin")
    bouquet, cake = partners.create_service(client), partners.create_service(client, "cake", "ケーキ")
    a, b, c = (
        partners.create_shop(client, "A", bouquet, name="う"),
        partners.create_shop(client, "B", cake, name="あ"),
        partners.create_shop(client, "C"),
    )
    client.post(f"{SHOPS}/{b}/blacklist", json={"reason": "連絡がつかない"})
    client.post(f"{SHOPS}/{c}/archive")

    assert codes(client) == ["A", "B"]
    assert codes(client, sort="name") == ["B", "A"]
    assert codes(client, service_id=bouquet) == ["A"]
    assert codes(client, blacklisted=True) == ["B"]
    assert codes(client, blacklisted=False) == ["A"]
    assert codes(client, archived=True) == ["C"]
    assert client.get(SHOPS, params={"sort": "phone"}).status_code == 422
    assert client.get(f"{SHOPS}/summary").json() == {"shops": 2, "blacklisted": 1, "without_mail": 2, "unplaced": 0}
    assert [get_shop(client, key)["state"] for key in (a, b, c)] == ["active", "blacklisted", "archived"]


def test_a_stale_edit_is_a_conflict_with_both_sides_services_and_number_included(sign_in: SignIn) -> None:
    client = sign_in("alice", reservations="admin")
    bouquet, cake = partners.create_service(client), partners.create_service(client, "cake", "ケーキ")
    key = partners.create_shop(client, "A", bouquet)

    assert client.patch(f"{SHOPS}/{key}", json={"version": 1, "phone": "03-1234-0009"}).status_code == 204
    stale = client.patch(f"{SHOPS}/{key}", json={"version": 1, "phone": "03-1234-0008", "services": [cake]})

    assert stale.status_code == 409
    assert (stale.json()["yours"]["phone"], stale.json()["yours"]["services"]) == ("03-1234-0008", [cake])
    assert (stale.json()["current"]["phone"], stale.json()["current"]["services"]) == ("03-1234-0009", [bouquet])
    assert (call_order(client, bouquet), call_order(client, cake)) == (["A"], [])


def test_hours_that_end_before_the_stored_beginning_are_refused(sign_in: SignIn) -> None:
    client = sign_in("olivia", reservations="operator")
    key = partners.create_shop(client, "A")

    response = client.patch(f"{SHOPS}/{key}", json={"version": 1, "closes_at": "08:00"})

    assert (response.status_code, response.json()["errors"][0]["field"]) == (422, "closes_at")


def test_two_shops_never_have_one_code(sign_in: SignIn) -> None:
    client = sign_in("olivia", reservations="operator")
    partners.create_shop(client, "A")
    other = partners.create_shop(client, "B")

    assert client.post(SHOPS, json=SHOP | {"code": "A"}).status_code == 409
    refused = client.patch(f"{SHOPS}/{other}", json={"version": 1, "code": "A"})
    assert refused.json()["errors"] == [{"field": "code", "message": "店舗コード「A」はすでに登録されています。"}]


def test_a_new_shop_is_called_last_and_a_removed_one_leaves_no_gap(sign_in: SignIn) -> None:
    client = sign_in("alice", reservations="admin")
    bouquet, cake = partners.create_service(client), partners.create_service(client, "cake", "ケーキ")
    a, _, c = (
        partners.create_shop(client, "A", bouquet),
        partners.create_shop(client, "B", bouquet, cake),
        partners.create_shop(client, "C", bouquet),
    )
    assert call_order(client, bouquet) == ["A", "B", "C"]

    client.patch(f"{SHOPS}/{a}", json={"version": 1, "services": [cake]})

    [entry] = client.get("/api/core/audit", params={"subject": "shop", "action": "update"}).json()["items"]
    assert [(change["field"], change["before"], change["after"]) for change in entry["changes"]] == [
        ("services", "花束", "ケーキ")
    ]
    assert (call_order(client, bouquet), call_order(client, cake)) == (["B", "C"], ["B", "A"])
    assert get_shop(client, c)["services"] == [{"id": bouquet, "code": "bouquet", "name": "花束", "place": 2}]


def test_an_order_is_replaced_as_a_whole_and_a_stale_one_is_a_conflict(sign_in: SignIn) -> None:
    client = sign_in("alice", reservations="admin")
    bouquet = partners.create_service(client)
    a, b, c = (partners.create_shop(client, code, bouquet) for code in "ABC")
    version = client.get(f"{SERVICES}/{bouquet}/shops").json()["version"]

    first = client.put(f"{SERVICES}/{bouquet}/shops", json={"version": version, "shops": [c, a, b]})
    second = client.put(f"{SERVICES}/{bouquet}/shops", json={"version": version, "shops": [b, a, c]})

    assert (first.status_code, second.status_code) == (204, 409)
    assert second.json()["yours"] == {"shops": [b, a, c]}
    assert second.json()["current"] == {"version": version + 1, "shops": [c, a, b]}
    assert call_order(client, bouquet) == ["C", "A", "B"]
    changes = partners.history(client, SERVICES, bouquet)[0]["changes"]
    assert [(change["title"], change["before"], change["after"]) for change in changes] == [
        ("電話をかける順番", "Aの店、Bの店、Cの店", "Cの店、Aの店、Bの店")
    ]


def test_a_shop_added_meanwhile_makes_an_order_stale_too(sign_in: SignIn) -> None:
    client = sign_in("alice", reservations="admin")
    bouquet = partners.create_service(client)
    a, b = partners.create_shop(client, "A", bouquet), partners.create_shop(client, "B", bouquet)
    version = client.get(f"{SERVICES}/{bouquet}/shops").json()["version"]
    partners.create_shop(client, "C", bouquet)

    assert client.put(f"{SERVICES}/{bouquet}/shops", json={"version": version, "shops": [b, a]}).status_code == 409
    assert call_order(client, bouquet) == ["A", "B", "C"]


def test_an_order_of_other_shops_is_refused(sign_in: SignIn) -> None:
    client = sign_in("alice", reservations="admin")
    bouquet = partners.create_service(client)
    a, b = partners.create_shop(client, "A", bouquet), partners.create_shop(client, "B", bouquet)
    version = client.get(f"{SERVICES}/{bouquet}/shops").json()["version"]

    for shops in ([a], [a, b, b], [a, b, 999999], []):
        response = client.put(f"{SERVICES}/{bouquet}/shops", json={"version": version, "shops": shops})
        assert response.status_code == 422
    assert call_order(client, bouquet) == ["A", "B"]


def test_an_archived_shop_leaves_the_orders_and_comes_back_last(sign_in: SignIn) -> None:
    client = sign_in("alice", reservations="admin")
    bouquet = partners.create_service(client)
    a, b = partners.create_shop(client, "A", bouquet), partners.create_shop(client, "B", bouquet)

    assert client.post(f"{SHOPS}/{a}/archive").status_code == 204
    assert client.post(f"{SHOPS}/{a}/archive").status_code == 204
    assert call_order(client, bouquet) == ["B"]
    assert get_shop(client, b)["services"][0]["place"] == 1
    assert client.post(f"{SHOPS}/{a}/restore").status_code == 204

    assert call_order(client, bouquet) == ["B", "A"]
    assert client.get(SERVICES).json()["items"][0]["shops"] == 2


def test_a_blacklisted_shop_keeps_its_place_and_says_why(sign_in: SignIn) -> None:
    client = sign_in("alice", reservations="admin")
    bouquet = partners.create_service(client)
    key = partners.create_shop(client, "A", bouquet)

    assert client.post(f"{SHOPS}/{key}/blacklist", json={"reason": " "}).status_code == 422
    assert client.post(f"{SHOPS}/{key}/blacklist", json={"reason": "無断キャンセルが続いた"}).status_code == 204
    assert client.post(f"{SHOPS}/{key}/blacklist", json={"reason": "別の理由"}).status_code == 409
    stopped = get_shop(client, key)
    assert (stopped["state"], stopped["blacklist_reason"]) == ("blacklisted", "無断キャンセルが続いた")
    assert client.get(f"{SERVICES}/{bouquet}/shops").json()["items"][0]["blacklisted_at"] is not None
    assert client.get(SERVICES).json()["items"][0]["shops"] == 0

    assert client.post(f"{SHOPS}/{key}/lift", json={"reason": "店主と話し合った"}).status_code == 204
    assert client.post(f"{SHOPS}/{key}/lift", json={"reason": "もう一度"}).status_code == 409
    lifted = get_shop(client, key)
    assert (lifted["state"], lifted["blacklist_reason"], lifted["services"][0]["place"]) == ("active", None, 1)
    entries = partners.history(client, SHOPS, key)
    assert [{change["title"]: change["after"] for change in entry["changes"]} for entry in entries[:2]] == [
        {"利用停止": "いいえ", "理由": "店主と話し合った"},
        {"利用停止": "はい", "理由": "無断キャンセルが続いた"},
    ]


def test_an_archived_shop_is_neither_edited_nor_blacklisted(sign_in: SignIn) -> None:
    client = sign_in("olivia", reservations="operator")
    key = partners.create_shop(client, "A")
    client.post(f"{SHOPS}/{key}/archive")

    assert client.patch(f"{SHOPS}/{key}", json={"version": 2, "name": "別の店"}).status_code == 409
    assert client.post(f"{SHOPS}/{key}/blacklist", json={"reason": "理由"}).status_code == 409


def test_numbers_in_the_history_have_hyphens(sign_in: SignIn) -> None:
    client = sign_in("olivia", reservations="operator")
    key = partners.create_shop(client, "A")
    client.patch(f"{SHOPS}/{key}", json={"version": 1, "phone": "0120-123-456"})

    [change] = partners.history(client, SHOPS, key)[0]["changes"]

    assert (change["before"], change["after"]) == ("03-1234-0001", "0120-123-456")


@pytest.mark.parametrize(("role", "reads", "writes"), [("support", 200, 403), ("manager", 403, 403)])
def test_support_reads_shops_the_manager_does_not_and_neither_changes_one(
    sign_in: SignIn, role: str, reads: int, writes: int
) -> None:
    admin = sign_in("alice", reservations="admin")
    bouquet = partners.create_service(admin)
    key = partners.create_shop(admin, "A", bouquet)
    client = sign_in("bob", reservations=role)

    for path in (SHOPS, f"{SHOPS}.csv", f"{SHOPS}/summary", f"{SHOPS}/{key}", f"{SHOPS}/{key}/history"):
        assert client.get(path).status_code == reads, path
    assert client.get(f"{SERVICES}/{bouquet}/shops").status_code == reads
    assert client.post(SHOPS, json=SHOP).status_code == writes
    assert client.patch(f"{SHOPS}/{key}", json={"version": 1}).status_code == writes
    assert client.post(f"{SHOPS}/{key}/blacklist", json={"reason": "理由"}).status_code == writes
    assert client.put(f"{SERVICES}/{bouquet}/shops", json={"version": 1, "shops": [key]}).status_code == writes


def test_an_unknown_shop_is_not_found(sign_in: SignIn) -> None:
    client = sign_in("olivia", reservations="operator")

    assert client.get(f"{SHOPS}/999999").status_code == client.get(f"{SHOPS}/999999/history").status_code == 404
    assert client.patch(f"{SHOPS}/999999", json={"version": 1}).status_code == 404
    assert client.post(f"{SHOPS}/999999/lift", json={"reason": "x"}).status_code == 404
    assert client.get(f"{SERVICES}/999999/shops").status_code == 404


def operator_with_services(environment: Environment) -> TestClient:
    """An operator, and the services that the file names."""
    admin = environment.sign_in("alice", reservations="admin")
    partners.create_service(admin)
    partners.create_service(admin, "cake", "ケーキ")
    return environment.sign_in("olivia", reservations="operator")


def call_orders(client: TestClient) -> dict[str, list[str]]:
    return {service["code"]: call_order(client, service["id"]) for service in client.get(SERVICES).json()["items"]}


def test_shops_come_by_file_and_the_same_file_again_changes_nothing(environment: Environment) -> None:
    client = operator_with_services(environment)

    run_import(environment, client, FILE, KIND)
    again = preview(client, begin_import(client, FILE, KIND))["counts"]
    first, second = client.get(SHOPS).json()["items"]

    assert again == {"new": 0, "update": 0, "same": 2, "error": 0}
    assert (first["phone"], first["closed_weekdays"], first["contact_name"]) == ("+81312340001", [], "佐藤 花")
    assert (second["opens_at"], second["closes_at"], second["closed_weekdays"]) == ("10:00:00", "17:30:00", [3, 7])
    assert call_orders(client) == {"bouquet": ["S001", "S002"], "cake": ["S002"]}


def test_a_file_sets_the_call_order_and_other_shops_move(environment: Environment) -> None:
    client = operator_with_services(environment)
    run_import(environment, client, FILE, KIND)
    file = HEADER + "S003,花の里,03-1234-0003,,,,,,,花束:1\nS002,,,,,,,,,花束:2\n"

    finished = run_import(environment, client, file, KIND)
    again = preview(client, begin_import(client, file, KIND))["counts"]

    assert "新規 1店、更新 1店" in finished["message"]
    assert call_orders(client) == {"bouquet": ["S003", "S002", "S001"], "cake": []}
    assert again["same"] == 2
    key = next(shop["id"] for shop in client.get(SHOPS).json()["items"] if shop["code"] == "S002")
    changes = [change for entry in partners.history(client, SHOPS, key) for change in entry["changes"]]
    assert [(change["before"], change["after"]) for change in changes if change["field"] == "services"] == [
        ("花束:2、ケーキ:1", "花束:2"),
        (None, "花束:2、ケーキ:1"),
    ]


def test_an_export_is_imported_without_a_change(environment: Environment) -> None:
    client = operator_with_services(environment)
    run_import(environment, client, FILE, KIND)

    for path in (f"{SHOPS}.csv", f"{SHOPS}.xlsx"):
        draft = begin_import(client, client.get(path).content, KIND)
        assert draft["counts"] == {"new": 0, "update": 0, "same": 2, "error": 0}
    text = client.get(f"{SHOPS}.csv").content.decode("utf-8-sig")
    assert text.splitlines()[0].startswith(HEADER.strip())
    [*_, second] = csv.reader(io.StringIO(text))
    assert second[:5] == ["S002", "花工房みどり", "03-1234-0002", "", ""]
    assert second[5:12] == ["10:00", "17:30", "水・日", "午前中がよい", "花束:2、ケーキ:1", "利用中", ""]


def test_the_template_has_the_column_of_places_and_can_be_imported(environment: Environment) -> None:
    client = operator_with_services(environment)

    template = client.get(f"/api/core/imports/{KIND}/template.csv")

    assert template.content.decode("utf-8-sig").splitlines()[0] == HEADER.strip()
    assert begin_import(client, template.content, KIND)["counts"]["new"] == 1


def test_wrong_rows_are_explained_and_nothing_is_imported(environment: Environment) -> None:
    client = operator_with_services(environment)
    run_import(environment, client, FILE, KIND)
    key = client.get(SHOPS, params={"q": "S001"}).json()["items"][0]["id"]
    client.post(f"{SHOPS}/{key}/archive")
    rows = (
        "S001,銀座,03-1234-0001,,,,,,,\nS010,電話が違う,12-34,,,,,,,\nS011,時刻が違う,03-1234-0011,,,朝,,,,\n"
        "S012,逆さま,03-1234-0012,,,18:00,9:00,,,\nS013,曜日が違う,03-1234-0013,,,,,第2水曜,,\n"
        "S014,知らない,03-1234-0014,,,,,,,寿司:1\nS015,重なる,03-1234-0015,,,,,,,ケーキ:5\n"
        "S016,重なる,03-1234-0016,,,,,,,ケーキ:5\nS017,電話がない,,,,,,,,\n"
    )

    draft = begin_import(client, HEADER + rows, KIND)
    errors = str(preview(client, draft)["errors"])

    assert preview(client, draft)["counts"] == {"new": 1, "update": 0, "same": 0, "error": 8}
    for message in (
        "アーカイブされています",
        "市外局番から",
        "「9:00」のように",
        "開始より後",
        "「水・日」のように",
        "「寿司」というサービスはありません",
        "「S015」と重なっています",
        "必須の項目",
    ):
        assert message in errors, message
    assert client.post(f"/api/core/imports/{draft['id']}/run").status_code == 422


def test_support_and_managers_cannot_import(environment: Environment) -> None:
    for role in ("support", "manager"):
        client = environment.sign_in(role, reservations=role)
        assert client.get(f"/api/core/imports/{KIND}/template.csv").status_code == 403
