"""地点: added, copied, filled in, linked to images, moved on, by operators only; two operators at one site."""

from __future__ import annotations

import csv
import io
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from openpyxl import load_workbook
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.agencies.models import Request, Site
from service.agencies.rules import Status
from service.agencies.sites.rules import GAS_ONLY
from service.core.access.identity import open_session
from service.core.audit import AuditEntry
from service.core.exports.cells import original
from tests import people
from tests.api.agencies import scene
from tests.api.agencies.scene import Scene
from tests.conftest import Service

CASES = "/api/agencies/cases"
CARD = "4111 1111 1111 1111"


@pytest.fixture
def olga(team: Scene) -> TestClient:
    return team.sign_in(team.olga)


@pytest.fixture
def case(team: Scene) -> Request:
    return scene.request(team.db, scene.corporation(team.db, team.a), team.alice)


def path(case: Request, suffix: str = "") -> str:
    return f"{CASES}/{case.id}{suffix}"


def add_site(client: TestClient, case: Request, **body: Any) -> dict[str, Any]:
    answer = client.post(path(case, "/sites"), json=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def errors(answer: Any) -> dict[str, str]:
    assert answer.status_code == 422, answer.text
    return {error["field"]: error["message"] for error in answer.json()["errors"]}


FILLED = {
    "pps_business_number": "E01",
    "application_type": "1",
    "power_area": "03",
    "power_supplier_type": "03",
    "power_customer_number": "１２３-456",
    "power_customer_location_number": "03-0000-1111-2222-3333-4444",
    "power_zip_code": "〒150-0002",
    "power_prefecture": "東京都",
    "power_city": "渋谷区",
    "power_town": "渋谷",
    "power_street": "1-2-3",
    "power_building_type": "3",
    "power_branch_name": "渋谷店",
    "power_customer_name": "株式会社ABC",
    "power_customer_name_kana": "えーびーしー",
    "latest_charges": 54321,
    "latest_power_usage": 1234.5,
    "latest_date": "2026年10月",
    "power_plan_name": "従量電灯C",
    "contract_capacity": "１０kVA",
    "power_amounts_form": "90",
    "moving_in_date": "2026-12-01",
    "option_plans": ["OPT001002", "OPT001002", "OPT061070"],
    "note": "看板は旧店名です。",
}


def test_a_site_is_filled_in_and_stored_in_one_format(olga: TestClient, case: Request, db: Session) -> None:
    site = add_site(olga, case)
    assert (site["status"], site["service_type"]) == ("working", "electricity")
    assert "power_customer_location_number" in site["missing"]

    answer = olga.patch(path(case, f"/sites/{site['id']}"), json={"version": site["version"], **FILLED})

    assert answer.status_code == 200, answer.text
    saved = answer.json()
    assert saved["power_customer_number"] == "123-456"
    assert saved["power_customer_location_number"] == "0300001111222233334444"
    assert saved["power_zip_code"] == "1500002"
    assert saved["power_customer_name_kana"] == "エービーシー"
    assert saved["latest_date"] == "2026-10"
    assert saved["contract_capacity"] == "10kVA"
    assert saved["latest_power_usage"] == 1234.5
    assert saved["option_plans"] == ["OPT001002", "OPT061070"]
    assert (saved["missing"], saved["version"]) == ([], 2)
    entry = db.scalars(select(AuditEntry).where(AuditEntry.subject == "site", AuditEntry.action == "update")).one()
    assert entry.before is not None
    assert entry.after is not None
    assert (entry.before["power_branch_name"], entry.after["power_branch_name"]) == ("", "渋谷店")


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("power_customer_location_number", "03000011112222333344", "22桁"),
        ("power_customer_location_number", "0100001111222233334444", "合いません"),
        ("power_zip_code", "150", "7桁"),
        ("power_customer_name_kana", "株式会社", "カタカナ"),
        ("latest_date", "2026/13", "12"),
        ("latest_date", "来月", "年月"),
        ("latest_charges", -1, "0以上"),
        ("latest_charges", 10**12, "999999999以下"),
        ("power_supplier_type", "98", "選び直して"),
        ("option_plans", ["OPT999999"], "選び直して"),
        ("note", f"カードは{CARD}です", "カード番号"),
        ("moving_in_date", "1700-01-01", "1900-01-01以降"),
        ("power_branch_name", "渋谷\n店", "改行・タブ"),
        ("status", "entered", "使えない項目"),
    ],
)
def test_wrong_values_are_refused_by_field(
    olga: TestClient, case: Request, field: str, value: Any, message: str
) -> None:
    site = add_site(olga, case)
    body = {"version": 1, "power_supplier_type": "03", field: value}

    assert message in errors(olga.patch(path(case, f"/sites/{site['id']}"), json=body))[field]


