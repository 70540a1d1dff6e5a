"""Lists as views declare them, of now and of another day."""

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
from tests.conftest import begun

SignIn = Callable[..., TestClient]
LISTS = "/api/loaners/lists"


def devices(db: Session) -> None:
    """A laptop lent with a deposit, a printer in Kobe that came back, a router on its shelf in Himeji, a tablet whose
    deposit nobody told of."""
    staff = people.actor(db, "carol", loaners="staff")
    laptop = stock.device(db, staff, "AAA1")
    stock.form(db, staff, laptop, 40, LENT)
    stock.deposit(db, staff, laptop, 30, 1)
    printer = stock.device(db, staff, "BBB2", at="kobe", model="imageClass-MF644Cdw")
    stock.form(db, staff, printer, 90, LENT | {"1-4": "無し"})
    stock.form(db, staff, printer, 20, COLLECTED)
    router = stock.device(db, staff, "CCC3", at="himeji", model="WXR-6000AX12S")
    stock.form(db, staff, router, 10, STORED)
    tablet = stock.device(db, staff, "DDD4", model="iPad-Pro-12.9")
    stock.form(db, staff, tablet, 5, LENT)
    stock.moved(db, staff, tablet, 3, "kobe")
    db.add(Alias(alias="OLD-DDD4", device_id=tablet.id))


@pytest.fixture(scope="module")
def _engine(empty: Engine) -> Iterator[Connection]:
    with begun(empty, devices) as connection:
        yield connection


@pytest.fixture
def filled(db: Session) -> Session:
    """`devices` are there."""
    return db


@pytest.fixture
def person(filled: Session, sign_in: SignIn) -> TestClient:
    return sign_in("alice", loaners="staff")


def serials(answer: dict[str, Any]) -> list[str]:
    return sorted(row["number"].split("_")[3] for row in answer["items"])


def rows(answer: dict[str, Any]) -> list[dict[str, str]]:
    return [dict(zip(answer["columns"], row["cells"], strict=True)) for row in answer["items"]]


def test_the_integrated_list_has_its_six_columns_for_every_kind(person: TestClient) -> None:
    answer = person.get(f"{LISTS}/INTEGRATED").json()

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
    ("cut", "found"),
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
def test_a_list_is_cut_by_what_people_ask_for(person: TestClient, cut: dict[str, Any], found: list[str]) -> None:
    answer = person.get(f"{LISTS}/INTEGRATED", params=cut).json()

    assert serials(answer) == found
    assert answer["total"] == len(found)


def test_a_device_is_found_where_it_is_and_by_the_site_in_its_number(filled: Session, person: TestClient) -> None:
    kobe, osaka = stock.site(filled, "kobe").id, stock.site(filled, "osaka").id

    present = person.get(f"{LISTS}/INTEGRATED", params={"site_id": kobe}).json()
    numbered = person.get(f"{LISTS}/INTEGRATED", params={"number_site_id": osaka}).json()

    assert serials(present) == ["BBB2", "DDD4"]
    assert serials(numbered) == ["AAA1", "DDD4"]
    assert {row["number"]: row["home"] for row in present["items"]} == {
        "KOBE_Printer_imageClass-MF644Cdw_BBB2_001": None,
        "OSAKA_Tablet_iPad-Pro-129_DDD4_001": "大阪",
    }


def test_the_normal_list_follows_the_status(person: TestClient) -> None:
    [answer] = rows(person.get(f"{LISTS}/NORMAL", params={"status": 1, "q": "AAA1"}).json())

    assert answer["1-6.貸出先"] == "株式会社青空商事"
    assert answer["1-8.返却予定日"] == "2026/10/31"
    # What holds now, which the viewer said after the form.
    assert answer["預り機のステータス"] == "1.返却可能"
    assert "3-0.社内ステータス" not in answer


