"""店舗順序シミュレーション through its door, on the demo's past."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session

from service.core.database.clock import app_now
from service.reservations.services.models import Service
from service.reservations.shops.models import Shop
from stack.home import Home
from tests import people
from tests.api.reservations.demo import begin
from tests.conftest import filled_database

PATH = "/api/reservations/simulation"


def signed_in(db: Session, client: TestClient, login_id: str, **roles: str) -> TestClient:
    return people.signed_in(db, client, people.person(db, login_id, **roles))


@pytest.fixture
def operator(db: Session, client: TestClient) -> TestClient:
    return signed_in(db, client, "olivia", reservations="operator")


@pytest.fixture(scope="module")
def _engine(running_servers: Home) -> Iterator[Engine]:
    """The demo's past is in it."""
    with filled_database(running_servers, "genba_simulation", begin) as engine:
        yield engine


@pytest.fixture
def bouquet(db: Session) -> int:
    """Its id."""
    return db.scalars(select(Service.id).where(Service.code == "bouquet")).one()


def ask(client: TestClient, service: int, **query: Any) -> dict[str, Any]:
    answer = client.get(f"{PATH}/{service}", params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_the_present_order_is_compared_with_another_and_nothing_changes(bouquet: int, operator: TestClient) -> None:
    found = ask(operator, bouquet)
    first, second = (shop["id"] for shop in found["shops"])
    assert found["order"] == [first, second]
    assert found["tried"] == found["present"]
    assert found["trust"] == "good"
    assert 200 < found["reservations"] < 320

    other = ask(operator, bouquet, order=f"{second},{first}")
    assert other["present"] == found["present"]
    # The second shop agrees far more often: it is reached sooner, with fewer calls.
    assert other["tried"]["calls"] < other["present"]["calls"]
    assert other["tried"]["mean_minutes"] < other["present"]["mean_minutes"]
    assert found["suggested"] == [second, first]
    assert found["suggested_score"] == other["tried"]
    assert 0 < other["tried"]["measured"] < 1
    assert ask(operator, bouquet, order=f"{second},{first}") | {"as_of": ""} == other | {"as_of": ""}
    assert [shop["id"] for shop in ask(operator, bouquet)["shops"]] == [first, second]


def test_what_is_expected_of_the_order_that_was_used_is_near_what_happened(bouquet: int, operator: TestClient) -> None:
    found = ask(operator, bouquet, months=4)
    assert found["present"]["measured"] > 0.99
    for name in ("success", "calls"):
        assert found["present"][name] == pytest.approx(found["actual"][name], abs=0.02)
    assert found["reservations"] < ask(operator, bouquet)["reservations"]


def test_a_shop_out_of_use_is_not_called(db: Session, bouquet: int, operator: TestClient) -> None:
    first, second = (shop["id"] for shop in ask(operator, bouquet)["shops"])
    db.execute(update(Shop).where(Shop.id == first).values(blacklisted_at=app_now(db), blacklist_reason="休業"))
    found = ask(operator, bouquet)
    assert [bool(shop["blacklisted_at"]) for shop in found["shops"]] == [True, False]
    assert (
        ask(operator, bouquet, order=f"{first},{second}")["tried"]
        == ask(operator, bouquet, order=f"{second},{first}")["tried"]
    )
