"""Partner shops: found however one looks, called in an order that nobody overwrites, stopped with a reason; by file."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from tests.api.core.test_imports import begun, imported, preview
from tests.api.reservations import partners
from tests.api.reservations.partners import SERVICES, SHOP, SHOPS, order
from tests.unit.reservations.test_shops import NUMBERS
from tests.workers import Ground, ground

__all__ = ["ground"]
SignIn = Callable[..., TestClient]
KIND = "reservations.shops"
HEADER = "店舗コード,店舗名,電話番号,メールアドレス,担当者,電話受付開始,電話受付終了,定休日,備考,サービス:順番\n"
FILE = HEADER + (
    "S001,フラワー銀座,０３ー１２３４ー０００１,ginza@flower.example,佐藤 花,9:00,20:00,なし,,花束:1\n"
    "S002,花工房みどり,03-1234-0002,,,10:00,17:30,水・日,午前中がよい,花束:2、ケーキ:1\n"
)


def codes(client: TestClient, **asked: str | int) -> list[str]:
    answer = client.get(SHOPS, params=asked)
    assert answer.status_code == 200, answer.text
    return [one["code"] for one in answer.json()["items"]]


def one(client: TestClient, key: int) -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"{SHOPS}/{key}").json()
    return found


@pytest.fixture
def _engine(empty: Engine) -> Engine:
    """Without the demo's."""
    return empty


def test_a_shop_has_the_usual_hours_and_its_number_is_kept_for_dialling(sign_in: SignIn) -> None:
    client = sign_in("olivia", reservations="operator")

    made = one(client, partners.made(client, SHOPS, SHOP | {"phone": "０３ー１２３４ー０００１"}))

    assert (made["phone"], made["phone_shown"]) == ("+81312340001", "03-1234-0001")
    assert (made["opens_at"], made["closes_at"], made["closed_weekdays"]) == ("09:00:00", "20:00:00", [])
    assert (made["state"], made["services"]) == ("active", [])


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"phone": "1234"}, "phone"),
        ({"phone": "+1 212 555 0100"}, "phone"),
        ({"code": "店1"}, "code"),
        ({"name": "　"}, "name"),
        ({"mail": "ginza"}, "mail"),
        ({"opens_at": "20:00", "closes_at": "09:00"}, ""),
        ({"closed_weekdays": [1, 2, 3, 4, 5, 6, 7]}, "closed_weekdays"),
        ({"closed_weekdays": [8]}, "closed_weekdays.0"),
        ({"services": [999999]}, "services"),
    ],
)
def test_a_shop_that_cannot_be_called_or_named_is_refused_by_field(
    sign_in: SignIn, wrong: dict[str, Any], field: str
) -> None:
    client = sign_in("olivia", reservations="operator")

    answer = client.post(SHOPS, json=SHOP | wrong)

    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert client.get(SHOPS).json()["total"] == 0


def test_shops_are_found_by_name_code_and_number_however_it_is_written(sign_in: SignIn) -> None:
    client = sign_in("olivia", reservations="operator")
    partners.shop(client, "S001", name="フラワー銀座", phone="03-1234-0001")
    partners.shop(client, "S002", name="100%の花", phone="090-8888-0002")

    assert codes(client, q="銀座") == codes(client, q="s001") == codes(client, q="0312340001") == ["S001"]
    assert codes(client, q="03-1234") == codes(client, q="＋８１ ３ 1234") == codes(client, q="4-00") == ["S001"]
    assert codes(client, q="0%") == codes(client, q="8888") == ["S002"]
    assert codes(client, q="-") == codes(client, q="03-9") == []
    assert codes(client, q="") == ["S001", "S002"]


def test_the_list_writes_numbers_as_everything_else_does(sign_in: SignIn) -> None:
    """The database puts the hyphens into lists and files, Python into everything else."""
    client = sign_in("olivia", reservations="operator")
    for place, number in enumerate(NUMBERS):
        partners.shop(client, f"N{place:02}", phone=number.replace("-", ""))

    assert [one["phone_shown"] for one in client.get(SHOPS).json()["items"]] == NUMBERS


