"""選択肢, オプションサービス and 元フィールド (8, 9, 2.4, 2.5): the document's rows, and who may change them."""

from __future__ import annotations

import csv
import io
import re
from fnmatch import fnmatchcase
from typing import Any

import pytest
from sqlalchemy import select

from service.agencies.masters import queries
from service.agencies.masters.models import CarrierField
from service.agencies.masters.rules import COLUMNS
from service.agencies.rules import CARD_FIELDS, CORPORATION_FIELDS, SITE_FIELDS, CarrierRecord, ChoiceList, FieldPart
from service.core.problems import Invalid
from tests.api.agencies.scene import Scene

# Section 8, word for word.
OPTIONS = """
OPT001002 | トラブル解決レスキューforBiz_年額 | 5,500円/年(税込) | ❌
OPT004126 | トラブル解決レスキューforBiz_年額（初年度無料） | -5,500円/年(税込) | ❌
OPT013234 | 飲食店サポートパック | 4,378円/月(税込) | ✅
OPT018251 | オフィスサポートパックSA | 4,378円/月(税込) | ✅
OPT021261 | 店舗サポートパックSA | 4,378円/月(税込) | ✅
OPT030245 | 支払繰延規定免除オプション | 0円 | ❌
OPT032000 | 電気量のお知らせ（25年改定） | 165円/月(税込) | ❌
OPT033000 | ガス量のお知らせ（25年改定） | 165円/月(税込) | ❌
OPT036270 | 設備メンテナンスオプション | 4,378円/月(税込) | ❌
OPT055248 | ウェルカム割S | 0円 | ❌
OPT061070 | 低圧高負荷 | 0円 | ❌
"""
# Section 9, word for word.
CHOICES = {
    "営業チャネル": "1:訪問 / 2:インバウンド / 3:アウトバウンド / 5:WEB / 6:紹介 / 7:インサイド",
    "契約者区分": "1:個人 / 2:法人 / 3:屋号（個人事業主等）",
    "支払方法": "1:クレジットカード / 2:口座振替（銀行引落し） / 3:コンビニ払い（請求書払い）",
    "申込区分": "1:他社からの切替 / 2:ご入居 / 4:移転 / 5:他社からの切替(開業)",
    "電力会社": (
        "01:北海道電力 / 02:東北電力 / 03:東京電力 / 04:中部電力 / 05:北陸電力 / 06:関西電力 / 07:中国電力"
        " / 08:四国電力 / 09:九州電力 / 10:沖縄電力 / 99:その他"
    ),
    "業種": (
        "1:飲食店 / 2:物販 / 3:サービス / 4:事務所 / 5:施設 / 6:宿泊施設 / 7:製造 / 8:建設・不動産 / 9:運輸・倉庫"
        " / 10:農林水産 / 11:その他"
    ),
    # 2.4 and 2.5.
    "請求明細": "0:不要 / 3:要",
    "支払証明": "0:不要 / 1:要",
}
# 元フィールド of 2.4 and 2.5, word for word but for the 〜 between two of them.
CARRIER_FIELDS = """
customer_type customer_type
corporation_number corporation_number
last_name last_name
first_name first_name
last_name_kana last_name_kana
first_name_kana first_name_kana
representative_last_name representative_last_name
representative_first_name representative_first_name
representative_last_name_kana representative_last_name_kana
representative_first_name_kana representative_first_name_kana
zip_code zip_code1 zip_code2
prefecture prefecture
city city
town town
street street_number*
building_name building_name
phone1 phone1 phone2 phone3
phone2 phone2_1 phone2_2 phone2_3
mail_address mail_address
birthday birthday_*
representative_birthday representative_birthday_*
job_type job_type
payment_type payment_type
credit_card_number credit_card_number
credit_card_expire_month credit_card_expire_month
credit_card_expire_year credit_card_expire_year
credit_card_name credit_card_name
credit_card_security_code credit_card_security_code
invoice invoice
payment_certificate payment_certificate
billing_address_same payment_location_address_type
billing_zip_code payment_zip_code1 payment_zip_code2
billing_prefecture payment_prefecture
billing_city payment_city
billing_town payment_town
billing_street payment_street_number*
billing_building payment_building_name
billing_customer_name payment_customer_name
sales_channel_id sales_channel_id
pps_business_number pps_business_number
application_type application_type
contract_capacity contract_capacity_form
power_supplier_type power_supplier_type
power_customer_number power_customer_number
power_customer_location_number power_customer_location_number
power_zip_code power_zip_code1 power_zip_code2
power_prefecture power_prefecture
power_city power_city
power_town power_town
power_street power_street_*
power_building power_building_*
power_room_number power_room_number
power_building_type power_building_type
power_branch_name power_branch_name
power_customer_name power_customer_name
power_customer_name_kana power_customer_name_kana
latest_charges latest_electricity_charges
latest_power_usage latest_electricity_power_usage
latest_date latest_electricity_date_*
moving_in_date moving_in_*
note note
contract_corporation_type contract_corporation_type
saisan_gas_yoto saisan_gas_yoto
ecolog_gas_yoto ecolog_gas_yoto
power_amounts_form power_amounts_form
"""
NEW = {"list": "job_type", "code": "12", "name": "医療"}
ONE_OF_EACH: dict[str, dict[str, Any]] = {
    "choices": NEW,
    "options": {"code": "OPT099999", "name": "新しいオプション", "price": "100円/月(税込)", "is_support_pack": True},
    "carrier-fields": {
        "record": "site",
        "field": "power_area",
        "page": "5page",
        "carrier_field": "power_area_code",
    },
}


