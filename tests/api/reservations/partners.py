"""Creates services and shops through the API."""

from __future__ import annotations

from typing import Any

from fastapi.testclient import TestClient

SERVICES, SHOPS = "/api/reservations/services", "/api/reservations/shops"
SHOP = {"code": "A1", "name": "フラワー銀座", "phone": "03-1234-0001"}


def create(client: TestClient, path: str, body: dict[str, Any]) -> int:
    response = client.post(path, json=body)
    assert response.status_code == 201, response.text
    key: int = response.json()["id"]
    return key


def create_service(client: TestClient, code: str = "bouquet", name: str = "花束") -> int:
    return create(client, SERVICES, {"code": code, "name": name})


def create_shop(client: TestClient, code: str, *services: int, **fields: Any) -> int:
    body = {"code": code, "name": f"{code}の店", "phone": "03-1234-0001", "services": list(services)}
    return create(client, SHOPS, body | fields)


def call_order(client: TestClient, service_id: int) -> list[str]:
    """Shop codes in the order in which they are called."""
    return [item["code"] for item in client.get(f"{SERVICES}/{service_id}/shops").json()["items"]]


def history(client: TestClient, path: str, key: int) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = client.get(f"{path}/{key}/history").json()["items"]
    return items
