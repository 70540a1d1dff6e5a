"""Services and shops, made through the doors that people use."""

from __future__ import annotations

from typing import Any

from fastapi.testclient import TestClient

SERVICES, SHOPS = "/api/reservations/services", "/api/reservations/shops"
SHOP = {"code": "A1", "name": "フラワー銀座", "phone": "03-1234-0001"}


def made(client: TestClient, path: str, body: dict[str, Any]) -> int:
    answer = client.post(path, json=body)
    assert answer.status_code == 201, answer.text
    key: int = answer.json()["id"]
    return key


def service(client: TestClient, code: str = "bouquet", name: str = "花束") -> int:
    return made(client, SERVICES, {"code": code, "name": name})


def shop(client: TestClient, code: str, *services: int, **more: Any) -> int:
    body = {"code": code, "name": f"{code}の店", "phone": "03-1234-0001", "services": list(services)}
    return made(client, SHOPS, body | more)


def order(client: TestClient, service_id: int) -> list[str]:
    """Codes, from the first to the last."""
    return [one["code"] for one in client.get(f"{SERVICES}/{service_id}/shops").json()["items"]]


def history(client: TestClient, path: str, key: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get(f"{path}/{key}/history").json()["items"]
    return found
