"""Sites, models and further columns: the document's first rows, its rules, and who may change them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

SignIn = Callable[..., TestClient]

# 8.1.1 and 8.1.2.
SITES = """
osaka | OSAKA | 大阪 | 関西 | test-group@example.com | false | active
kobe | KOBE | 神戸 | 関西 | test-group@example.com | false | active
himeji | HIMEJI | 姫路 | 関西 | test-group@example.com | false | active
"""
MODELS = """
ThinkPad-X1-Carbon | Lenovo | Laptop
OptiPlex-7090 | Dell | Desktop
imageClass-MF644Cdw | Canon | Printer
iPad-Pro-12.9 | Apple | Tablet
WXR-6000AX12S | Buffalo | Router
GS724T | Netgear | Hub
"""
SITE = {"key": "nara", "code": "NARA", "name": "奈良", "jurisdiction": "関西", "group_mail": "nara@example.com"}
MODEL = {"name": "LIFEBOOK-U9312", "maker": "Fujitsu", "category": "Laptop"}


def rows(table: str) -> list[list[str]]:
    return [line.split(" | ") for line in table.strip().splitlines()]


def test_the_first_sites_are_the_documents(sign_in: SignIn) -> None:
    client = sign_in("alice", loaners="admin")

    items = client.get("/api/loaners/sites").json()["items"]
    found = [
        [
            *(site[name] for name in ("key", "code", "name", "jurisdiction", "group_mail")),
            "true" if site["notifies"] else "false",
            "active" if site["archived_at"] is None else "inactive",
        ]
        for site in items
    ]

    assert sorted(found) == sorted(rows(SITES))


def test_the_first_models_are_the_documents_and_have_ids(sign_in: SignIn) -> None:
    client = sign_in("alice", loaners="auditor")

    items = client.get("/api/loaners/models", params={"sort": "id"}).json()["items"]

    assert [[model["name"], model["maker"], model["category"]] for model in items] == rows(MODELS)
    assert [model["code"] for model in items] == [f"MODEL_{number:03}" for number in range(1, 7)]


def test_the_categories_cannot_be_changed(sign_in: SignIn) -> None:
    client = sign_in("alice", loaners="staff")

    items = client.get("/api/loaners/categories").json()["items"]

    assert items[2] == {
        "key": "Server",
        "title": "サーバー",
        "description": "サーバー機器",
        "abbreviation": "SV",
        "kind": "terminal",
        "group": "SV",
    }
    assert client.post("/api/loaners/categories", json={}).status_code == 405


def test_a_site_is_made_changed_and_made_inactive(sign_in: SignIn) -> None:
    client = sign_in("alice", loaners="admin")

    site_id = client.post("/api/loaners/sites", json=SITE).json()["id"]
    changed = client.patch(f"/api/loaners/sites/{site_id}", json={"version": 1, "notifies": True})
    stale = client.patch(f"/api/loaners/sites/{site_id}", json={"version": 1, "name": "奈良営業所"})
    archived = client.post(f"/api/loaners/sites/{site_id}/archive")
    [item] = client.get("/api/loaners/sites", params={"archived": True}).json()["items"]

    assert (changed.status_code, stale.status_code, archived.status_code) == (204, 409, 204)
    assert stale.json()["current"]["notifies"] is True
    assert (item["key"], item["notifies"]) == ("nara", True)
    assert client.post(f"/api/loaners/sites/{site_id}/restore").status_code == 204


@pytest.mark.parametrize(
    "wrong",
    [
        {"key": "Nara"},
        {"key": "n" * 21},
        {"key": "奈良"},
        {"code": "nara"},
        {"code": "NARA1"},
        {"code": "N" * 21},
        {"group_mail": "nara"},
        {"jurisdiction": " "},
        {"name": ""},
    ],
)
def test_a_site_that_breaks_the_documents_rules_is_refused(sign_in: SignIn, wrong: dict[str, str]) -> None:
    client = sign_in("alice", loaners="admin")

    answer = client.post("/api/loaners/sites", json=SITE | wrong)

    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == list(wrong)


@pytest.mark.parametrize(("field", "taken"), [("key", "osaka"), ("code", "OSAKA")])
def test_a_sites_id_and_code_are_its_own(sign_in: SignIn, field: str, taken: str) -> None:
    client = sign_in("alice", loaners="admin")

    answer = client.post("/api/loaners/sites", json=SITE | {field: taken})

    assert answer.status_code == 409
    assert taken in answer.json()["detail"]


def test_a_models_name_with_blanks_is_refused_with_the_hyphenated_proposal(sign_in: SignIn) -> None:
    client = sign_in("alice", loaners="admin")

    answer = client.post("/api/loaners/models", json=MODEL | {"name": "LIFEBOOK U9312"})

    assert answer.status_code == 422
    assert "「LIFEBOOK-U9312」" in answer.json()["errors"][0]["message"]
    assert client.post("/api/loaners/models", json=MODEL).status_code == 201
    assert client.post("/api/loaners/models", json=MODEL).status_code == 409


def test_a_category_that_is_none_is_refused(sign_in: SignIn) -> None:
    client = sign_in("alice", loaners="admin")

    assert client.post("/api/loaners/models", json=MODEL | {"category": "laptop"}).status_code == 422


def test_a_further_column_is_added_without_a_migration(sign_in: SignIn) -> None:
    client = sign_in("alice", loaners="admin")
    new = {"kind": "printer", "title": "トナー", "value_type": "choice", "choices": ["黒", "カラー"]}

    created = client.post("/api/loaners/columns", json=new)
    again = client.post("/api/loaners/columns", json=new)
    built_in = client.post("/api/loaners/columns", json={"kind": "printer", "title": "製造番号"})
    empty = client.post("/api/loaners/columns", json=new | {"title": "紙", "choices": []})
    emptied = client.patch(f"/api/loaners/columns/{created.json()['id']}", json={"version": 1, "choices": []})
    [item] = client.get("/api/loaners/columns", params={"kind": "printer"}).json()["items"]

    assert [answer.status_code for answer in (created, again, built_in, empty, emptied)] == [201, 409, 409, 422, 422]
    assert (item["title"], item["choices"]) == ("トナー", ["黒", "カラー"])


@pytest.mark.parametrize(
    "title",
    [
        "備考",
        "担当者",
        "ステータス",
        "貸出日",
        "お預かり証No.",
        "利用状況",
        "ｏｓ",
        "QRコードURL",
        "別名",
        "1-1.貸出先",
        "管理番号",
        "シリアルナンバー（必須）",
        "S／N",
        "登録日",
    ],
)
def test_no_column_is_added_that_is_called_like_one_of_a_list(sign_in: SignIn, title: str) -> None:
    client = sign_in("alice", loaners="admin")
    column = client.post("/api/loaners/columns", json={"kind": "printer", "title": "トナー"}).json()

    created = client.post("/api/loaners/columns", json={"kind": "printer", "title": title})
    renamed = client.patch(f"/api/loaners/columns/{column['id']}", json={"version": 1, "title": title})

    assert [answer.status_code for answer in (created, renamed)] == [409, 409]
    assert created.json()["errors"][0]["field"] == "title"


def test_sites_are_exported_with_the_documents_columns(sign_in: SignIn) -> None:
    client = sign_in("alice", loaners="auditor")

    header, first, *_ = client.get("/api/loaners/sites.csv").content.decode("utf-8-sig").splitlines()

    assert header.startswith(
        "拠点ID,拠点コード,拠点名,管轄,グループメールアドレス,ステータス変更通知,ステータス,作成日,更新日"
    )
    assert first.startswith("himeji,HIMEJI,姫路,関西,test-group@example.com,false,active,2")
    assert client.get("/api/loaners/models.xlsx").status_code == 200


def test_staff_and_auditors_read_masters_and_change_none(sign_in: SignIn) -> None:
    for role in ("staff", "auditor"):
        client = sign_in(f"bob-{role}", loaners=role)
        assert client.get("/api/loaners/sites").status_code == 200
        assert client.post("/api/loaners/sites", json=SITE).status_code == 403
        assert client.post("/api/loaners/models", json=MODEL).status_code == 403
