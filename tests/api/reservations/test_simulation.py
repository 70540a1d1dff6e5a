"""The route of 店舗順序シミュレーション, on the demo's past."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session

from service.core.database.clock import app_now
from service.reservations.models import Service, Shop
from stack.home import Home
from tests import people
from tests.api.reservations.demo import fill_demo
from tests.conftest import seeded_database

PATH = "/api/reservations/simulation"


def signed_in(db: Session, client: TestClient, login_id: str, **roles: str) -> TestClient:
    return people.signed_in_client(db, client, people.create_user(db, login_id, **roles))


@pytest.fixture
def operator(db: Session, client: TestClient) -> TestClient:
    return signed_in(db, client, "olivia", reservations="operator")


@pytest.fixture(scope="module")
def _engine(running_servers: Home) -> Iterator[Engine]:
    """Filled with the demo's past."""
    with seeded_database(running_servers, "genba_simulation", fill_demo) as engine:
        yield engine


@pytest.fixture
def bouquet(db: Session) -> int:
    """The id of the service."""
    return db.scalars(select(Service.id).where(Service.code == "bouquet")).one()


def simulate(client: TestClient, service: int, **query: Any) -> dict[str, Any]:
    response = client.get(f"{PATH}/{service}", params=query)
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


def test_the_present_order_is_compared_with_another_and_nothing_changes(bouquet: int, operator: TestClient) -> None:
    result = simulate(operator, bouquet)
    first, second = (shop["id"] for shop in result["shops"])
    assert result["order"] == [first, second]
    assert result["tried"] == result["present"]
    assert result["trust"] == "good"
    assert 200 < result["reservations"] < 320

    other = simulate(operator, bouquet, order=f"{second},{first}")
    assert other["present"] == result["present"]
    # The second shop agrees far more often: it is reached sooner, with fewer calls.
    assert other["tried"]["calls"] < other["present"]["calls"]
    assert other["tried"]["mean_minutes"] < other["present"]["mean_minutes"]
    assert result["suggested"] == [second, first]
    assert result["suggested_score"] == other["tried"]
    assert 0 < other["tried"]["measured"] < 1
    assert simulate(operator, bouquet, order=f"{second},{first}") | {"as_of": ""} == other | {"as_of": ""}
    assert [shop["id"] for shop in simulate(operator, bouquet)["shops"]] == [first, second]


def test_what_is_expected_of_the_order_that_was_used_is_near_what_happened(bouquet: int, operator: TestClient) -> None:
    result = simulate(operator, bouquet, months=4)
    assert result["present"]["measured"] > 0.99
    for name in ("success", "calls"):
        assert result["present"][name] == pytest.approx(result["actual"][name], abs=0.02)
    assert result["reservations"] < simulate(operator, bouquet)["reservations"]


def test_a_shop_out_of_use_is_not_called(db: Session, bouquet: int, operator: TestClient) -> None:
    first, second = (shop["id"] for shop in simulate(operator, bouquet)["shops"])
    db.execute(update(Shop).where(Shop.id == first).values(blacklisted_at=app_now(db), blacklist_reason="休業"))
    result = simulate(operator, bouquet)
    assert [bool(shop["blacklisted_at"]) for shop in result["shops"]] == [True, False]
    assert (
        simulate(operator, bouquet, order=f"{first},{second}")["tried"]
        == simulate(operator, bouquet, order=f"{second},{first}")["tried"]
    )