def test_lists_are_cut_by_service_and_state_and_sorted(sign_in: SignIn) -> None:
    client = sign_in("alice", reservations="admin")
    bouquet, cake = partners.service(client), partners.service(client, "cake", "ケーキ")
    a, b, c = (
        partners.shop(client, "A", bouquet, name="う"),
        partners.shop(client, "B", cake, name="あ"),
        partners.shop(client, "C"),
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
    assert [one(client, key)["state"] for key in (a, b, c)] == ["active", "blacklisted", "archived"]


def test_a_stale_edit_is_a_conflict_with_both_sides_services_and_number_included(sign_in: SignIn) -> None:
    client = sign_in("alice", reservations="admin")
    bouquet, cake = partners.service(client), partners.service(client, "cake", "ケーキ")
    key = partners.shop(client, "A", bouquet)

    assert client.patch(f"{SHOPS}/{key}", json={"version": 1, "phone": "03-1234-0009"}).status_code == 204
    stale = client.patch(f"{SHOPS}/{key}", json={"version": 1, "phone": "03-1234-0008", "services": [cake]})

    assert stale.status_code == 409
    assert (stale.json()["yours"]["phone"], stale.json()["yours"]["services"]) == ("03-1234-0008", [cake])
    assert (stale.json()["current"]["phone"], stale.json()["current"]["services"]) == ("03-1234-0009", [bouquet])
    assert (order(client, bouquet), order(client, cake)) == (["A"], [])


def test_hours_that_end_before_they_begin_are_refused_with_what_is_there(sign_in: SignIn) -> None:
    client = sign_in("olivia", reservations="operator")
    key = partners.shop(client, "A")

    answer = client.patch(f"{SHOPS}/{key}", json={"version": 1, "closes_at": "08:00"})

    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "closes_at")


def test_two_shops_never_have_one_code(sign_in: SignIn) -> None:
    client = sign_in("olivia", reservations="operator")
    partners.shop(client, "A")
    other = partners.shop(client, "B")

    assert client.post(SHOPS, json=SHOP | {"code": "A"}).status_code == 409
    taken = client.patch(f"{SHOPS}/{other}", json={"version": 1, "code": "A"})
    assert taken.json()["errors"] == [{"field": "code", "message": "店舗コード「A」はすでに登録されています。"}]


def test_a_new_shop_is_called_last_and_who_goes_leaves_no_gap(sign_in: SignIn) -> None:
    client = sign_in("alice", reservations="admin")
    bouquet, cake = partners.service(client), partners.service(client, "cake", "ケーキ")
    a, _, c = (
        partners.shop(client, "A", bouquet),
        partners.shop(client, "B", bouquet, cake),
        partners.shop(client, "C", bouquet),
    )
    assert order(client, bouquet) == ["A", "B", "C"]

    client.patch(f"{SHOPS}/{a}", json={"version": 1, "services": [cake]})

    assert (order(client, bouquet), order(client, cake)) == (["B", "C"], ["B", "A"])
    assert one(client, c)["services"] == [{"id": bouquet, "code": "bouquet", "name": "花束", "place": 2}]


def test_an_order_is_arranged_as_a_whole_and_two_people_do_not_overwrite_each_other(sign_in: SignIn) -> None:
    client = sign_in("alice", reservations="admin")
    bouquet = partners.service(client)
    a, b, c = (partners.shop(client, code, bouquet) for code in "ABC")
    seen = client.get(f"{SERVICES}/{bouquet}/shops").json()["version"]

    first = client.put(f"{SERVICES}/{bouquet}/shops", json={"version": seen, "shops": [c, a, b]})
    second = client.put(f"{SERVICES}/{bouquet}/shops", json={"version": seen, "shops": [b, a, c]})

    assert (first.status_code, second.status_code) == (204, 409)
    assert second.json()["yours"] == {"shops": [b, a, c]}
    assert second.json()["current"] == {"version": seen + 1, "shops": [c, a, b]}
    assert order(client, bouquet) == ["C", "A", "B"]
    told = partners.history(client, SERVICES, bouquet)[0]["changes"]
    assert [(one["title"], one["before"], one["after"]) for one in told] == [
        ("電話をかける順番", "Aの店、Bの店、Cの店", "Cの店、Aの店、Bの店")
    ]