def test_all_wrong_fields_are_named_at_once(olga: TestClient, case: Request) -> None:
    site = add_site(olga, case)
    body = {"version": 1, "power_zip_code": "1", "power_customer_name_kana": "漢字", "application_type": "9"}

    assert set(errors(olga.patch(path(case, f"/sites/{site['id']}"), json=body))) == {*body} - {"version"}


def test_gas_fields_stand_at_gas_alone_and_its_number_has_17_digits(olga: TestClient, case: Request) -> None:
    site = add_site(olga, case)
    url = path(case, f"/sites/{site['id']}")
    gas = dict.fromkeys(GAS_ONLY, "1")

    saved = olga.patch(url, json={"version": 1, "pps_business_number": "E01", **gas}).json()
    assert [saved[name] for name in GAS_ONLY] == ["", "", ""]

    # ガス follows from the PPS.
    saved = olga.patch(url, json={"version": saved["version"], "pps_business_number": "G01", **gas}).json()
    assert (saved["service_type"], [saved[name] for name in GAS_ONLY]) == ("gas", ["1", "1", "1"])
    number = {"power_customer_location_number": "1" * 22}
    assert "17桁" in errors(olga.patch(url, json={"version": saved["version"], **number}))[next(iter(number))]
    number = {"power_customer_location_number": "1" * 17}
    saved = olga.patch(url, json={"version": saved["version"], **number}).json()

    # Back to 電気: the number no longer fits, and with a number that fits the gas fields are empty.
    wrong = olga.patch(url, json={"version": saved["version"], "service_type": "electricity"})
    assert "22桁" in errors(wrong)["power_customer_location_number"]
    body = {"version": saved["version"], "service_type": "electricity", "power_customer_location_number": "03" * 11}
    saved = olga.patch(url, json=body).json()
    assert [saved[name] for name in GAS_ONLY] == ["", "", ""]


def test_numbers_and_days_can_be_emptied_and_the_rest_stays(olga: TestClient, case: Request) -> None:
    site = add_site(olga, case)
    url = path(case, f"/sites/{site['id']}")
    olga.patch(url, json={"version": 1, **FILLED})

    emptied = {"latest_charges": None, "latest_power_usage": None, "moving_in_date": None, "latest_date": ""}
    saved = olga.patch(url, json={"version": 2, **emptied, "power_city": None}).json()

    assert {name: saved[name] for name in emptied} == {**emptied}
    assert saved["power_city"] == "渋谷区"


def test_a_copy_begins_with_what_sites_share(olga: TestClient, case: Request, team: Scene) -> None:
    first = add_site(olga, case)
    olga.patch(path(case, f"/sites/{first['id']}"), json={"version": 1, **FILLED})

    second = add_site(olga, case, copy_from=first["id"])
    assert (second["power_plan_name"], second["power_customer_name"]) == ("従量電灯C", "株式会社ABC")
    assert second["option_plans"] == ["OPT001002", "OPT061070"]
    not_copied = ("power_customer_number", "power_customer_location_number", "power_branch_name", "latest_date", "note")
    assert [second[name] for name in (*not_copied, "power_zip_code", "power_street")] == [""] * 7
    assert second["latest_charges"] is None

    third = add_site(olga, case, copy_from=first["id"], with_address=True)
    assert (third["power_zip_code"], third["power_street"]) == ("1500002", "1-2-3")

    other_request = scene.request(team.db, scene.corporation(team.db, team.b), team.bob, Status.WORKING)
    other_site = scene.site(team.db, other_request)
    assert olga.post(path(case, "/sites"), json={"copy_from": other_site.id}).status_code == 404


