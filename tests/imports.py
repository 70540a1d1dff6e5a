"""Uploads files and imports them, as users do."""

from __future__ import annotations

from typing import Any

from fastapi.testclient import TestClient

from tests.workers import Environment

CUSTOMERS = """会社名,担当者,メールアドレス,電話番号,契約種別
ABC商事,青木 誠,aoki@abc.example,03-1234-5678,プレミアム
XYZ商店,小林 由美,kobayashi@xyz.example,０３－１２３４－５６７９,
"""
TERMINALS = """シリアル番号（必須）,顧客企業,設置店舗名,設置日,備考
TC200-0001,ABC商事,新宿店 レジ1番,2026/4/1,x
TC200-0002,XYZ商店,渋谷店 レジ1番,2026年4月2日,
TC200-0003,ABC商事,新宿店 レジ2番,,
"""


def request_import(
    client: TestClient, content: str | bytes, kind: str = "fleet.customers", name: str = "一覧.csv"
) -> Any:
    """Uploads the file and begins its import; the answer."""
    raw = content.encode() if isinstance(content, str) else content
    uploaded = client.put(
        "/api/core/files", params={"name": name, "purpose": f"{kind.partition('.')[0]}.import"}, content=raw
    )
    assert uploaded.status_code == 201, uploaded.text
    return client.post("/api/core/imports", json={"kind": kind, "file_id": uploaded.json()["id"]})


def begin_import(
    client: TestClient, content: str | bytes, kind: str = "fleet.customers", name: str = "一覧.csv"
) -> Any:
    answer = request_import(client, content, kind, name)
    assert answer.status_code == 201, answer.text
    return answer.json()


def run_import(
    environment: Environment, client: TestClient, content: str | bytes, kind: str = "fleet.customers"
) -> Any:
    """Begins and runs the import; the finished task."""
    task = client.post(f"/api/core/imports/{begin_import(client, content, kind)['id']}/run")
    assert task.status_code == 202, task.text
    assert environment.run()
    return client.get(f"/api/core/tasks/{task.json()['id']}").json()


def preview(client: TestClient, draft: dict[str, Any]) -> Any:
    return client.get(f"/api/core/imports/{draft['id']}/preview").json()


def customers(environment: Environment) -> list[tuple[Any, ...]]:
    return environment.rows(
        "SELECT company_name, contact_person, contact_phone, contract_type FROM fleet_customers ORDER BY company_name"
    )