def test_who_joined_meanwhile_makes_an_order_stale_too(sign_in: SignIn) -> None:
    client = sign_in("alice", reservations="admin")
    bouquet = partners.service(client)
    a, b = partners.shop(client, "A", bouquet), partners.shop(client, "B", bouquet)
    seen = client.get(f"{SERVICES}/{bouquet}/shops").json()["version"]
    partners.shop(client, "C", bouquet)

    assert client.put(f"{SERVICES}/{bouquet}/shops", json={"version": seen, "shops": [b, a]}).status_code == 409
    assert order(client, bouquet) == ["A", "B", "C"]


def test_an_order_of_other_shops_is_refused(sign_in: SignIn) -> None:
    client = sign_in("alice", reservations="admin")
    bouquet = partners.service(client)
    a, b = partners.shop(client, "A", bouquet), partners.shop(client, "B", bouquet)
    seen = client.get(f"{SERVICES}/{bouquet}/shops").json()["version"]

    for shops in ([a], [a, b, b], [a, b, 999999], []):
        answer = client.put(f"{SERVICES}/{bouquet}/shops", json={"version": seen, "shops": shops})
        assert answer.status_code == 422
    assert order(client, bouquet) == ["A", "B"]


def test_an_archived_shop_leaves_the_orders_and_comes_back_last(sign_in: SignIn) -> None:
    client = sign_in("alice", reservations="admin")
    bouquet = partners.service(client)
    a, b = partners.shop(client, "A", bouquet), partners.shop(client, "B", bouquet)

    assert client.post(f"{SHOPS}/{a}/archive").status_code == 204
    assert client.post(f"{SHOPS}/{a}/archive").status_code == 204
    assert order(client, bouquet) == ["B"]
    assert one(client, b)["services"][0]["place"] == 1
    assert client.post(f"{SHOPS}/{a}/restore").status_code == 204

    assert order(client, bouquet) == ["B", "A"]
    assert client.get(SERVICES).json()["items"][0]["shops"] == 2


def test_a_blacklisted_shop_keeps_its_place_and_says_why(sign_in: SignIn) -> None:
    client = sign_in("alice", reservations="admin")
    bouquet = partners.service(client)
    key = partners.shop(client, "A", bouquet)

    assert client.post(f"{SHOPS}/{key}/blacklist", json={"reason": " "}).status_code == 422
    assert client.post(f"{SHOPS}/{key}/blacklist", json={"reason": "無断キャンセルが続いた"}).status_code == 204
    assert client.post(f"{SHOPS}/{key}/blacklist", json={"reason": "別の理由"}).status_code == 409
    stopped = one(client, key)
    assert (stopped["state"], stopped["blacklist_reason"]) == ("blacklisted", "無断キャンセルが続いた")
    assert client.get(f"{SERVICES}/{bouquet}/shops").json()["items"][0]["blacklisted_at"] is not None
    assert client.get(SERVICES).json()["items"][0]["shops"] == 0

    assert client.post(f"{SHOPS}/{key}/lift", json={"reason": "店主と話し合った"}).status_code == 204
    assert client.post(f"{SHOPS}/{key}/lift", json={"reason": "もう一度"}).status_code == 409
    again = one(client, key)
    assert (again["state"], again["blacklist_reason"], again["services"][0]["place"]) == ("active", None, 1)
    told = partners.history(client, SHOPS, key)
    assert [{change["title"]: change["after"] for change in one["changes"]} for one in told[:2]] == [
        {"利用停止": "いいえ", "理由": "店主と話し合った"},
        {"利用停止": "はい", "理由": "無断キャンセルが続いた"},
    ]


