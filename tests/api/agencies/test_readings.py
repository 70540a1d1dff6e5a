"""明細の読み取り: requested by a user, read by one worker at a time, accepted field by field by a user."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from service.agencies.models import Request, Site
from service.agencies.ocr import actions, queries, rules
from service.agencies.ocr.models import Reading
from service.agencies.requests.models import Image
from service.agencies.settings import settings
from service.core.audit import AuditEntry
from service.core.monitoring.health import JobHeartbeat, record_job
from tests.api.agencies import scene
from tests.api.agencies.scene import Scene

LOCATION = "0300001111222233334444"
FOUND: dict[str, dict[str, Any]] = {
    "latest_charges": {"value": "45678", "score": 0.98, "box": [0.4, 0.3, 0.5, 0.33], "notes": []},
    "latest_power_usage": {"value": "1234.5", "score": 0.7, "box": [0.4, 0.3, 0.5, 0.33], "notes": []},
    "latest_date": {"value": "2026-09", "score": 0.99, "box": [0.1, 0.0, 0.2, 0.03], "notes": []},
    "power_customer_location_number": {
        "value": LOCATION,
        "score": 0.99,
        "box": [0.4, 0.2, 0.8, 0.23],
        "notes": ["エリアが合いません。"],
    },
}
RESULT = {"engine": "rapidocr 3.10.0", "turn": 90, "fields": FOUND}


@pytest.fixture
def switched_on(db: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """The feature is switched on, and a worker has just sent a heartbeat."""
    on = settings().model_copy(update={"ocr": True})
    for module in ("ocr.queries", "ocr.actions"):
        monkeypatch.setattr(f"service.agencies.{module}.settings", lambda: on)
    record_job(db, queries.JOB)


@pytest.fixture
def olga(team: Scene) -> TestClient:
    return team.sign_in(team.olga)


@pytest.fixture
def case(team: Scene) -> Request:
    return scene.request(team.db, scene.corporation(team.db, team.a), team.alice)


@pytest.fixture
def site(team: Scene, case: Request) -> Site:
    return scene.site(team.db, case, latest_charges=None, latest_power_usage=None, latest_date="")


@pytest.fixture
def image(team: Scene, case: Request, site: Site) -> Image:
    return scene.image(team.db, case, team.alice, site)


def path(case: Request, suffix: str = "/readings") -> str:
    return f"/api/agencies/cases/{case.id}{suffix}"


def request_reading(client: TestClient, image: Image) -> dict[str, Any]:
    answer = client.post(f"/api/agencies/cases/{image.request_id}/images/{image.id}/reading")
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


def readings(client: TestClient, case: Request) -> list[dict[str, Any]]:
    answer = client.get(path(case))
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


@pytest.fixture
def reading(db: Session, switched_on: None, olga: TestClient, image: Image) -> dict[str, Any]:
    """The reading of the image, done by a worker."""
    reading = request_reading(olga, image)
    lease = actions.claim(db)
    assert lease is not None
    assert actions.finish(db, lease, RESULT)
    return reading


def accept(client: TestClient, case: Request, reading: dict[str, Any], site: Site, field: str, value: str) -> Any:
    body = {"field": field, "value": value, "site_id": site.id, "version": site.version}
    return client.post(path(case, f"/readings/{reading['id']}/accept"), json=body)


def test_it_is_off_by_default(olga: TestClient, case: Request, image: Image) -> None:
    answer = olga.get(path(case)).json()
    refused = olga.post(path(case, f"/images/{image.id}/reading"))

    assert (answer["items"], answer["is_on"], answer["problem"]) == ([], False, "")
    assert refused.status_code == 409
    assert "使用していません" in refused.json()["detail"]


def test_without_a_reader_it_says_what_to_do(
    db: Session, switched_on: None, olga: TestClient, case: Request, image: Image
) -> None:
    db.execute(update(JobHeartbeat).values(at=func.now() - timedelta(minutes=3)))

    answer = olga.get(path(case)).json()
    refused = olga.post(path(case, f"/images/{image.id}/reading"))

    assert answer["is_on"]
    assert "make setup-ocr" in answer["problem"]
    assert refused.status_code == 409
    assert refused.json()["detail"] == answer["problem"]


def test_an_image_waits_is_read_and_its_proposals_change_nothing(
    db: Session, switched_on: None, olga: TestClient, case: Request, image: Image, site: Site
) -> None:
    waiting = request_reading(olga, image)
    assert (waiting["state"], waiting["image_id"], waiting["asked_by_name"]) == ("waiting", image.id, "olga さん")
    assert request_reading(olga, image)["id"] == waiting["id"]

    lease = actions.claim(db)
    assert lease is not None
    assert readings(olga, case)[0]["state"] == "reading"
    assert actions.finish(db, lease, RESULT)
    db.commit()

    [done] = readings(olga, case)
    assert (done["state"], done["engine"], done["turn"], done["site_id"]) == ("done", "rapidocr 3.10.0", 90, site.id)
    shown = {field["field"]: (field["value"], field["is_sure"], field["decision"]) for field in done["fields"]}
    assert shown == {
        "latest_charges": ("45678", True, None),
        "latest_power_usage": ("1234.5", False, None),
        "latest_date": ("2026-09", True, None),
        "power_customer_location_number": (LOCATION, False, None),
    }
    assert done["missing"] == ["power_customer_number"]
    db.refresh(site)
    assert (site.latest_charges, site.latest_power_usage, site.version) == (None, None, 1)


def test_a_proposal_is_taken_over_as_the_sites_own_form_would_save_it(
    db: Session, olga: TestClient, case: Request, site: Site, reading: dict[str, Any]
) -> None:
    accepted = accept(olga, case, reading, site, "latest_charges", "45,678円")
    db.refresh(site)
    corrected = accept(olga, case, reading, site, "latest_power_usage", "1,234")
    db.refresh(site)

    assert (accepted.status_code, corrected.status_code) == (200, 200)
    assert (site.latest_charges, site.latest_power_usage, site.version) == (45678, Decimal(1234), 3)
    decisions = {field["field"]: field["decision"] for field in corrected.json()["fields"] if field["decision"]}
    assert decisions == {"latest_charges": "accepted", "latest_power_usage": "corrected"}
    entries = db.scalars(select(AuditEntry).where(AuditEntry.actor == "olga").order_by(AuditEntry.id)).all()
    assert [(entry.subject, entry.action) for entry in entries] == [
        *(("reading", "create"), ("site", "update"), ("site", "update"))
    ]
    assert entries[1].after is not None
    assert (entries[1].after["latest_charges"], entries[1].after["decision"]) == (45678, "accepted")


def test_what_the_sites_form_refuses_is_refused_here(
    db: Session, olga: TestClient, case: Request, site: Site, reading: dict[str, Any]
) -> None:
    wrong = accept(olga, case, reading, site, "latest_charges", "たくさん")
    short = accept(olga, case, reading, site, "power_customer_location_number", "03-0000")
    unread = accept(olga, case, reading, site, "power_customer_number", "123")
    site.version = 7
    stale = accept(olga, case, reading, site, "latest_charges", "45678")

    assert [answer.status_code for answer in (wrong, short, unread, stale)] == [422, 422, 422, 409]
    assert wrong.json()["errors"][0]["field"] == "value"
    assert "22桁" in short.json()["errors"][0]["message"]
    assert "読み取れていません" in unread.json()["detail"]
    assert db.scalars(select(Reading.decisions)).one() == {}


def test_an_image_goes_to_the_next_worker_when_one_dies_and_fails_after_some_deaths(
    db: Session, switched_on: None, olga: TestClient, case: Request, image: Image
) -> None:
    request_reading(olga, image)
    first = actions.claim(db)
    assert first is not None
    assert actions.claim(db) is None

    for _ in range(rules.MAX_ATTEMPTS - 1):
        db.execute(update(Reading).values(lease_until=func.now() - timedelta(seconds=1)))
        assert actions.claim(db) is not None
    assert not actions.finish(db, first, RESULT)
    db.execute(update(Reading).values(lease_until=func.now() - timedelta(seconds=1)))

    assert actions.claim(db) is None
    [failed] = readings(olga, case)
    assert failed["state"] == "failed"
    assert "繰り返し停止" in failed["error"]
    assert request_reading(olga, image)["state"] == "waiting"


def test_readings_of_one_request_are_not_anothers_and_not_for_sales(
    team: Scene, case: Request, site: Site, reading: dict[str, Any]
) -> None:
    other = scene.request(team.db, scene.corporation(team.db, team.b), team.bob, "working")

    assert accept(team.sign_in(team.olga), other, reading, site, "latest_charges", "1").status_code == 404
    assert readings(team.client, other) == []
    assert team.sign_in(team.alice).get(path(case)).status_code == 403


def test_the_reader_gets_the_linked_sites_company_and_today(
    db: Session, switched_on: None, olga: TestClient, image: Image
) -> None:
    request_reading(olga, image)
    lease = actions.claim(db)

    assert lease is not None
    assert lease.company == "03"
    assert isinstance(lease.today, date)
