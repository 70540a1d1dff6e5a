"""A count of a site: which devices are found, missing, misplaced, unknown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.audit import AuditEntry
from service.loaners.models import Alias
from tests import people
from tests.api.loaners import stock
from tests.api.loaners.stock import LENT, STORED

SignIn = Callable[..., TestClient]
PATH = "/api/loaners/stocktakes"


@pytest.fixture
def filled(db: Session) -> Session:
    """In the house in Osaka: a laptop, and a tablet with an old number. Lent: a desktop. In Kobe: a printer."""
    staff = people.create_actor(db, "carol", loaners="staff")
    laptop = stock.add_device(db, staff, "AAA1")
    stock.add_form(db, staff, laptop, 3, STORED)
    tablet = stock.add_device(db, staff, "BBB2", model="iPad-Pro-12.9")
    db.add(Alias(alias="OSAKA_Tablet_iPad-Pro-12.9_BBB2_001", device_id=tablet.id))
    desktop = stock.add_device(db, staff, "CCC3", model="OptiPlex-7090")
    stock.add_form(db, staff, desktop, 2, LENT)
    stock.add_device(db, staff, "DDD4", at="kobe", model="imageClass-MF644Cdw")
    db.commit()
    return db


@pytest.fixture
def auditor(filled: Session, sign_in: SignIn) -> TestClient:
    return sign_in("alice", loaners="auditor")


def start_stocktake(db: Session, client: TestClient, room: str = "") -> int:
    answer = client.post(PATH, json={"site_id": stock.get_site(db, "osaka").id, "room": room})
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


def scan(client: TestClient, stocktake: int, code: str) -> dict[str, Any]:
    answer = client.post(f"{PATH}/{stocktake}/scans", json={"code": code})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


LAPTOP = "OSAKA_Laptop_ThinkPad-X1-Carbon_AAA1_001"
PRINTER = "KOBE_Printer_imageClass-MF644Cdw_DDD4_001"


def test_expected_is_what_is_in_the_house(filled: Session, auditor: TestClient) -> None:
    stocktake = start_stocktake(filled, auditor)

    head = auditor.get(f"{PATH}/{stocktake}").json()
    rows = auditor.get(f"{PATH}/{stocktake}/rows").json()["items"]

    assert (head["expected"], head["missing"], head["found"]) == (2, 2, 0)
    assert [row["serial"] for row in rows] == ["AAA1", "BBB2"]


def test_a_scan_is_a_number_an_address_or_an_old_number(filled: Session, auditor: TestClient) -> None:
    stocktake = start_stocktake(filled, auditor)

    by_url = scan(auditor, stocktake, f"https://genba.example/d/{LAPTOP.lower()}")
    again = scan(auditor, stocktake, LAPTOP)
    by_alias = scan(auditor, stocktake, "OSAKA_Tablet_iPad-Pro-12.9_BBB2_001")
    elsewhere = scan(auditor, stocktake, PRINTER)
    lent = scan(auditor, stocktake, "OSAKA_Desktop_OptiPlex-7090_CCC3_001")
    unknown = scan(auditor, stocktake, "ZZZ")

    assert (by_url["result"], by_url["again"], by_url["number"]) == ("found", False, LAPTOP)
    assert (again["result"], again["again"]) == ("found", True)
    assert (by_alias["result"], by_alias["model_name"]) == ("found", "iPad-Pro-12.9")
    assert (elsewhere["result"], elsewhere["site_name"]) == ("misplaced", "神戸")
    assert (lent["result"], lent["status"]) == ("misplaced", 1)
    assert (unknown["result"], unknown["number"]) == ("unknown", "ZZZ")
    assert scan(auditor, stocktake, "ZZZ")["again"]
    head = auditor.get(f"{PATH}/{stocktake}").json()
    assert [head[name] for name in ("expected", "found", "missing", "misplaced", "unknown")] == [2, 2, 0, 2, 1]


def test_a_wrong_scan_is_taken_back(filled: Session, auditor: TestClient) -> None:
    stocktake = start_stocktake(filled, auditor)
    expected_row, other_row = scan(auditor, stocktake, LAPTOP), scan(auditor, stocktake, PRINTER)

    for scanned in (expected_row, other_row):
        assert auditor.delete(f"{PATH}/{stocktake}/rows/{scanned['id']}/scan").status_code == 204
    taken_back = select(AuditEntry.before).where(AuditEntry.subject == "stocktake", AuditEntry.action == "delete")
    assert [before and before["number"] for before in filled.scalars(taken_back.order_by(AuditEntry.id))] == [
        LAPTOP,
        PRINTER,
    ]

    head = auditor.get(f"{PATH}/{stocktake}").json()
    assert (head["found"], head["missing"], head["misplaced"]) == (0, 2, 0)


def test_what_is_missing_gets_a_note_and_the_count_ends(filled: Session, auditor: TestClient) -> None:
    stocktake = start_stocktake(filled, auditor)
    scan(auditor, stocktake, LAPTOP)
    [missing] = auditor.get(f"{PATH}/{stocktake}/rows", params={"result": "missing"}).json()["items"]

    noted = auditor.put(f"{PATH}/{stocktake}/rows/{missing['id']}/note", json={"note": "修理に出している"})
    assert noted.status_code == 204
    assert auditor.post(f"{PATH}/{stocktake}/close").status_code == 204

    csv = auditor.get(f"{PATH}/{stocktake}/rows.csv").content.decode("utf-8-sig")
    assert "未確認,OSAKA_Tablet_iPad-Pro-129_BBB2_001" in csv
    assert "修理に出している" in csv
    # A closed count stays as it was.
    assert auditor.post(f"{PATH}/{stocktake}/scans", json={"code": LAPTOP}).status_code == 409
    assert auditor.post(f"{PATH}/{stocktake}/close").status_code == 409
    assert auditor.get(PATH, params={"is_open": True}).json()["total"] == 0
    assert auditor.get(PATH, params={"is_open": False}).json()["items"][0]["missing"] == 1


def test_a_room_is_counted_by_one_count_at_a_time(filled: Session, auditor: TestClient) -> None:
    start_stocktake(filled, auditor)
    start_stocktake(filled, auditor, room="倉庫A")

    again = auditor.post(PATH, json={"site_id": stock.get_site(filled, "osaka").id, "room": " 倉庫A "})

    assert again.status_code == 409
    assert auditor.get(f"{PATH}/999999").status_code == 404


def test_what_another_rooms_count_found_is_not_missing_in_this_one(filled: Session, auditor: TestClient) -> None:
    first, second = start_stocktake(filled, auditor, "1階"), start_stocktake(filled, auditor, "2階")

    scan(auditor, second, LAPTOP)

    head = auditor.get(f"{PATH}/{first}").json()
    assert (head["expected"], head["found"], head["elsewhere"], head["missing"]) == (2, 0, 1, 1)
    rows = {row["number"]: row["result"] for row in auditor.get(f"{PATH}/{first}/rows").json()["items"]}
    assert rows[LAPTOP] == "elsewhere"
    assert auditor.get(f"{PATH}/{second}").json()["elsewhere"] == 0