def test_the_options_are_the_documents_in_its_order(team: Scene) -> None:
    items = team.sign_in(team.olga).get("/api/agencies/options").json()["items"]

    found = [
        " | ".join([option["code"], option["name"], option["price"], "✅" if option["is_support_pack"] else "❌"])
        for option in items
    ]
    assert found == OPTIONS.strip().splitlines()


def test_the_choices_are_the_documents_in_its_order(team: Scene) -> None:
    answer = team.sign_in(team.alice).get("/api/agencies/masters").json()["choices"]

    found = {
        ChoiceList(name).label: " / ".join(f"{choice['code']}:{choice['name']}" for choice in choices)
        for name, choices in answer.items()
    }
    assert {title: found[title] for title in CHOICES} == CHOICES
    examples = {
        ChoiceList(name).label for name, choices in answer.items() if any(choice["is_example"] for choice in choices)
    }
    assert not examples & set(CHOICES)


def test_every_list_of_the_product_has_values_and_a_word(team: Scene) -> None:
    answer = team.sign_in(team.adam).get("/api/agencies/masters").json()["choices"]

    assert {name for name, choices in answer.items() if choices} == set(ChoiceList)


def test_the_titles_of_lists_records_and_parts_are_answered(team: Scene) -> None:
    answer = team.sign_in(team.olga).get("/api/agencies/masters").json()

    assert [*answer["lists"].items()] == [*ChoiceList.labels().items()]
    assert (answer["records"], answer["parts"]) == (CarrierRecord.labels(), FieldPart.labels())


def test_the_carrier_fields_are_the_documents(team: Scene) -> None:
    """元フィールド of 2.4 and 2.5: `*` is what the document leaves open."""
    by_field: dict[str, list[str]] = {}
    for row in team.db.scalars(select(CarrierField)):
        by_field.setdefault(row.field, []).append(row.carrier_field)

    for line in CARRIER_FIELDS.strip().splitlines():
        field, *patterns = line.split()
        assert by_field[field], field
        assert all(any(fnmatchcase(name, pattern) for pattern in patterns) for name in by_field[field]), (
            field,
            by_field[field],
        )
        assert all(any(fnmatchcase(name, pattern) for name in by_field[field]) for pattern in patterns), (
            field,
            by_field[field],
        )
    unwritten = {line.split()[0] for line in CARRIER_FIELDS.strip().splitlines()}
    # 2.1 and 2.2 name no field; 検索結果 and 動的 of 2.5 neither.
    assert set(by_field) - unwritten == {
        *("referral_shop_code", "referral_shop_name", "sales_staff_code", "l_code", "power_plan_name", "option_plans")
    }


def test_every_carrier_field_says_what_goes_there(team: Scene) -> None:
    fields = team.db.scalars(select(CarrierField)).all()

    assert all(row.field in COLUMNS[row.record] for row in fields)
    assert set(CarrierRecord) == set(COLUMNS)
    # 2.4 and 2.5 give each column its field, except for these: they follow from another one, or are the product's own.
    own = {"service_type", "power_area"}
    with_carrier_field = {row.field for row in fields if row.record in ("corporation", "site")}
    assert {*CORPORATION_FIELDS, *CARD_FIELDS, *SITE_FIELDS} == with_carrier_field | own
    parts = {(row.field, row.part): row.carrier_field for row in fields if row.record == "corporation"}
    assert [parts["zip_code", "first"], parts["zip_code", "second"]] == ["zip_code1", "zip_code2"]
    assert [parts["phone1", part] for part in ("first", "second", "third")] == ["phone1", "phone2", "phone3"]


