"""店舗順序シミュレーション: permissions, refused orders, and the result before there is a past."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.reservations.models import Reservation, Service
from tests.api.reservations import scene
from tests.api.reservations.test_simulation import PATH, operator, signed_in, simulate

__all__ = ["operator"]


def test_without_a_past_there_is_nothing_to_compare(db: Session, operator: TestClient) -> None:
    scene.fill(db)
    result = simulate(operator, db.scalars(select(Service.id).where(Service.code == "cake")).one())
    assert (result["reservations"], result["trust"], result["suggested"]) == (0, "poor", result["order"])
    assert result["tried"]["mean_minutes"] is None


@pytest.mark.parametrize("order", ["1", "{first},{first}", "{first}", "a,b", ""])
def test_an_order_that_is_not_the_services_is_refused(db: Session, operator: TestClient, order: str) -> None:
    scene.fill(db)
    service = db.scalars(select(Service.id).where(Service.code == "bouquet")).one()
    first = simulate(operator, service)["order"][0]
    assert operator.get(f"{PATH}/{service}", params={"order": order.format(first=first)}).status_code == 422


def test_it_is_for_operators_and_admins(db: Session, client: TestClient) -> None:
    scene.fill(db)
    service = db.scalar(select(func.min(Service.id)))
    for role, status in (("admin", 200), ("operator", 200), ("support", 403), ("manager", 403)):
        assert signed_in(db, client, role, reservations=role).get(f"{PATH}/{service}").status_code == status
    assert db.scalar(select(func.count()).select_from(Reservation)) == 0
    assert signed_in(db, client, "charlie", fleet="admin").get(f"{PATH}/{service}").status_code == 403
    assert signed_in(db, client, "oscar", reservations="operator").get(f"{PATH}/999999").status_code == 404
