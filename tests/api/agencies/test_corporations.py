"""法人: found, read in full, changed by all three roles, never visible to another agency."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.agencies.cards import actions as card_actions
from service.agencies.cards import queries as cards
from service.agencies.corporations import actions
from service.agencies.corporations.models import Corporation
from service.agencies.corporations.schemas import NewCorporation
from service.agencies.settings import settings
from service.core.audit import AuditEntry
from service.core.problems import Invalid
from tests.api.agencies import scene
from tests.api.agencies.scene import Scene

COMPANY: dict[str, Any] = {
    "customer_type": "2",
    "corporation_number": "７１２３４５６７８９０１２",
    "last_name": "株式会社ABC",
    "last_name_kana": "かぶしきがいしゃｴｰﾋﾞｰｼｰ",
    "representative_last_name": "山田",
    "representative_first_name": "太郎",
    "representative_last_name_kana": "ヤマダ",
    "representative_first_name_kana": "タロウ",
    "zip_code": "150-0002",
    "prefecture": "東京都",
    "city": "渋谷区",
    "town": "渋谷",
    "street": "1-2-3",
    "phone1": "0312345678",
    "mail_address": "abc@example.com",
    "job_type": "1",
    "payment_type": "2",
    "sales_channel_id": "1",
}
CARD = {
    "number": "4111 1111 1111 1111",
    "expire_month": "3",
    "expire_year": "30",
    "holder": "Taro Yamada",
}


def create(team: Scene, **values: Any) -> Corporation:
    corporation = actions.create(team.db, team.acting(team.alice), team.a.id, NewCorporation(**(COMPANY | values)))
    team.db.commit()
    return corporation


def test_a_new_corporation_is_stored_in_the_format_of_the_carrier(team: Scene) -> None:
    corporation = create(team)

    assert (corporation.corporation_number, corporation.last_name_kana) == (
        "7123456789012",
        "カブシキガイシャエービーシー",
    )
    assert (corporation.zip_code, corporation.phone1, corporation.name) == ("1500002", "03-1234-5678", "株式会社ABC")


@pytest.mark.parametrize(
    ("changed", "fields"),
    [
        ({"corporation_number": ""}, {"corporation_number"}),
        ({"corporation_number": "7123456789013"}, {"corporation_number"}),
        ({"representative_last_name": "", "job_type": ""}, {"representative_last_name", "job_type"}),
        ({"customer_type": "1"}, {"first_name", "first_name_kana", "birthday"}),
        ({"customer_type": "9"}, {"customer_type"}),
        ({"payment_type": "1"}, {"card"}),
        ({"card": CARD}, {"card"}),
        ({"zip_code": "150", "phone1": "12", "mail_address": "x"}, {"zip_code", "phone1", "mail_address"}),
        (
            {"billing_address_same": False},
            {
                "billing_zip_code",
                "billing_prefecture",
                "billing_city",
                "billing_street",
                "billing_customer_name",
            },
        ),
        ({"payment_type": "1", "card": CARD | {"number": "4111111111111112"}}, {"card.number"}),
        ({"payment_type": "1", "card": CARD | {"expire_year": "2020"}}, {"card.expire_year"}),
        ({"payment_type": "1", "card": CARD | {"security_code": "123"}}, {"card.security_code"}),
    ],
)
def test_all_errors_are_reported_at_once_by_field(team: Scene, changed: dict[str, Any], fields: set[str]) -> None:
    with pytest.raises(Invalid) as refused:
        create(team, **changed)

    assert {error.field for error in refused.value.errors} == fields
    assert "4111" not in str(refused.value.errors)


def test_what_has_no_place_is_emptied(team: Scene) -> None:
    individual = create(
        team,
        customer_type="1",
        first_name="花子",
        first_name_kana="ハナコ",
        birthday="1980-01-02",
        representative_birthday="1970-01-01",
        billing_city="大阪市",
    )

    assert (individual.corporation_number, individual.representative_last_name, individual.billing_city) == ("", "", "")
    assert individual.representative_birthday is None


def test_the_list_is_searched_however_it_is_written(team: Scene) -> None:
    corporation = create(team)
    scene.corporation(team.db, team.a, "有限会社XYZ", last_name_kana="エックスワイゼット")
    team.db.commit()
    client = team.sign_in(team.alice)

    for q in ("ABC", "ａｂｃ", "エービー", "7123456789012", "0312345678", "03-1234-5678"):
        listed = client.get("/api/agencies/corporations", params={"q": q}).json()
        assert [item["id"] for item in listed["items"]] == [corporation.id], q


def test_the_order_of_kana_is_that_of_names_and_not_of_kinds_of_companies(team: Scene, db: Session) -> None:
    names = {
        "カブシキガイシャサクラ": "サクラ",
        "アオバ　カブシキガイシャ": "アオバ",
        "ユウゲンガイシャ　ウメ": "ウメ",
        "イリョウホウジンシャダンイロハカイ": "イロハカイ",
        "イッパンシャダンホウジンエンドウ": "エンドウ",
        "カブシキガイシャ": "カブシキガイシャ",
        "オカダ": "オカダ",
    }
    for kana in names:
        scene.corporation(db, team.a, last_name_kana=kana)
    scene.corporation(
        db, team.a, last_name="山田", first_name="太郎", last_name_kana="ヤマダ", first_name_kana="タロウ"
    )
    db.commit()
    client = team.sign_in(team.alice)

    items = client.get("/api/agencies/corporations").json()["items"]
    reversed_items = client.get("/api/agencies/corporations", params={"sort": "-kana"}).json()["items"]

    assert [item["reading"] for item in items] == [*sorted(names.values()), "ヤマダ タロウ"]
    assert [item["reading"] for item in reversed_items] == [item["reading"] for item in items][::-1]
    assert {item["kana"]: item["reading"] for item in items}.items() >= names.items()


def test_users_of_another_agency_find_nothing_anywhere(team: Scene) -> None:
    corporation = create(team, payment_type="1", card=CARD)
    client = team.sign_in(team.bob)
    path = f"/api/agencies/corporations/{corporation.id}"

    answers = [
        client.get(path),
        client.get(f"{path}/requests"),
        client.patch(path, json={"version": 1, "city": "港区"}),
        client.put(f"{path}/card", json=CARD | {"version": 1}),
        client.request("DELETE", f"{path}/card", json={"reason": "誤入力", "version": 1}),
    ]
    revealed = client.post(f"{path}/card/reveal", json={"reason": "入力"})
    listed = client.get("/api/agencies/corporations", params={"agency_id": team.a.id}).json()
    file = client.get("/api/agencies/corporations.csv").text
    duplicates = client.post(
        "/api/agencies/corporations/duplicates", json={"corporation_number": "7123456789012"}
    ).json()

    assert [answer.status_code for answer in answers] == [404] * 5
    assert revealed.status_code == 403
    assert (listed["items"], duplicates["items"], "ABC" in file) == ([], [], False)


def test_all_three_roles_edit_a_corporation_and_the_audit_log_says_what(team: Scene, db: Session) -> None:
    corporation = create(team)
    path = f"/api/agencies/corporations/{corporation.id}"

    for number, user in enumerate((team.alice, team.anna, team.olga, team.adam), 1):
        changed = team.sign_in(user).patch(path, json={"version": number, "city": f"渋谷区{number}"})
        assert changed.status_code == 204, changed.text

    entries = db.execute(select(AuditEntry.actor, AuditEntry.before, AuditEntry.after).order_by(AuditEntry.id)).all()
    assert entries[-1] == ("adam", {"city": "渋谷区3"}, {"city": "渋谷区4"})
    assert team.client.get(path).json()["city"] == "渋谷区4"


def test_two_tabs_see_both_sides_and_never_the_card(team: Scene) -> None:
    corporation = create(team, payment_type="1", card=CARD)
    client = team.sign_in(team.alice)
    path = f"/api/agencies/corporations/{corporation.id}"
    version = client.get(path).json()["version"]

    first = client.patch(path, json={"version": version, "city": "港区"})
    second = client.patch(path, json={"version": version, "city": "新宿区", "card": CARD | {"security_code": "987"}})

    assert (first.status_code, second.status_code) == (204, 409)
    assert (second.json()["yours"], second.json()["current"]["city"]) == ({"city": "新宿区"}, "港区")
    assert CARD["number"][:9] not in second.text
    assert "card" not in second.json()["current"]


def test_an_older_error_does_not_block_another_change(team: Scene, db: Session) -> None:
    corporation = scene.corporation(db, team.a, representative_last_name="")
    db.commit()
    client = team.sign_in(team.alice)
    path = f"/api/agencies/corporations/{corporation.id}"

    changed = client.patch(path, json={"version": 1, "phone2": "09011112222"})
    emptied = client.patch(path, json={"version": 2, "phone1": ""})

    assert (changed.status_code, emptied.status_code) == (204, 422)
    assert emptied.json()["errors"] == [{"field": "phone1", "message": "入力してください。"}]


def test_another_kind_of_customer_empties_what_it_has_not(team: Scene) -> None:
    corporation = create(team)
    client = team.sign_in(team.alice)
    path = f"/api/agencies/corporations/{corporation.id}"

    body = {"version": 1, "customer_type": "1", "first_name": "太郎", "first_name_kana": "タロウ"}
    answer = client.patch(path, json=body | {"birthday": "1980-01-02"})
    detail = client.get(path).json()

    assert answer.status_code == 204, answer.text
    assert (detail["corporation_number"], detail["representative_last_name"], detail["birthday"]) == (
        "",
        "",
        "1980-01-02",
    )


def test_duplicates_are_found_within_ones_agency_and_by_operators_across_all(team: Scene, db: Session) -> None:
    create(team)
    of_b = scene.corporation(db, team.b, "株式会社　ABC", corporation_number="7123456789012", phone1="0312345678")
    db.commit()
    query = {"name": "株式会社ABC", "phone": "03-1234-5678", "corporation_number": "7123456789012"}

    for_sales = team.sign_in(team.alice).post("/api/agencies/corporations/duplicates", json=query).json()["items"]
    for_operator = team.sign_in(team.olga).post("/api/agencies/corporations/duplicates", json=query).json()["items"]
    without_own = team.client.post("/api/agencies/corporations/duplicates", json=query | {"except_id": of_b.id}).json()[
        "items"
    ]

    assert [item["agency_name"] for item in for_sales] == ["株式会社AAA代理店"]
    assert [(item["agency_name"], item["same"]) for item in for_operator] == [
        ("株式会社BBB代理店", ["corporation_number", "name", "phone"]),
        ("株式会社AAA代理店", ["corporation_number", "name", "phone"]),
    ]
    assert [item["agency_name"] for item in without_own] == ["株式会社AAA代理店"]


def test_a_corporations_page_says_how_many_requests_and_sites(team: Scene, db: Session) -> None:
    corporation = create(team)
    scene.request(db, corporation, team.alice, "working", "entered", "cancelled")
    scene.request(db, create(team), team.alice, "working")
    db.commit()
    client = team.sign_in(team.alice)

    detail = client.get(f"/api/agencies/corporations/{corporation.id}").json()
    listed = client.get(f"/api/agencies/corporations/{corporation.id}/requests").json()["items"]

    assert (detail["requests"], detail["open_requests"], detail["sites"], detail["card"]) == (1, 1, 2, None)
    assert (listed[0]["entered_sites"], listed[0]["sites"], len(listed[0]["site_names"])) == (1, 2, 3)
    assert client.get("/api/agencies/corporations").json()["items"][0]["sites"] == 2


def test_where_cards_are_not_taken_the_corporation_is_stored_and_the_reason_given(
    team: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    corporation = create(team)
    without_keys = settings().model_copy(update={"card_keys": SecretStr("")})
    for module in (cards, card_actions):
        monkeypatch.setattr(module, "settings", lambda: without_keys)
    client = team.sign_in(team.alice)

    intake = client.get("/api/agencies/card-intake").json()
    changed = client.patch(f"/api/agencies/corporations/{corporation.id}", json={"version": 1, "payment_type": "1"})
    refused = client.put(f"/api/agencies/corporations/{corporation.id}/card", json=CARD | {"version": 2})

    assert (intake["takes_number"], "AGENCIES_CARD_KEYS" in intake["why"]) == (False, True)
    assert (changed.status_code, refused.status_code) == (204, 409)
    assert "AGENCIES_CARD_KEYS" in refused.json()["detail"]


def test_a_reading_is_proposed_where_it_is_certain(team: Scene) -> None:
    client = team.sign_in(team.alice)

    def proposed_kana(name: str) -> Any:
        return client.get("/api/agencies/kana", params={"name": name}).json()["kana"]

    assert proposed_kana("株式会社ABC") == "カブシキガイシャエービーシー"
    assert proposed_kana("山田商店") is None
    assert client.get("/api/agencies/kana", params={"name": ""}).status_code == 422