@pytest.mark.parametrize("path", [*ONE_OF_EACH])
def test_a_row_is_added_at_the_end_changed_archived_and_restored(team: Scene, path: str) -> None:
    client, base, new = team.sign_in(team.adam), f"/api/agencies/{path}", ONE_OF_EACH[path]
    before = client.get(base, params={"limit": 100, **({"list": "job_type"} if path == "choices" else {})}).json()

    created = client.post(base, json=new)
    again = client.post(base, json=new)
    row_path = f"{base}/{created.json()['id']}"
    changed = client.patch(row_path, json={"version": 1, "position": 1})
    stale = client.patch(row_path, json={"version": 1, "position": 2})
    archived = client.post(f"{row_path}/archive")
    too_late = client.patch(row_path, json={"version": 3, "position": 2})
    [item] = client.get(base, params={"archived": True}).json()["items"]
    restored = client.post(f"{row_path}/restore")

    statuses = [answer.status_code for answer in (created, again, changed, stale, archived, too_late, restored)]
    assert statuses == [201, 409, 204, 409, 204, 409, 204]
    assert item | new | {"position": 1} == item
    assert client.get(base, params={"limit": 100}).json()["total"] > before["total"]
    assert stale.json()["current"]["position"] == 1


def test_codes_are_given_once_and_never_changed(team: Scene) -> None:
    client = team.sign_in(team.adam)
    choice_id = client.post("/api/agencies/choices", json=NEW).json()["id"]
    client.post(f"/api/agencies/choices/{choice_id}/archive")

    reused = client.post("/api/agencies/choices", json=NEW | {"name": "別のもの"})
    changed = client.patch(f"/api/agencies/choices/{choice_id}", json={"version": 2, "code": "13"})

    assert (reused.status_code, changed.status_code) == (409, 422)
    assert reused.json()["errors"] == [{"field": "code", "message": "コード「12」はすでに登録されています。"}]


def test_lists_that_the_work_depends_on_keep_their_codes(team: Scene) -> None:
    client = team.sign_in(team.adam)
    [choice, *_] = client.get("/api/agencies/choices", params={"list": "customer_type"}).json()["items"]

    added = client.post("/api/agencies/choices", json={"list": "customer_type", "code": "4", "name": "団体"})
    archived = client.post(f"/api/agencies/choices/{choice['id']}/archive")
    renamed = client.patch(f"/api/agencies/choices/{choice['id']}", json={"version": 1, "name": "個人のお客様"})

    assert choice["is_fixed"]
    assert (added.status_code, archived.status_code, renamed.status_code) == (409, 409, 204)


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        ("choices", {"code": "医療"}),
        ("choices", {"name": " "}),
        ("choices", {"list": "colour"}),
        ("choices", {"position": 0}),
        ("options", {"code": "OPT 1"}),
        ("options", {"price": "円" * 51}),
        ("carrier-fields", {"carrier_field": "項目"}),
        ("carrier-fields", {"part": "half"}),
        ("carrier-fields", {"record": "card"}),
    ],
)
def test_wrong_values_are_refused_at_their_field(team: Scene, path: str, wrong: dict[str, Any]) -> None:
    answer = team.sign_in(team.adam).post(f"/api/agencies/{path}", json=ONE_OF_EACH[path] | wrong)

    assert answer.status_code == 422
    assert {error["field"] for error in answer.json()["errors"]} == set(wrong)


def test_a_carrier_field_is_of_a_column_that_there_is(team: Scene) -> None:
    new = ONE_OF_EACH["carrier-fields"] | {"field": "birthday"}

    assert team.sign_in(team.adam).post("/api/agencies/carrier-fields", json=new).status_code == 422


@pytest.mark.parametrize("login_id", ["alice", "olga"])
@pytest.mark.parametrize("path", [*ONE_OF_EACH])
def test_all_roles_read_the_masters_and_only_administrators_change_them(team: Scene, login_id: str, path: str) -> None:
    client, base = team.sign_in(getattr(team, login_id)), f"/api/agencies/{path}"
    [row, *_] = client.get(base).json()["items"]

    answers = [
        client.post(base, json=ONE_OF_EACH[path]),
        client.patch(f"{base}/{row['id']}", json={"version": 1, "position": 9}),
        client.post(f"{base}/{row['id']}/archive"),
        client.post(f"{base}/{row['id']}/restore"),
    ]

    assert {answer.status_code for answer in answers} == {403}
    assert client.get(f"{base}.csv").status_code == 200