def test_images_are_tied_to_sites_and_untied(olga: TestClient, case: Request, team: Scene) -> None:
    images = [scene.image(team.db, case, team.alice) for _ in range(2)]
    other_request = scene.request(team.db, scene.corporation(team.db, team.b), team.bob, Status.WORKING)
    other_image = scene.image(team.db, other_request, team.bob)
    team.db.commit()

    site = add_site(olga, case, image_ids=[images[0].id])
    images_now = olga.get(path(case, "/images")).json()["items"]
    assert [(image["id"], image["site_id"]) for image in images_now] == [
        (images[0].id, site["id"]),
        (images[1].id, None),
    ]
    assert olga.get(f"/api/core/files/{images_now[0]['file_id']}").status_code == 200

    second = path(case, f"/images/{images[1].id}")
    assert olga.patch(second, json={"site_id": site["id"], "before": None}).status_code == 204
    assert olga.patch(second, json={"site_id": None, "before": site["id"]}).status_code == 204
    assert olga.patch(second, json={"site_id": 999_999, "before": None}).status_code == 404
    tied = {"site_id": site["id"], "before": None}
    assert olga.patch(path(case, f"/images/{other_image.id}"), json=tied).status_code == 404
    assert olga.post(path(case, "/sites"), json={"image_ids": [other_image.id]}).status_code == 404
    assert [image["site_id"] for image in olga.get(path(case, "/images")).json()["items"]] == [site["id"], None]
    query = select(AuditEntry).where(AuditEntry.subject == "image", AuditEntry.action == "update")
    changes = team.db.scalars(query.order_by(AuditEntry.id))
    assert [entry.after for entry in changes] == [{"site_id": site["id"]}, {"site_id": None}]
    added = select(AuditEntry.after).where(AuditEntry.subject == "site", AuditEntry.action == "create")
    assert [entry and entry["images"] for entry in team.db.scalars(added)] == [[images[0].file_name]]


def test_an_image_that_was_tied_elsewhere_meanwhile_stays_there(olga: TestClient, case: Request, team: Scene) -> None:
    image = scene.image(team.db, case, team.alice)
    first, second = scene.site(team.db, case), scene.site(team.db, case)
    team.db.commit()
    url = path(case, f"/images/{image.id}")
    assert olga.patch(url, json={"site_id": first.id, "before": None}).status_code == 204

    answer = olga.patch(url, json={"site_id": second.id, "before": None})

    assert (answer.status_code, answer.json()["type"]) == (409, "urn:genba:stale")
    assert (answer.json()["yours"], answer.json()["current"]) == ({"site_id": second.id}, {"site_id": first.id})
    assert olga.get(path(case, "/images")).json()["items"][0]["site_id"] == first.id


def test_what_is_missing_is_named_field_by_field_before_it_is_entered(olga: TestClient, case: Request) -> None:
    site = add_site(olga, case)
    url = path(case, f"/sites/{site['id']}")

    missing = errors(olga.post(f"{url}/status", json={"to": "entered", "version": 1}))
    assert {"pps_business_number", "power_customer_location_number", "power_customer_name"} <= {*missing}
    assert "供給地点特定番号" in missing["power_customer_location_number"]

    # 入居: the number is not required, but a day is.
    moving = {**FILLED, "application_type": "2", "power_customer_number": "", "moving_in_date": None}
    assert olga.patch(url, json={"version": 1, **moving}).json()["missing"] == ["moving_in_date"]
    saved = olga.patch(url, json={"version": 2, "moving_in_date": "2026-12-01"}).json()
    entered = olga.post(f"{url}/status", json={"to": "entered", "version": saved["version"]}).json()
    assert entered["status"] == "entered"
    assert entered["entered_at"]
    assert olga.get(path(case)).json()["status"] == "entered"


def test_an_entered_site_can_be_put_right_but_not_emptied(olga: TestClient, case: Request, team: Scene) -> None:
    site = scene.site(team.db, case, Status.ENTERED)
    team.db.commit()
    url = path(case, f"/sites/{site.id}")

    assert "空にできません" in errors(olga.patch(url, json={"version": 1, "power_street": ""}))["power_street"]
    assert olga.patch(url, json={"version": 1, "power_branch_name": "本店"}).json()["power_branch_name"] == "本店"


