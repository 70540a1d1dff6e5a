"""The demo's agencies have the document's figures on whatever day they start."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from service.agencies.models import Request, Site
from service.agencies.requests.models import Comment
from service.core.access.identity import User
from service.core.database.clock import app_now
from service.demo import fill
from tests import people
from tests.api.agencies.test_figures import COLUMNS, TABLE

DAYS = [0, 300, *(pytest.param(days, marks=pytest.mark.deep) for days in (3, 40))]


@pytest.mark.parametrize("days", DAYS)
def test_it_holds_the_documents_figures_on_any_day_and_nothing_of_the_future(
    db: Session, client: TestClient, days: int
) -> None:
    db.execute(text("UPDATE app_clock SET shift = make_interval(days => :days)"), {"days": days})
    fill(db, ["agencies"])
    fill(db, ["agencies"])

    admin = db.scalars(select(User).where(User.login_id == "agencies-admin")).one()
    items: list[dict[str, Any]] = (
        people.signed_in_client(db, client, admin).get("/api/agencies/figures").json()["items"]
    )
    assert [tuple(item[name] for name in COLUMNS) for item in items] == [*TABLE]
    for column in (Request.created_at, Site.entered_at, Comment.created_at):
        latest = db.scalar(select(func.max(column)))
        assert latest is not None
        assert latest <= app_now(db)
    earliest = db.scalar(select(func.min(Request.created_at)))
    assert earliest is not None
    assert timedelta(days=50) < app_now(db) - earliest < timedelta(days=80)
    assert list(db.scalars(select(Request.id).order_by(Request.created_at))) == list(
        db.scalars(select(Request.id).order_by(Request.id))
    )
