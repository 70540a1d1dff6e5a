"""Devices: registered with a number of their own, edited, archived, moved, found by every number they have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from service.core.audit import AuditEntry
from service.core.database.clock import app_now
from service.loaners import queries
from service.loaners.history.models import Event
from service.loaners.models import Device, Model, Site
from tests import pdfs

SignIn = Callable[..., TestClient]
PATH = "/api/loaners/devices"


def site(db: Session, key: str = "osaka") -> int:
    return db.scalars(select(Site.id).where(Site.key == key)).one()


def model(db: Session, name: str = "ThinkPad-X1-Carbon") -> int:
    return db.scalars(select(Model.id).where(Model.name == name)).one()


def new_device(db: Session, **changes: Any) -> dict[str, Any]:
    return {"site_id": site(db), "model_id": model(db), "serial": "ABC12345", "asset_number": "ASSET_001"} | changes


def register(client: TestClient, body: Mapping[str, Any]) -> dict[str, Any]:
    answer = client.post(PATH, json=body)
    assert answer.status_code == 201, answer.text
    device: dict[str, Any] = answer.json()
    return device


def get_device(client: TestClient, number: str, **params: Any) -> dict[str, Any]:
    [device] = client.get(PATH, params={"q": number} | params).json()["items"]
    return dict(device)


def test_a_number_is_shown_first_and_made_when_the_device_is_registered(db: Session, sign_in: SignIn) -> None:
    client = sign_in("alice", loaners="admin")
    params = {name: value for name, value in new_device(db).items() if name != "asset_number"}

    proposed = client.get(f"{PATH}/number", params=params | {"category": "Server"}).json()
    device = register(client, new_device(db, category="Server"))

    assert proposed == {"number": "OSAKA_SV_ThinkPad-X1-Carbon_ABC12345_001", "kind": "terminal", "others": []}
    assert device["number"] == proposed["number"]
    assert client.get(f"{PATH}/number", params=params).json() == {
        "number": "OSAKA_Laptop_ThinkPad-X1-Carbon_ABC12345_002",
        "kind": "terminal",
        "others": [device["number"]],
    }


def test_the_running_number_counts_the_same_model_and_serial_alone(db: Session, sign_in: SignIn) -> None:
    client = sign_in("alice", loaners="admin")

    numbers = [
        register(client, new_device(db))["number"],
        register(client, new_device(db, site_id=site(db, "kobe")))["number"],
        register(client, new_device(db, serial="ABC12346"))["number"],
        register(client, new_device(db, model_id=model(db, "OptiPlex-7090")))["number"],
    ]

    assert [number[-3:] for number in numbers] == ["001", "002", "001", "001"]
    assert numbers[1].startswith("KOBE_")


def test_the_dotted_model_gives_a_number_without_the_dot(db: Session, sign_in: SignIn) -> None:
    client = sign_in("alice", loaners="admin")

    device = register(client, new_device(db, model_id=model(db, "iPad-Pro-12.9"), serial="GHI33333"))

    assert device["number"] == "OSAKA_Tablet_iPad-Pro-129_GHI33333_001"


@pytest.mark.parametrize(
    ("wrong", "status", "field"),
    [
        ({"serial": "A" * 21}, 422, "serial"),
        ({"serial": "ＡＢＣ"}, 422, "serial"),
        ({"serial": "A_B"}, 422, "serial"),
        ({"asset_number": ""}, 422, "asset_number"),
        ({"category": "server"}, 422, "category"),
        ({"extra": {"x": "1"}}, 422, "extra"),
        ({"site_id": 999_999}, 404, None),
        ({"model_id": 999_999}, 404, None),
    ],
)
def test_a_device_that_breaks_a_rule_is_refused(
    db: Session, sign_in: SignIn, wrong: dict[str, Any], status: int, field: str | None
) -> None:
    client = sign_in("alice", loaners="admin")

    answer = client.post(PATH, json=new_device(db, **wrong))

    assert answer.status_code == status
    if field:
        assert answer.json()["errors"][0]["field"].split(".")[0] == field


def test_a_printer_needs_no_asset_number(db: Session, sign_in: SignIn) -> None:
    client = sign_in("alice", loaners="admin")

    device = register(client, new_device(db, model_id=model(db, "imageClass-MF644Cdw"), asset_number=""))

    assert get_device(client, device["number"])["kind"] == "printer"


def test_nothing_is_registered_at_an_inactive_site_or_of_an_archived_model(db: Session, sign_in: SignIn) -> None:
    client = sign_in("alice", loaners="admin")
    client.post(f"/api/loaners/sites/{site(db, 'kobe')}/archive")
    client.post(f"/api/loaners/models/{model(db, 'GS724T')}/archive")

    at_site = client.post(PATH, json=new_device(db, site_id=site(db, "kobe")))
    of_model = client.post(PATH, json=new_device(db, model_id=model(db, "GS724T")))

    assert (at_site.status_code, of_model.status_code) == (409, 409)
    assert "無効" in at_site.json()["detail"]
    assert "機種「GS724T」は無効です" in of_model.json()["detail"]


def test_an_edit_leaves_the_number_and_a_stale_one_is_a_conflict(db: Session, sign_in: SignIn) -> None:
    client = sign_in("alice", loaners="admin")
    device = register(client, new_device(db))

    changed = client.patch(f"{PATH}/{device['id']}", json={"version": 1, "os": "Windows 11"})
    stale = client.patch(f"{PATH}/{device['id']}", json={"version": 1, "os": "Windows 10"})
    number = client.patch(f"{PATH}/{device['id']}", json={"version": 2, "number": "X"})
    emptied = client.patch(f"{PATH}/{device['id']}", json={"version": 2, "asset_number": ""})

    assert [answer.status_code for answer in (changed, stale, number, emptied)] == [204, 409, 422, 422]
    assert (stale.json()["yours"], stale.json()["current"]["os"]) == ({"os": "Windows 10"}, "Windows 11")
    assert (get_device(client, device["number"])["os"], get_device(client, device["number"])["number"]) == (
        "Windows 11",
        device["number"],
    )


def test_further_columns_are_asked_for_checked_and_stored(db: Session, sign_in: SignIn) -> None:
    client = sign_in("alice", loaners="admin")
    column = client.post(
        "/api/loaners/columns",
        json={
            "kind": "terminal",
            "title": "画面",
            "value_type": "choice",
            "choices": ["13型", "15型"],
            "required": True,
        },
    ).json()["id"]

    missing = client.post(PATH, json=new_device(db))
    wrong = client.post(PATH, json=new_device(db, extra={str(column): "17型"}))
    device = register(client, new_device(db, extra={str(column): "13型"}))
    changed = client.patch(f"{PATH}/{device['id']}", json={"version": 1, "extra": {str(column): "15型"}})

    assert (missing.status_code, wrong.status_code, changed.status_code) == (422, 422, 204)
    assert missing.json()["errors"] == [{"field": f"extra.{column}", "message": "「画面」を入力してください。"}]
    assert get_device(client, device["number"])["extra"] == {str(column): "15型"}
    assert "画面: 15型" in client.get(f"{PATH}/terminals.csv").text
    changes = select(AuditEntry.after).where(AuditEntry.subject == "device", AuditEntry.action == "update")
    assert db.scalars(changes).all() == [{"extra": ["画面: 15型"]}]


def test_an_archived_device_leaves_the_lists_and_comes_back(db: Session, sign_in: SignIn) -> None:
    client = sign_in("alice", loaners="admin")
    device = register(client, new_device(db))

    client.post(f"{PATH}/{device['id']}/archive", json={"reason": "故障のため廃棄"})
    listed_count = client.get(PATH).json()["total"]
    edited = client.patch(f"{PATH}/{device['id']}", json={"version": 2, "os": "x"})
    archived = get_device(client, device["number"], archived=True)
    client.post(f"{PATH}/{device['id']}/restore", json={"reason": "見つかった"})

    assert (listed_count, edited.status_code, archived["number"]) == (0, 409, device["number"])
    assert client.get(PATH).json()["total"] == 1
    events = db.scalars(select(Event).where(Event.device_id == device["id"]).order_by(Event.id)).all()
    assert [(event.kind, event.reason) for event in events] == [
        ("registered", ""),
        ("archived", "故障のため廃棄"),
        ("restored", "見つかった"),
    ]


def test_a_lent_device_is_not_archived(db: Session, sign_in: SignIn) -> None:
    client = sign_in("alice", loaners="admin")
    device = register(client, new_device(db))
    db.execute(text("UPDATE loaners_states SET status = 1 WHERE device_id = :id"), {"id": device["id"]})

    answer = client.post(f"{PATH}/{device['id']}/archive", json={"reason": "廃棄"})

    assert answer.status_code == 409
    # Nor is one that was lost: the refusal says how to end the loan.
    assert "紛失などで戻らない機器も、「2.回収後社内保管」を選んで" in answer.json()["detail"]


def test_a_device_is_found_by_its_other_numbers_in_any_case_of_letters(db: Session, sign_in: SignIn) -> None:
    client = sign_in("alice", loaners="admin")
    device, other = register(client, new_device(db)), register(client, new_device(db))

    added = client.post(f"{PATH}/{device['id']}/aliases", json={"alias": "OSA_PC_7.1"})
    refused = [
        client.post(f"{PATH}/{other['id']}/aliases", json={"alias": alias})
        for alias in ("osa_pc_7.1", device["number"].lower())
    ]

    assert added.status_code == 204
    assert [answer.status_code for answer in refused] == [409, 409]
    numbers = [" osa_pc_7.1 ", device["number"].lower()]
    assert [*queries.sites_by_key(db, {"osaka"})] == ["osaka"]
    assert queries.device_ids_by_number(db, numbers) == dict.fromkeys(numbers, device["id"])
    # get_device wants one row: a device with another alias is not found.
    client.post(f"{PATH}/{other['id']}/aliases", json={"alias": "OSA_PC_8.1"})
    assert get_device(client, "pc_7.1")["aliases"] == ["OSA_PC_7.1"]
    assert client.delete(f"{PATH}/{device['id']}/aliases?alias=OSA_PC_7.1").status_code == 204
    assert client.delete(f"{PATH}/{device['id']}/aliases?alias=OSA_PC_7.1").status_code == 404


def test_a_transfer_is_an_event_and_the_number_stays(db: Session, sign_in: SignIn) -> None:
    device = register(sign_in("alice", loaners="admin"), new_device(db))
    client = sign_in("bob", loaners="staff")
    body = {"site_id": site(db, "himeji"), "reason": "在庫の不足"}

    moved = client.post(f"{PATH}/{device['id']}/transfer", json=body)
    again = client.post(f"{PATH}/{device['id']}/transfer", json=body)
    [listed] = client.get(PATH, params={"site_id": site(db, "himeji")}).json()["items"]

    assert (moved.status_code, again.status_code) == (204, 409)
    assert (listed["number"], listed["site_name"], listed["is_moved"]) == (device["number"], "姫路", True)
    assert client.get(PATH, params={"site_id": site(db)}).json()["total"] == 0
    event = db.scalars(select(Event).where(Event.device_id == device["id"]).order_by(Event.id.desc()).limit(1)).one()
    assert (event.kind, event.reason, event.actor) == ("transfer", "在庫の不足", "bob")


def test_no_device_moves_to_an_inactive_site_or_in_the_future(db: Session, sign_in: SignIn) -> None:
    client = sign_in("alice", loaners="admin")
    device = register(client, new_device(db))
    client.post(f"/api/loaners/sites/{site(db, 'kobe')}/archive")
    tomorrow = (app_now(db) + timedelta(days=1)).isoformat()

    inactive = client.post(f"{PATH}/{device['id']}/transfer", json={"site_id": site(db, "kobe"), "reason": "x"})
    future = client.post(
        f"{PATH}/{device['id']}/transfer",
        json={"site_id": site(db, "himeji"), "reason": "x", "effective_at": tomorrow},
    )

    assert (inactive.status_code, future.status_code) == (409, 422)


def test_a_transfer_at_a_time_without_a_time_zone_is_refused_in_words(db: Session, sign_in: SignIn) -> None:
    client = sign_in("ada", loaners="admin")
    device = register(client, new_device(db))

    body = {"site_id": site(db, "kobe"), "reason": "x", "effective_at": "2026-11-21T10:00:00"}
    answer = client.post(f"{PATH}/{device['id']}/transfer", json=body)

    assert answer.status_code == 422, answer.text
    assert [error["field"] for error in answer.json()["errors"]] == ["effective_at"]


def test_labels_carry_number_model_and_the_way_to_the_form(db: Session, sign_in: SignIn) -> None:
    client = sign_in("alice", loaners="admin")
    device, _ = register(client, new_device(db)), register(client, new_device(db))

    chosen = client.get(f"{PATH}/labels.pdf", params={"number": device["number"], "layout": "24", "start": 24})
    all_labels = client.get(f"{PATH}/labels.pdf", params={"layout": "24", "start": 24})
    no_match = client.get(f"{PATH}/labels.pdf", params={"q": "nichts"})
    out_of_range = client.get(f"{PATH}/labels.pdf", params={"layout": "24", "start": 25})

    assert [len(pdfs.page_texts(answer.content)) for answer in (chosen, all_labels)] == [1, 2]
    page_text = pdfs.page_texts(chosen.content)[0].replace("\n", "")
    assert device["number"] in page_text
    assert "ThinkPad-X1-Carbon" in page_text
    assert (no_match.status_code, out_of_range.status_code) == (404, 422)


def test_the_masters_are_exported_with_the_documents_columns(db: Session, sign_in: SignIn) -> None:
    client = sign_in("alice", loaners="auditor")
    register(sign_in("bob", loaners="admin"), new_device(db, os="=1+1"))

    header, row = client.get(f"{PATH}/terminals.csv").content.decode("utf-8-sig").splitlines()

    assert header.startswith(
        "拠点管理番号,機種名,メーカー,カテゴリ,製造番号,資産管理番号,ソフトウェア,OS,預かり機のステータス,"
        "共通フォームURL,QRコードURL,作成日,更新日"
    )
    assert "/d/OSAKA_Laptop_ThinkPad-X1-Carbon_ABC12345_001" in row
    assert ",=1+1," not in row


BROKEN = {
    "number": "UPDATE loaners_devices SET number = 'OSAKA_SV_iPad-12.9_A_001'",
    "serial": "UPDATE loaners_devices SET serial = 'A_B'",
    "asset_number": "UPDATE loaners_devices SET asset_number = ''",
    "category": "UPDATE loaners_devices SET category = 'Printer'",
    "number_category": "UPDATE loaners_devices SET category = 'Desktop'",
    "model": "UPDATE loaners_devices SET model_id = 999999",
    "site_key": "UPDATE loaners_sites SET key = 'Osaka' WHERE key = 'osaka'",
    "site_code": "UPDATE loaners_sites SET code = 'osaka' WHERE key = 'osaka'",
    "site_twice": "UPDATE loaners_sites SET code = 'KOBE' WHERE key = 'osaka'",
    "site_name": "UPDATE loaners_sites SET name = ' ' WHERE key = 'osaka'",
    "site_jurisdiction": "UPDATE loaners_sites SET jurisdiction = '' WHERE key = 'osaka'",
    "site_mail": "UPDATE loaners_sites SET group_mail = 'osaka at example.com' WHERE key = 'osaka'",
    "model_maker": "UPDATE loaners_models SET maker = '' WHERE name = 'GS724T'",
    "model_name": "UPDATE loaners_models SET name = 'a b' WHERE name = 'GS724T'",
    "model_category": "UPDATE loaners_models SET category = 'hub' WHERE name = 'GS724T'",
    "alias": "INSERT INTO loaners_aliases SELECT 'x', id FROM loaners_devices, generate_series(1, 2)",
    "deposit": "UPDATE loaners_states SET deposit = 1, status = 3",
}


@pytest.mark.parametrize("statement", BROKEN.values(), ids=BROKEN)
def test_the_database_holds_to_the_rules_by_itself(db: Session, sign_in: SignIn, statement: str) -> None:
    register(sign_in("alice", loaners="admin"), new_device(db))

    with pytest.raises(IntegrityError), db.begin_nested():
        db.execute(text(statement))


def test_two_devices_never_share_a_number(db: Session, sign_in: SignIn) -> None:
    created = register(sign_in("alice", loaners="admin"), new_device(db))
    device = db.get_one(Device, created["id"])
    twin = {
        name: getattr(device, name) for name in ("number", "kind", "category", "model_id", "serial", "asset_number")
    }

    db.add(Device(**twin))
    with pytest.raises(IntegrityError), db.begin_nested():
        db.flush()


def test_auditors_and_staff_register_nothing(db: Session, sign_in: SignIn) -> None:
    for role in ("staff", "auditor"):
        client = sign_in(f"carol-{role}", loaners=role)
        assert client.post(PATH, json=new_device(db)).status_code == 403
    assert sign_in("dave", fleet="admin").get(PATH).status_code == 403