def test_a_cancelled_site_stays_as_it_is(olga: TestClient, case: Request, team: Scene) -> None:
    site = scene.site(team.db, case, Status.CANCELLED)
    team.db.commit()

    answer = olga.patch(path(case, f"/sites/{site.id}"), json={"version": 1, "note": "x"})
    assert (answer.status_code, "キャンセル" in answer.json()["detail"]) == (409, True)


def test_two_at_one_site_lose_nothing(olga: TestClient, case: Request, team: Scene) -> None:
    site = add_site(olga, case)
    url = path(case, f"/sites/{site['id']}")
    adam = team.sign_in(team.adam)
    assert adam.patch(url, json={"version": 1, "power_branch_name": "本店"}).status_code == 200

    answer = team.sign_in(team.olga).patch(url, json={"version": 1, "power_branch_name": "渋谷店", "note": "急ぎ"})

    assert answer.status_code == 409
    body = answer.json()
    assert body["type"] == "urn:genba:stale"
    assert body["yours"] == {"power_branch_name": "渋谷店", "note": "急ぎ"}
    assert (body["current"]["power_branch_name"], body["current"]["note"]) == ("本店", "")
    assert body["current"]["version"] == 2
    team.db.expire_all()
    row = team.db.get_one(Site, site["id"])
    assert (row.power_branch_name, row.note) == ("本店", "")
    # With the newest version the edit is stored.
    saved = team.client.patch(url, json={"version": 2, "note": "急ぎ"}).json()
    assert (saved["power_branch_name"], saved["note"]) == ("本店", "急ぎ")


def test_a_stale_status_changes_nothing(olga: TestClient, case: Request) -> None:
    site = add_site(olga, case)
    url = path(case, f"/sites/{site['id']}")
    olga.patch(url, json={"version": 1, **FILLED})

    answer = olga.post(f"{url}/status", json={"to": "entered", "version": 1})

    assert (answer.status_code, answer.json()["current"]) == (409, {"status": "working", "version": 2})
    assert olga.get(path(case, "/sites")).json()["items"][0]["status"] == "working"


def test_a_site_added_by_mistake_goes_and_one_with_a_history_stays(
    olga: TestClient, case: Request, team: Scene
) -> None:
    image = scene.image(team.db, case, team.alice)
    team.db.commit()
    wrong = add_site(olga, case, image_ids=[image.id])
    olga.patch(path(case, f"/sites/{wrong['id']}"), json={"version": 1, **FILLED})
    url = path(case, f"/sites/{wrong['id']}")
    stale = olga.request("DELETE", url, json={"version": 1})
    assert (stale.status_code, stale.json()["current"]) == (409, {"status": "working", "version": 2})
    assert olga.request("DELETE", url, json={"version": 2}).status_code == 204
    assert olga.get(path(case, "/sites")).json()["items"] == []
    assert olga.get(path(case, "/images")).json()["items"][0]["site_id"] is None
    entry = team.db.scalars(select(AuditEntry).where(AuditEntry.subject == "site", AuditEntry.action == "delete")).one()
    assert entry.before is not None
    assert entry.before["power_branch_name"] == "渋谷店"

    entered = scene.site(team.db, case, Status.ENTERED)
    with_comment = scene.site(team.db, case)
    scene.comment(team.db, case, team.olga, site=with_comment)
    team.db.commit()
    for site in (entered, with_comment):
        refused = olga.request("DELETE", path(case, f"/sites/{site.id}"), json={"version": 1})
        assert (refused.status_code, refused.json()["type"]) == (409, "about:blank")


def test_nothing_is_added_to_a_request_that_was_taken_back(olga: TestClient, team: Scene) -> None:
    from service.core.database.clock import app_now

    case = scene.request(
        team.db, scene.corporation(team.db, team.a), team.alice, status="cancelled", cancelled_at=app_now(team.db)
    )
    team.db.commit()
    assert olga.post(path(case, "/sites"), json={}).status_code == 409