def test_the_audit_shows_terminals_and_printers_by_the_newest_of_each(person: TestClient) -> None:
    answer = person.get(f"{LISTS}/AUDIT").json()

    assert serials(answer) == ["AAA1", "BBB2", "DDD4"]
    shown = {row["製造番号"]: row for row in rows(answer)}
    assert shown["AAA1"]["貸出先"] == "株式会社青空商事"
    assert (shown["BBB2"]["ステータス"], shown["BBB2"]["貸出先"]) == ("2.回収後社内保管", "")


def test_a_list_of_another_day_shows_what_held_then(filled: Session, person: TestClient) -> None:
    day = local_date(stock.ago(filled, 35)).isoformat()

    answer = person.get(f"{LISTS}/INTEGRATED", params={"as_of": day}).json()

    assert {row["製造番号"]: row["利用状況"] for row in rows(answer)} == {
        "AAA1": "1.貸出中",
        "BBB2": "1.貸出中",
        "CCC3": "未登録",
        "DDD4": "未登録",
    }
    assert answer["shown"] == day
    assert person.get(f"{LISTS}/INTEGRATED", params={"as_of": day, "deposit": "1"}).json()["total"] == 0
    long_ago = local_date(stock.ago(filled, 500)).isoformat()
    assert person.get(f"{LISTS}/INTEGRATED", params={"as_of": long_ago}).json()["total"] == 0


def test_pages_and_orders_of_a_list(person: TestClient) -> None:
    first = person.get(f"{LISTS}/INTEGRATED", params={"limit": 3, "sort": "-status"}).json()
    second = person.get(f"{LISTS}/INTEGRATED", params={"limit": 3, "sort": "-status", "cursor": first["next_cursor"]})

    assert [row["status"] for row in (*first["items"], *second.json()["items"])] == [3, 2, 1, 1]
    assert person.get(f"{LISTS}/INTEGRATED", params={"sort": "color"}).status_code == 422


def test_a_list_is_taken_along_as_csv_and_excel_with_its_own_columns(person: TestClient) -> None:
    csv = person.get(f"{LISTS}/AUDIT.csv").content.decode("utf-8-sig").splitlines()
    excel = load_workbook(io.BytesIO(person.get(f"{LISTS}/NORMAL.xlsx", params={"status": 1}).content)).active

    assert csv[0] == "担当者,資産管理番号,拠点管理番号,機種名,製造番号,ソフトウェア,OS,ステータス,貸出先,貸出日," \
        "ユーザー預り機有,お預かり証No.,備考"  # fmt: skip
    assert len(csv) == 4
    assert excel is not None
    assert [cell.value for cell in next(iter(excel.rows))][:3] == ["拠点管理番号", "機器種別", "機種名"]
    assert excel.max_row == 3


def test_an_unknown_view_is_absent(person: TestClient) -> None:
    assert person.get(f"{LISTS}/NOTHING").status_code == 404
    assert person.get(f"{LISTS}/NOTHING.csv").status_code == 404


def test_what_lists_can_be_narrowed_to(person: TestClient) -> None:
    options = person.get("/api/loaners/options").json()

    assert [view["key"] for view in options["views"]] == ["INTEGRATED", "NORMAL", "AUDIT", "SUMMARY"]
    assert [view["groups"] for view in options["views"]] == [["SV", "CL", "プリンタ", "その他"]] * 4
    assert [site["name"] for site in options["sites"]] == ["大阪", "神戸", "姫路"]
    assert options["jurisdictions"] == ["関西"]
    assert options["nested"] == ["1.修理待ち", "2.設定作業中", "3.貸出可能"]


def view(client: TestClient, key: str) -> dict[str, Any]:
    [found] = [one for one in client.get("/api/loaners/views").json()["items"] if one["key"] == key]
    return dict(found)


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
    ("field", "value", "words"),
    [
        ("columns", "{", "JSONとして読み取れません"),
        ("columns", '{"columns": ["色"]}', "列「色」はどのシートにもありません"),
        ("source", '{"sourceType": "sql"}', "sourceType は"),
        ("filter", '{"color": "red"}', "フィルタ条件を直してください"),
    ],
)
def test_nonsense_is_refused_with_the_part_it_is_in(
    filled: Session, sign_in: SignIn, field: str, value: str, words: str
) -> None:
    admin = sign_in("admin2", loaners="admin")
    audit = view(admin, "AUDIT")

    answer = admin.patch(f"/api/loaners/views/{audit['id']}", json={"version": audit["version"], field: value})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field
    assert words in answer.json()["detail"]


