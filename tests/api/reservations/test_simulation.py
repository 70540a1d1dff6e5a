"""店舗順序シミュレーション through its door, on the demo's past."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from service.core.clock import app_now
from service.core.times import TOKYO
from service.demo import people, reservations
from service.reservations.flow.models import Reservation
from service.reservations.services.models import Service
from service.reservations.shops.models import Shop
from tests import cast
from tests.api.reservations import scene

PATH = "/api/reservations/simulation"


def signed_in(db: Session, client: TestClient, login_id: str, **roles: str) -> TestClient:
    return cast.signed_in(db, client, cast.person(db, login_id, **roles))


@pytest.fixture
def operator(db: Session, client: TestClient) -> TestClient:
    return signed_in(db, client, "olivia", reservations="operator")


def lived(db: Session) -> int:
    """The demo's past; the id of the bouquet."""
    scene.set_clock(db, datetime(2031, 1, 8, 11, 0, tzinfo=TOKYO))
    people.fill(db)
    reservations.fill(db)
    return db.scalars(select(Service.id).where(Service.code == "bouquet")).one()


def ask(client: TestClient, service: int, **query: Any) -> dict[str, Any]:
    answer = client.get(f"{PATH}/{service}", params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_the_present_order_is_compared_with_another_and_nothing_changes(db: Session, operator: TestClient) -> None:
    bouquet = lived(db)
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


def test_what_is_expected_of_the_order_that_was_used_is_near_what_happened(db: Session, operator: TestClient) -> None:
    bouquet = lived(db)
    found = ask(operator, bouquet, months=4)
    assert found["present"]["measured"] > 0.99
    for name in ("success", "calls"):
        assert found["present"][name] == pytest.approx(found["actual"][name], abs=0.02)
    assert found["reservations"] < ask(operator, bouquet)["reservations"]


def test_a_shop_out_of_use_is_not_called(db: Session, operator: TestClient) -> None:
    bouquet = lived(db)
    first, second = (shop["id"] for shop in ask(operator, bouquet)["shops"])
    db.execute(update(Shop).where(Shop.id == first).values(blacklisted_at=app_now(db), blacklist_reason="休業"))
    found = ask(operator, bouquet)
    assert [bool(shop["blacklisted_at"]) for shop in found["shops"]] == [True, False]
    assert (
        ask(operator, bouquet, order=f"{first},{second}")["tried"]
        == ask(operator, bouquet, order=f"{second},{first}")["tried"]
    )


def test_without_a_past_there_is_nothing_to_compare(db: Session, operator: TestClient) -> None:
    scene.fill(db)
    found = ask(operator, db.scalars(select(Service.id).where(Service.code == "cake")).one())
    assert (found["reservations"], found["trust"], found["suggested"]) == (0, "poor", found["order"])
    assert found["tried"]["mean_minutes"] is None


@pytest.mark.parametrize("order", ["1", "{first},{first}", "{first}", "a,b", ""])
def test_an_order_that_is_not_the_services_is_refused(db: Session, operator: TestClient, order: str) -> None:
    scene.fill(db)
    service = db.scalars(select(Service.id).where(Service.code == "bouquet")).one()
    first = ask(operator, service)["order"][0]
    assert operator.get(f"{PATH}/{service}", params={"order": order.format(first=first)}).status_code == 422


def test_it_is_for_operators_and_admins(db: Session, client: TestClient) -> None:
    scene.fill(db)
    service = db.scalar(select(func.min(Service.id)))
    for role, status in (("admin", 200), ("operator", 200), ("support", 403), ("manager", 403)):
        assert signed_in(db, client, role, reservations=role).get(f"{PATH}/{service}").status_code == status
    assert db.scalar(select(func.count()).select_from(Reservation)) == 0
    assert signed_in(db, client, "charlie", fleet="admin").get(f"{PATH}/{service}").status_code == 403
    assert signed_in(db, client, "oscar", reservations="operator").get(f"{PATH}/999999").status_code == 404