def test_an_archived_shop_is_neither_edited_nor_blacklisted(sign_in: SignIn) -> None:
    client = sign_in("olivia", reservations="operator")
    key = partners.shop(client, "A")
    client.post(f"{SHOPS}/{key}/archive")

    assert client.patch(f"{SHOPS}/{key}", json={"version": 2, "name": "別の店"}).status_code == 409
    assert client.post(f"{SHOPS}/{key}/blacklist", json={"reason": "理由"}).status_code == 409


def test_numbers_in_the_history_are_written_as_people_write_them(sign_in: SignIn) -> None:
    client = sign_in("olivia", reservations="operator")
    key = partners.shop(client, "A")
    client.patch(f"{SHOPS}/{key}", json={"version": 1, "phone": "0120-123-456"})

    [change] = partners.history(client, SHOPS, key)[0]["changes"]

    assert (change["before"], change["after"]) == ("03-1234-0001", "0120-123-456")


@pytest.mark.parametrize(("role", "reads", "writes"), [("support", 200, 403), ("manager", 403, 403)])
def test_support_reads_shops_the_manager_does_not_and_neither_changes_one(
    sign_in: SignIn, role: str, reads: int, writes: int
) -> None:
    admin = sign_in("alice", reservations="admin")
    bouquet = partners.service(admin)
    key = partners.shop(admin, "A", bouquet)
    client = sign_in("bob", reservations=role)

    for path in (SHOPS, f"{SHOPS}.csv", f"{SHOPS}/summary", f"{SHOPS}/{key}", f"{SHOPS}/{key}/history"):
        assert client.get(path).status_code == reads, path
    assert client.get(f"{SERVICES}/{bouquet}/shops").status_code == reads
    assert client.post(SHOPS, json=SHOP).status_code == writes
    assert client.patch(f"{SHOPS}/{key}", json={"version": 1}).status_code == writes
    assert client.post(f"{SHOPS}/{key}/blacklist", json={"reason": "理由"}).status_code == writes
    assert client.put(f"{SERVICES}/{bouquet}/shops", json={"version": 1, "shops": [key]}).status_code == writes


def test_nobodys_shop_is_not_there(sign_in: SignIn) -> None:
    client = sign_in("olivia", reservations="operator")

    assert client.get(f"{SHOPS}/999999").status_code == client.get(f"{SHOPS}/999999/history").status_code == 404
    assert client.patch(f"{SHOPS}/999999", json={"version": 1}).status_code == 404
    assert client.post(f"{SHOPS}/999999/lift", json={"reason": "x"}).status_code == 404
    assert client.get(f"{SERVICES}/999999/shops").status_code == 404


def by_file(ground: Ground) -> TestClient:
    """An operator, and the services that the file names."""
    admin = ground.person("alice", reservations="admin")
    partners.service(admin)
    partners.service(admin, "cake", "ケーキ")
    return ground.person("olivia", reservations="operator")


def orders(client: TestClient) -> dict[str, list[str]]:
    return {one["code"]: order(client, one["id"]) for one in client.get(SERVICES).json()["items"]}


def test_shops_come_by_file_and_the_same_file_again_changes_nothing(ground: Ground) -> None:
    client = by_file(ground)

    imported(ground, client, FILE, KIND)
    again = preview(client, begun(client, FILE, KIND))["counts"]
    first, second = client.get(SHOPS).json()["items"]

    assert again == {"new": 0, "update": 0, "same": 2, "error": 0}
    assert (first["phone"], first["closed_weekdays"], first["contact_name"]) == ("+81312340001", [], "佐藤 花")
    assert (second["opens_at"], second["closes_at"], second["closed_weekdays"]) == ("10:00:00", "17:30:00", [3, 7])
    assert orders(client) == {"bouquet": ["S001", "S002"], "cake": ["S002"]}