def test_an_archived_choice_is_offered_no_more_and_keeps_its_name(team: Scene) -> None:
    client = team.sign_in(team.adam)
    client.post("/api/agencies/choices", json=NEW | {"code": "A1"})
    [*_, last] = client.get("/api/agencies/choices", params={"list": "job_type"}).json()["items"]
    client.post(f"/api/agencies/choices/{last['id']}/archive")

    [*_, shown] = client.get("/api/agencies/masters").json()["choices"]["job_type"]

    assert (last["code"], last["position"]) == ("A1", 12)
    assert shown == {"code": "A1", "name": "医療", "is_example": False, "in_use": False}
    assert queries.titles(team.db)["job_type"]["A1"] == "医療"


def test_a_code_must_stand_in_its_list_and_be_in_use_unless_the_record_has_it_already(team: Scene) -> None:
    client = team.sign_in(team.adam)
    choice_id = client.post("/api/agencies/choices", json=NEW).json()["id"]
    client.post(f"/api/agencies/choices/{choice_id}/archive")
    values = {
        "job_type": ("job_type", "12"),
        "payment_type": ("payment_type", "1"),
        "sales_channel_id": ("sales_channel", "4"),
        "invoice": ("invoice", ""),
    }

    with pytest.raises(Invalid) as refused:
        queries.check(team.db, values)
    queries.check(team.db, values, {"job_type": "12", "sales_channel_id": "4"})

    assert [(error.field, error.message) for error in refused.value.errors] == [
        ("job_type", "業種を選び直してください。"),
        ("sales_channel_id", "営業チャネルを選び直してください。"),
    ]


def test_options_are_checked_the_same_way(team: Scene) -> None:
    with pytest.raises(Invalid) as refused:
        queries.check_options(team.db, "option_plans", ["OPT001002", "OPT000000"])
    queries.check_options(team.db, "option_plans", ["OPT001002", "OPT000000"], ["OPT000000"])

    assert [error.field for error in refused.value.errors] == ["option_plans"]
    assert "OPT000000" in refused.value.errors[0].message


@pytest.mark.parametrize(
    ("path", "filters", "titles"),
    [
        ("choices", {"list": "payment_type"}, "選択肢の種類,コード,名称,例,表示順"),
        ("options", {}, "コード,オプション名,料金,サポートパック,表示順"),
        ("carrier-fields", {"record": "site"}, "ページ,元フィールド,対象,項目,カラム名,部分,表示順"),
    ],
)
def test_masters_are_exported_in_words(team: Scene, path: str, filters: dict[str, str], titles: str) -> None:
    client = team.sign_in(team.olga)

    text = client.get(f"/api/agencies/{path}.csv", params=filters).content.decode("utf-8-sig")
    rows = [*csv.reader(io.StringIO(text))]

    assert rows[0] == titles.split(",")
    assert len(rows) == client.get(f"/api/agencies/{path}", params=filters | {"limit": 100}).json()["total"] + 1
    assert not re.search("payment_type|site,|true|false|whole", text)
    assert client.get(f"/api/agencies/{path}.xlsx", params=filters).status_code == 200


def test_changes_of_masters_are_in_words_in_the_audit_log(team: Scene) -> None:
    client = team.sign_in(team.adam)
    for path, new in ONE_OF_EACH.items():
        client.post(f"/api/agencies/{path}", json=new)

    items = client.get("/api/core/audit", params={"area": "agencies"}).json()["items"]

    for word in ("選択肢", "業種", "オプションサービス", "元フィールド", "地点", "電力供給エリア", "全体"):
        assert word in str(items), word
    assert "job_type" not in str([item["changes"] for item in items])


def test_a_long_list_is_read_page_by_page_in_its_order(team: Scene) -> None:
    client = team.sign_in(team.olga)
    list_names, cursor = [], None
    while True:
        params = {"limit": 7} | ({"cursor": cursor} if cursor else {})
        page = client.get("/api/agencies/choices", params=params).json()
        list_names += [item["list"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break

    assert len(list_names) == page["total"]
    assert [*dict.fromkeys(list_names)] == [*ChoiceList]


def test_a_choice_comes_behind_those_of_its_own_list(team: Scene) -> None:
    client, base = team.sign_in(team.adam), "/api/agencies/choices"

    def positions(name: str) -> list[int]:
        items = client.get(base, params={"list": name, "limit": 100}).json()["items"]
        return [item["position"] for item in items]

    before, other_list = positions("sales_channel"), positions("job_type")
    assert max(other_list) > max(before)
    assert client.post(base, json={"list": "sales_channel", "code": "77", "name": "その他の窓口"}).status_code == 201
    assert positions("sales_channel") == [*before, max(before) + 1]