def test_a_new_view_is_listed_until_it_is_inactive(filled: Session, sign_in: SignIn) -> None:
    admin = sign_in("admin2", loaners="admin")
    normal = view(admin, "NORMAL")
    new = {"key": "PRINTERS", "name": "プリンタだけ", "position": 4, "source": normal["source"]}
    new |= {"columns": '{"columns": ["拠点管理番号", "機種名"]}', "filter": '{"機器種別": ["プリンタ"]}'}

    made = admin.post("/api/loaners/views", json=new).json()["id"]
    assert serials(admin.get(f"{LISTS}/PRINTERS").json()) == ["BBB2"]
    assert admin.post("/api/loaners/views", json=new).status_code == 409
    assert admin.post(f"/api/loaners/views/{made}/archive").status_code == 204
    assert admin.get(f"{LISTS}/PRINTERS").status_code == 404
    assert admin.post(f"/api/loaners/views/{made}/restore").status_code == 204
    summary = view(admin, "SUMMARY")
    assert admin.post(f"/api/loaners/views/{summary['id']}/archive").status_code == 409


def test_a_condition_may_be_written_as_the_document_does(filled: Session, sign_in: SignIn) -> None:
    admin = sign_in("admin2", loaners="admin")
    normal = view(admin, "NORMAL")

    done = admin.patch(
        f"/api/loaners/views/{normal['id']}", json={"version": normal["version"], "filter": "status=active"}
    )

    assert done.status_code == 204
    assert view(admin, "NORMAL")["filter"] == '{"status": "active"}'


def test_the_summary_counts_by_card_site_and_group_and_leads_to_its_rows(filled: Session, person: TestClient) -> None:
    summary = person.get("/api/loaners/summary", params={"jurisdiction": "関西"}).json()

    assert summary["groups"] == ["SV", "CL", "プリンタ", "その他"]
    assert [card["title"] for card in summary["cards"]] == [
        "返却可能", "商談や金額の問題で返却不可", "お客様による返却拒否", "HW延長保守中",
    ]  # fmt: skip
    returnable = summary["cards"][0]
    assert [row["site_name"] for row in returnable["rows"]] == ["大阪", "神戸", "姫路"]
    assert returnable["rows"][0]["counts"] == [0, 1, 0, 0]
    assert (returnable["totals"], returnable["total"]) == ([0, 1, 0, 0], 1)
    # Blank counts in no card, and is listed beside them; the tablet stands where it is now.
    assert [card["total"] for card in summary["cards"]] == [1, 0, 0, 0]
    assert [row["total"] for row in summary["unset"]["rows"]] == [0, 1, 0]
    rows_of = {"deposit": returnable["deposit"], "site_id": returnable["rows"][0]["site_id"], "group": "CL"}
    assert serials(person.get(f"{LISTS}/SUMMARY", params=rows_of).json()) == ["AAA1"]
    assert person.get("/api/loaners/summary", params={"jurisdiction": "関東"}).json()["cards"][0]["rows"] == []


@pytest.mark.parametrize(
    ("condition", "counted"),
    [
        ("status=active", 2),
        ('{"0-4.ステータス": ["1.貸出中", "3.社内にて保管中"]}', 2),
        ('{"0-4.ステータス": ["2.回収後社内保管"]}', 0),
        ('{"機器種別": ["プリンタ", "その他"]}', 0),
        ("status=inactive", 0),
    ],
)
def test_the_summary_counts_what_its_condition_leaves(
    filled: Session, sign_in: SignIn, condition: str, counted: int
) -> None:
    admin = sign_in("admin2", loaners="admin")
    one = view(admin, "SUMMARY")

    done = admin.patch(f"/api/loaners/views/{one['id']}", json={"version": one["version"], "filter": condition})

    assert done.status_code == 204
    found = admin.get("/api/loaners/summary").json()
    assert sum(card["total"] for card in (*found["cards"], found["unset"])) == counted
    assert sum(admin.get("/api/loaners/summary/trend").json()["points"][-1]["counts"].values()) == counted
    leads_to = [
        admin.get(f"{LISTS}/SUMMARY", params={"deposit": deposit}).json()["total"] for deposit in ("1", "unset")
    ]
    assert sum(leads_to) == counted


