"""Lists as views declare them, of today and of another day."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from openpyxl import load_workbook
from sqlalchemy import Connection, Engine
from sqlalchemy.orm import Session

from service.core.values.times import local_date
from service.loaners.models import Alias
from tests import people
from tests.api.loaners import stock
from tests.api.loaners.stock import COLLECTED, LENT, STORED
from tests.conftest import seeded_connection

SignIn = Callable[..., TestClient]
LISTS = "/api/loaners/lists"


def devices(db: Session) -> None:
    """A laptop that is lent with a deposit, a printer in Kobe that came back, a router on its shelf in Himeji, a
    tablet whose deposit is not set."""
    staff = people.create_actor(db, "carol", loaners="staff")
    laptop = stock.add_device(db, staff, "AAA1")
    stock.add_form(db, staff, laptop, 40, LENT)
    stock.add_deposit(db, staff, laptop, 30, 1)
    printer = stock.add_device(db, staff, "BBB2", at="kobe", model="imageClass-MF644Cdw")
    stock.add_form(db, staff, printer, 90, LENT | {"1-4": "無し"})
    stock.add_form(db, staff, printer, 20, COLLECTED)
    router = stock.add_device(db, staff, "CCC3", at="himeji", model="WXR-6000AX12S")
    stock.add_form(db, staff, router, 10, STORED)
    tablet = stock.add_device(db, staff, "DDD4", model="iPad-Pro-12.9")
    stock.add_form(db, staff, tablet, 5, LENT)
    stock.add_transfer(db, staff, tablet, 3, "kobe")
    db.add(Alias(alias="OLD-DDD4", device_id=tablet.id))


@pytest.fixture(scope="module")
def _engine(empty: Engine) -> Iterator[Connection]:
    with seeded_connection(empty, devices) as connection:
        yield connection


@pytest.fixture
def filled(db: Session) -> Session:
    """With the `devices`."""
    return db


@pytest.fixture
def staff(filled: Session, sign_in: SignIn) -> TestClient:
    return sign_in("alice", loaners="staff")


def serials(answer: dict[str, Any]) -> list[str]:
    return sorted(row["number"].split("_")[3] for row in answer["items"])


def rows(answer: dict[str, Any]) -> list[dict[str, str]]:
    return [dict(zip(answer["columns"], row["cells"], strict=True)) for row in answer["items"]]


def test_the_integrated_list_has_its_six_columns_for_every_kind(staff: TestClient) -> None:
    answer = staff.get(f"{LISTS}/INTEGRATED").json()

    assert answer["columns"] == ["拠点管理番号", "機器種別", "機種名", "製造番号", "利用状況", "更新日時"]
    shown = {row["製造番号"]: row for row in rows(answer)}
    assert {serial: (row["機器種別"], row["利用状況"]) for serial, row in shown.items()} == {
        "AAA1": ("端末", "1.貸出中"),
        "BBB2": ("プリンタ", "2.回収後社内保管"),
        "CCC3": ("その他", "3.社内にて保管中"),
        "DDD4": ("端末", "1.貸出中"),
    }
    assert all(all(row.values()) for row in shown.values())
    assert re.fullmatch(r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d", shown["AAA1"]["更新日時"])


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"kind": "printer"}, ["BBB2"]),
        ({"status": 1}, ["AAA1", "DDD4"]),
        ({"status": 3, "nested": "3.貸出可能"}, ["CCC3"]),
        ({"status": 3, "nested": "1.修理待ち"}, []),
        ({"deposit": "1"}, ["AAA1"]),
        ({"deposit": "unset"}, ["DDD4"]),
        ({"jurisdiction": "関西"}, ["AAA1", "BBB2", "CCC3", "DDD4"]),
        ({"jurisdiction": "関東"}, []),
        ({"moved": True}, ["DDD4"]),
        ({"q": "old-ddd4"}, ["DDD4"]),
        ({"q": "青空"}, ["AAA1", "DDD4"]),
        ({"group": "CL"}, ["AAA1", "DDD4"]),
        ({"archived": True}, []),
    ],
)
def test_a_list_is_filtered_by_each_condition(staff: TestClient, filters: dict[str, Any], expected: list[str]) -> None:
    answer = staff.get(f"{LISTS}/INTEGRATED", params=filters).json()

    assert serials(answer) == expected
    assert answer["total"] == len(expected)


def test_a_device_is_found_where_it_is_and_by_the_site_in_its_number(filled: Session, staff: TestClient) -> None:
    kobe, osaka = stock.get_site(filled, "kobe").id, stock.get_site(filled, "osaka").id

    present = staff.get(f"{LISTS}/INTEGRATED", params={"site_id": kobe}).json()
    numbered = staff.get(f"{LISTS}/INTEGRATED", params={"number_site_id": osaka}).json()

    assert serials(present) == ["BBB2", "DDD4"]
    assert serials(numbered) == ["AAA1", "DDD4"]
    assert {row["number"]: row["home"] for row in present["items"]} == {
        "KOBE_Printer_imageClass-MF644Cdw_BBB2_001": None,
        "OSAKA_Tablet_iPad-Pro-129_DDD4_001": "大阪",
    }


def test_the_normal_list_follows_the_status(staff: TestClient) -> None:
    [answer] = rows(staff.get(f"{LISTS}/NORMAL", params={"status": 1, "q": "AAA1"}).json())

    assert answer["1-6.貸出先"] == "株式会社青空商事"
    assert answer["1-8.返却予定日"] == "2026/10/31"
    # The current value, which was set in the viewer after the form.
    assert answer["預り機のステータス"] == "1.返却可能"
    assert "3-0.社内ステータス" not in answer


def test_the_audit_shows_terminals_and_printers_by_the_newest_of_each(staff: TestClient) -> None:
    answer = staff.get(f"{LISTS}/AUDIT").json()

    assert serials(answer) == ["AAA1", "BBB2", "DDD4"]
    shown = {row["製造番号"]: row for row in rows(answer)}
    assert shown["AAA1"]["貸出先"] == "株式会社青空商事"
    assert (shown["BBB2"]["ステータス"], shown["BBB2"]["貸出先"]) == ("2.回収後社内保管", "")


def test_a_list_of_another_day_shows_what_held_then(filled: Session, staff: TestClient) -> None:
    day = local_date(stock.time_ago(filled, 35)).isoformat()

    answer = staff.get(f"{LISTS}/INTEGRATED", params={"as_of": day}).json()

    assert {row["製造番号"]: row["利用状況"] for row in rows(answer)} == {
        "AAA1": "1.貸出中",
        "BBB2": "1.貸出中",
        "CCC3": "未登録",
        "DDD4": "未登録",
    }
    assert answer["shown"] == day
    assert staff.get(f"{LISTS}/INTEGRATED", params={"as_of": day, "deposit": "1"}).json()["total"] == 0
    long_ago = local_date(stock.time_ago(filled, 500)).isoformat()
    assert staff.get(f"{LISTS}/INTEGRATED", params={"as_of": long_ago}).json()["total"] == 0


def test_pages_and_orders_of_a_list(staff: TestClient) -> None:
    first = staff.get(f"{LISTS}/INTEGRATED", params={"limit": 3, "sort": "-status"}).json()
    second = staff.get(f"{LISTS}/INTEGRATED", params={"limit": 3, "sort": "-status", "cursor": first["next_cursor"]})

    assert [row["status"] for row in (*first["items"], *second.json()["items"])] == [3, 2, 1, 1]
    assert staff.get(f"{LISTS}/INTEGRATED", params={"sort": "color"}).status_code == 422


def test_a_list_is_exported_as_csv_and_excel_with_its_own_columns(staff: TestClient) -> None:
    csv = staff.get(f"{LISTS}/AUDIT.csv").content.decode("utf-8-sig").splitlines()
    excel = load_workbook(io.BytesIO(staff.get(f"{LISTS}/NORMAL.xlsx", params={"status": 1}).content)).active

    assert (
        csv[0] == "担当者,資産管理番号,拠点管理番号,機種名,製造番号,ソフトウェア,OS,ステータス,貸出先,貸出日,"
        "ユーザー預り機有,お預かり証No.,備考"
    )
    assert len(csv) == 4
    assert excel is not None
    assert [cell.value for cell in next(iter(excel.rows))][:3] == ["拠点管理番号", "機器種別", "機種名"]
    assert excel.max_row == 3


def test_an_unknown_view_is_absent(staff: TestClient) -> None:
    assert staff.get(f"{LISTS}/NOTHING").status_code == 404
    assert staff.get(f"{LISTS}/NOTHING.csv").status_code == 404


def test_what_lists_can_be_narrowed_to(staff: TestClient) -> None:
    options = staff.get("/api/loaners/options").json()

    assert [view["key"] for view in options["views"]] == ["INTEGRATED", "NORMAL", "AUDIT", "SUMMARY"]
    assert [view["groups"] for view in options["views"]] == [["SV", "CL", "プリンタ", "その他"]] * 4
    assert [site["name"] for site in options["sites"]] == ["大阪", "神戸", "姫路"]
    assert options["jurisdictions"] == ["関西"]
    assert options["nested"] == ["1.修理待ち", "2.設定作業中", "3.貸出可能"]


def view(client: TestClient, key: str) -> dict[str, Any]:
    [match] = [item for item in client.get("/api/loaners/views").json()["items"] if item["key"] == key]
    return dict(match)


def test_an_administrator_changes_what_a_view_shows(filled: Session, sign_in: SignIn) -> None:
    admin = sign_in("admin2", loaners="admin")
    audit = view(admin, "AUDIT")
    columns = json.loads(audit["columns"])
    columns["columns"] = ["拠点管理番号", "管轄"]
    path, change = f"/api/loaners/views/{audit['id']}", {"version": audit["version"], "columns": json.dumps(columns)}

    assert admin.patch(path, json=change).status_code == 204
    assert admin.get(f"{LISTS}/AUDIT").json()["columns"] == ["拠点管理番号", "管轄"]
    assert admin.patch(path, json=change).status_code == 409
    assert sign_in("staff2", loaners="staff").patch(path, json=change).status_code == 403


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("columns", "{", "JSONとして読み取れません"),
        ("columns", '{"columns": ["色"]}', "列「色」はどのシートにもありません"),
        ("source", '{"sourceType": "sql"}', "sourceType は"),
        ("filter", '{"color": "red"}', "フィルタ条件を直してください"),
    ],
)
def test_nonsense_is_refused_with_the_part_it_is_in(
    filled: Session, sign_in: SignIn, field: str, value: str, message: str
) -> None:
    admin = sign_in("admin2", loaners="admin")
    audit = view(admin, "AUDIT")

    answer = admin.patch(f"/api/loaners/views/{audit['id']}", json={"version": audit["version"], field: value})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field
    assert message in answer.json()["detail"]


def test_a_new_view_is_listed_until_it_is_inactive(filled: Session, sign_in: SignIn) -> None:
    admin = sign_in("admin2", loaners="admin")
    normal = view(admin, "NORMAL")
    new = {"key": "PRINTERS", "name": "プリンタだけ", "position": 4, "source": normal["source"]}
    new |= {"columns": '{"columns": ["拠点管理番号", "機種名"]}', "filter": '{"機器種別": ["プリンタ"]}'}

    view_id = admin.post("/api/loaners/views", json=new).json()["id"]
    assert serials(admin.get(f"{LISTS}/PRINTERS").json()) == ["BBB2"]
    assert admin.post("/api/loaners/views", json=new).status_code == 409
    assert admin.post(f"/api/loaners/views/{view_id}/archive").status_code == 204
    assert admin.get(f"{LISTS}/PRINTERS").status_code == 404
    assert admin.post(f"/api/loaners/views/{view_id}/restore").status_code == 204
    summary = view(admin, "SUMMARY")
    assert admin.post(f"/api/loaners/views/{summary['id']}/archive").status_code == 409


def test_a_condition_may_be_written_as_the_document_does(filled: Session, sign_in: SignIn) -> None:
    admin = sign_in("admin2", loaners="admin")
    normal = view(admin, "NORMAL")

    answer = admin.patch(
        f"/api/loaners/views/{normal['id']}", json={"version": normal["version"], "filter": "status=active"}
    )

    assert answer.status_code == 204
    assert view(admin, "NORMAL")["filter"] == '{"status": "active"}'


def test_the_summary_counts_by_card_site_and_group_and_leads_to_its_rows(filled: Session, staff: TestClient) -> None:
    summary = staff.get("/api/loaners/summary", params={"jurisdiction": "関西"}).json()

    assert summary["groups"] == ["SV", "CL", "プリンタ", "その他"]
    assert [card["title"] for card in summary["cards"]] == [
        "返却可能",
        "商談や金額の問題で返却不可",
        "お客様による返却拒否",
        "HW延長保守中",
    ]
    returnable = summary["cards"][0]
    assert [row["site_name"] for row in returnable["rows"]] == ["大阪", "神戸", "姫路"]
    assert returnable["rows"][0]["counts"] == [0, 1, 0, 0]
    assert (returnable["totals"], returnable["total"]) == ([0, 1, 0, 0], 1)
    # A blank deposit counts in no card and is listed next to them; the tablet counts at its current site.
    assert [card["total"] for card in summary["cards"]] == [1, 0, 0, 0]
    assert [row["total"] for row in summary["unset"]["rows"]] == [0, 1, 0]
    rows_of = {"deposit": returnable["deposit"], "site_id": returnable["rows"][0]["site_id"], "group": "CL"}
    assert serials(staff.get(f"{LISTS}/SUMMARY", params=rows_of).json()) == ["AAA1"]
    assert staff.get("/api/loaners/summary", params={"jurisdiction": "関東"}).json()["cards"][0]["rows"] == []


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("status=active", 2),
        ('{"0-4.ステータス": ["1.貸出中", "3.社内にて保管中"]}', 2),
        ('{"0-4.ステータス": ["2.回収後社内保管"]}', 0),
        ('{"機器種別": ["プリンタ", "その他"]}', 0),
        ("status=inactive", 0),
    ],
)
def test_the_summary_counts_what_its_condition_leaves(
    filled: Session, sign_in: SignIn, condition: str, expected: int
) -> None:
    admin = sign_in("admin2", loaners="admin")
    summary_view = view(admin, "SUMMARY")

    answer = admin.patch(
        f"/api/loaners/views/{summary_view['id']}", json={"version": summary_view["version"], "filter": condition}
    )

    assert answer.status_code == 204
    summary = admin.get("/api/loaners/summary").json()
    assert sum(card["total"] for card in (*summary["cards"], summary["unset"])) == expected
    assert sum(admin.get("/api/loaners/summary/trend").json()["points"][-1]["counts"].values()) == expected
    leads_to = [
        admin.get(f"{LISTS}/SUMMARY", params={"deposit": deposit}).json()["total"] for deposit in ("1", "unset")
    ]
    assert sum(leads_to) == expected


def test_the_summary_of_another_day_and_its_trend(filled: Session, staff: TestClient) -> None:
    day = local_date(stock.time_ago(filled, 35))

    summary = staff.get("/api/loaners/summary", params={"as_of": day.isoformat()}).json()
    points = staff.get("/api/loaners/summary/trend", params={"jurisdiction": "関西"}).json()["points"]

    # The laptop was lent with a user's machine held by that day; its deposit was recorded five days later.
    assert (summary["cards"][0]["total"], summary["unset"]["total"]) == (0, 1)
    assert len(points) == 14
    assert points[-1]["counts"] == {"1": 1, "2": 0, "3": 0, "4": 0, "unset": 1}
    assert points[0]["counts"]["1"] == 0
    csv = staff.get("/api/loaners/summary.csv").content.decode("utf-8-sig").splitlines()
    assert csv[0] == "サマリーカテゴリ,拠点,SV,CL,プリンタ,その他,合計"
    assert csv[1] == "返却可能,大阪,0,1,0,0,1"
    assert sheet_of(staff, "summary", {})[1][:3] == ("返却可能", "大阪", "0")


def test_what_changed_between_two_days(filled: Session, staff: TestClient) -> None:
    today = local_date(stock.time_ago(filled, 0))
    since = {"since": (today - timedelta(days=25)).isoformat(), "until": today.isoformat()}

    by_serial = {
        row["number"].split("_")[3]: row for row in staff.get("/api/loaners/differences", params=since).json()["items"]
    }

    assert set(by_serial) == {"BBB2", "CCC3", "DDD4"}
    assert (by_serial["BBB2"]["before_status"], by_serial["BBB2"]["status"]) == (1, 2)
    assert (by_serial["DDD4"]["before_site"], by_serial["DDD4"]["site"]) == ("大阪", "神戸")
    csv = staff.get("/api/loaners/differences.csv", params=since).content.decode("utf-8-sig")
    assert "1.貸出中,2.回収後社内保管" in csv
    assert any("2.回収後社内保管" in row for row in sheet_of(staff, "differences", since))
    long_ago = {"since": (today - timedelta(days=600)).isoformat(), "until": today.isoformat()}
    new = staff.get("/api/loaners/differences", params=long_ago).json()["items"]
    assert [row["was_known"] for row in new] == [False] * 4


def sheet_of(staff: TestClient, name: str, params: dict[str, str]) -> list[tuple[str, ...]]:
    answer = staff.get(f"/api/loaners/{name}.xlsx", params=params)
    [sheet] = load_workbook(io.BytesIO(answer.content)).worksheets
    return [tuple(str(value) for value in row) for row in sheet.values]


@pytest.mark.parametrize("path", ["lists/NORMAL", "summary", "options", "loans", "stocktakes"])
def test_a_user_of_another_area_sees_nothing(filled: Session, sign_in: SignIn, path: str) -> None:
    assert sign_in("charlie", fleet="admin").get(f"/api/loaners/{path}").status_code == 403


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
@pytest.mark.parametrize(
    ("path", "name"),
    [("lists/SUMMARY", "as_of"), ("summary", "as_of"), ("differences", "since"), ("differences.xlsx", "until")],
)
def test_a_day_that_has_no_bounds_is_refused_in_words(staff: TestClient, path: str, name: str, day: str) -> None:
    answer = staff.get(f"/api/loaners/{path}", params={name: day})

    assert answer.status_code == 422, answer.text
    assert [error["field"] for error in answer.json()["errors"]] == [name]