def test_a_file_says_who_is_called_when_and_others_make_room(ground: Ground) -> None:
    client = by_file(ground)
    imported(ground, client, FILE, KIND)
    file = HEADER + "S003,花の里,03-1234-0003,,,,,,,花束:1\nS002,,,,,,,,,花束:2\n"

    done = imported(ground, client, file, KIND)
    again = preview(client, begun(client, file, KIND))["counts"]

    assert "新規 1店、更新 1店" in done["message"]
    assert orders(client) == {"bouquet": ["S003", "S002", "S001"], "cake": []}
    assert again["same"] == 2
    key = next(shop["id"] for shop in client.get(SHOPS).json()["items"] if shop["code"] == "S002")
    told = [change for entry in partners.history(client, SHOPS, key) for change in entry["changes"]]
    assert [(one["before"], one["after"]) for one in told if one["field"] == "services"] == [
        ("花束:2、ケーキ:1", "花束:2"),
        (None, "花束:2、ケーキ:1"),
    ]


def test_what_was_taken_along_comes_back_without_a_change(ground: Ground) -> None:
    client = by_file(ground)
    imported(ground, client, FILE, KIND)

    for path in (f"{SHOPS}.csv", f"{SHOPS}.xlsx"):
        draft = begun(client, client.get(path).content, KIND)
        assert draft["counts"] == {"new": 0, "update": 0, "same": 2, "error": 0}
    text = client.get(f"{SHOPS}.csv").content.decode("utf-8-sig")
    assert text.splitlines()[0].startswith(HEADER.strip())
    [*_, second] = csv.reader(io.StringIO(text))
    assert second[:5] == ["S002", "花工房みどり", "03-1234-0002", "", ""]
    assert second[5:12] == ["10:00", "17:30", "水・日", "午前中がよい", "花束:2、ケーキ:1", "利用中", ""]


def test_the_template_has_the_column_of_places_and_can_be_sent(ground: Ground) -> None:
    client = by_file(ground)

    template = client.get(f"/api/core/imports/{KIND}/template.csv")

    assert template.content.decode("utf-8-sig").splitlines()[0] == HEADER.strip()
    assert begun(client, template.content, KIND)["counts"]["new"] == 1


def test_wrong_rows_are_said_in_words_and_nothing_is_taken_in(ground: Ground) -> None:
    client = by_file(ground)
    imported(ground, client, FILE, KIND)
    key = client.get(SHOPS, params={"q": "S001"}).json()["items"][0]["id"]
    client.post(f"{SHOPS}/{key}/archive")
    rows = (
        "S001,銀座,03-1234-0001,,,,,,,\nS010,電話が違う,12-34,,,,,,,\nS011,時刻が違う,03-1234-0011,,,朝,,,,\n"
        "S012,逆さま,03-1234-0012,,,18:00,9:00,,,\nS013,曜日が違う,03-1234-0013,,,,,第2水曜,,\n"
        "S014,知らない,03-1234-0014,,,,,,,寿司:1\nS015,重なる,03-1234-0015,,,,,,,ケーキ:5\n"
        "S016,重なる,03-1234-0016,,,,,,,ケーキ:5\nS017,電話がない,,,,,,,,\n"
    )

    draft = begun(client, HEADER + rows, KIND)
    said = str(preview(client, draft)["errors"])

    assert preview(client, draft)["counts"] == {"new": 1, "update": 0, "same": 0, "error": 8}
    for words in (
        "アーカイブされています", "市外局番から", "「9:00」のように", "開始より後", "「水・日」のように",
        "「寿司」というサービスはありません", "「S015」と重なっています", "必須の項目",
    ):  # fmt: skip
        assert words in said, words
    assert client.post(f"/api/core/imports/{draft['id']}/run").status_code == 422


def test_support_and_the_manager_bring_no_files(ground: Ground) -> None:
    for role in ("support", "manager"):
        client = ground.person(role, reservations=role)
        assert client.get(f"/api/core/imports/{KIND}/template.csv").status_code == 403