def test_the_summary_of_another_day_and_its_trend(filled: Session, person: TestClient) -> None:
    day = local_date(stock.ago(filled, 35))

    then = person.get("/api/loaners/summary", params={"as_of": day.isoformat()}).json()
    points = person.get("/api/loaners/summary/trend", params={"jurisdiction": "関西"}).json()["points"]

    # The laptop was lent with a machine held, and its deposit was told five days later.
    assert (then["cards"][0]["total"], then["unset"]["total"]) == (0, 1)
    assert len(points) == 14
    assert points[-1]["counts"] == {"1": 1, "2": 0, "3": 0, "4": 0, "unset": 1}
    assert points[0]["counts"]["1"] == 0
    csv = person.get("/api/loaners/summary.csv").content.decode("utf-8-sig").splitlines()
    assert csv[0] == "サマリーカテゴリ,拠点,SV,CL,プリンタ,その他,合計"
    assert csv[1] == "返却可能,大阪,0,1,0,0,1"
    assert sheet_of(person, "summary", {})[1][:3] == ("返却可能", "大阪", "0")


def test_what_changed_between_two_days(filled: Session, person: TestClient) -> None:
    today = local_date(stock.ago(filled, 0))
    since = {"since": (today - timedelta(days=25)).isoformat(), "until": today.isoformat()}

    found = {
        row["number"].split("_")[3]: row for row in person.get("/api/loaners/differences", params=since).json()["items"]
    }

    assert set(found) == {"BBB2", "CCC3", "DDD4"}
    assert (found["BBB2"]["before_status"], found["BBB2"]["status"]) == (1, 2)
    assert (found["DDD4"]["before_site"], found["DDD4"]["site"]) == ("大阪", "神戸")
    csv = person.get("/api/loaners/differences.csv", params=since).content.decode("utf-8-sig")
    assert "1.貸出中,2.回収後社内保管" in csv
    assert any("2.回収後社内保管" in row for row in sheet_of(person, "differences", since))
    long_ago = {"since": (today - timedelta(days=600)).isoformat(), "until": today.isoformat()}
    new = person.get("/api/loaners/differences", params=long_ago).json()["items"]
    assert [row["was_known"] for row in new] == [False] * 4


def sheet_of(person: TestClient, name: str, asked: dict[str, str]) -> list[tuple[str, ...]]:
    answer = person.get(f"/api/loaners/{name}.xlsx", params=asked)
    [sheet] = load_workbook(io.BytesIO(answer.content)).worksheets
    return [tuple(str(value) for value in row) for row in sheet.values]


@pytest.mark.parametrize("path", ["lists/NORMAL", "summary", "options", "loans", "stocktakes"])
def test_who_belongs_to_another_area_sees_nothing(filled: Session, sign_in: SignIn, path: str) -> None:
    assert sign_in("charlie", fleet="admin").get(f"/api/loaners/{path}").status_code == 403


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
@pytest.mark.parametrize(
    ("path", "name"),
    [("lists/SUMMARY", "as_of"), ("summary", "as_of"), ("differences", "since"), ("differences.xlsx", "until")],
)
def test_a_day_that_has_no_bounds_is_refused_in_words(person: TestClient, path: str, name: str, day: str) -> None:
    answer = person.get(f"/api/loaners/{path}", params={name: day})

    assert answer.status_code == 422, answer.text
    assert [error["field"] for error in answer.json()["errors"]] == [name]