def test_twins_have_the_same_location_number(olga: TestClient, case: Request, team: Scene) -> None:
    first = add_site(olga, case)
    other_request = scene.request(team.db, scene.corporation(team.db, team.b), team.bob)
    twin = scene.site(team.db, other_request, power_customer_location_number="0300001111222233334444")
    scene.site(team.db, other_request, Status.CANCELLED, power_customer_location_number="0300001111222233334444")
    team.db.commit()

    body = {"version": 1, "power_customer_location_number": twin.power_customer_location_number}
    assert olga.patch(path(case, f"/sites/{first['id']}"), json=body).json()["twins"] == 1


def test_the_sheet_has_every_box_in_the_order_of_the_pages(olga: TestClient, team: Scene) -> None:
    corporation = scene.corporation(team.db, team.a, phone1="03-1234-5678", phone2="0451234567")
    case = scene.request(team.db, corporation, team.alice)
    site = scene.site(team.db, case, option_plans=["OPT013234"], latest_date="2026-09")
    team.db.commit()
    url = path(case, f"/sites/{site.id}/entry")

    items = olga.get(url).json()["items"]

    assert [item["page"] for item in items] == sorted(item["page"] for item in items)
    sheet = {item["carrier_field"]: item["value"] for item in items}
    assert (sheet["zip_code1"], sheet["zip_code2"]) == ("150", "0002")
    assert [sheet[name] for name in ("phone1", "phone2", "phone3")] == ["03", "1234", "5678"]
    assert [sheet[name] for name in ("phone2_1", "phone2_2", "phone2_3")] == ["0451234567", "", ""]
    assert (sheet["latest_electricity_date_year"], sheet["latest_electricity_date_month"]) == ("2026", "9")
    assert (sheet["sales_staff_code"], sheet["l_code"]) == ("LCK0A0AY", "L10001")
    labels = {item["carrier_field"]: item["words"] for item in items}
    assert (labels["power_supplier_type"], labels["customer_type"]) == ("東京電力", "法人")
    assert labels["option_plans"] == "飲食店サポートパック"
    # A card is shown by its own route only, with a reason.
    assert not any(value for name, value in sheet.items() if "card" in name)

    file = olga.get(f"{url}.csv")
    rows = file.content.decode("utf-8-sig").split("\r\n")
    assert rows[0] == "ページ,元フィールド,項目,値,選択肢の名前"
    # Excel would read 03 as 3.
    assert any(row.startswith('5page,power_supplier_type,現在の電力会社,"=""03""",東京電力') for row in rows)
    book = load_workbook(io.BytesIO(olga.get(f"{url}.xlsx").content)).worksheets[0]
    cells = [[cell.value or "" for cell in row] for row in book.iter_rows()]
    assert cells == [[original(cell) for cell in row] for row in csv.reader(rows[:-1])]


def test_of_concurrent_edits_one_is_stored_and_the_others_conflict(service: Service) -> None:
    """Real connections: the later ones wait for the first one's row lock, and then see its edit."""
    with service.committed() as db:
        agency = scene.agency(db)
        number = agency.id
        operators = [people.create_user(db, f"operator-{number}-{index}", agencies="operator") for index in range(4)]
        case = scene.request(db, scene.corporation(db, agency), scene.sales(db, f"sales-{number}", agency))
        site = scene.site(db, case)
        tokens = [open_session(db, user, "testclient", timedelta(hours=1))[0] for user in operators]
    url = path(case, f"/sites/{site.id}")

    def save(index: int) -> int:
        with service.http() as client:
            client.headers["Authorization"] = f"Bearer {tokens[index]}"
            return client.patch(url, json={"version": 1, "power_branch_name": f"店舗その{index}"}).status_code

    with ThreadPoolExecutor(len(tokens)) as pool:
        answers = [*pool.map(save, range(len(tokens)))]

    assert sorted(answers) == [200, 409, 409, 409]
    [(name, version)] = service.rows("SELECT power_branch_name, version FROM agencies_sites WHERE id = %s", site.id)
    assert (name, version) == (f"店舗その{answers.index(200)}", 2)
