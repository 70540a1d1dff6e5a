"""Devices with a history, and their status forms, for tests."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.access.auth import Actor
from service.core.outbox.records import OutboxMessage
from service.loaners.history import actions as history
from service.loaners.history.actions import NewEvent
from service.loaners.history.rules import EventKind, Source
from service.loaners.models import Device, Model, Site
from service.loaners.rules import CATEGORIES, management_number

START = datetime(2026, 1, 5, 0, 0, tzinfo=UTC)
NUMBER = "OSAKA_Laptop_ThinkPad-X1-Carbon_ABC12345_001"
LENT = {
    "0-4": "1.貸出中",
    "1-1": "山田太郎",
    "1-6": "○○商事株式会社",
    "1-7": "2026-07-01",
    "1-4": "有り",
}
COLLECTED = {"0-4": "2.回収後社内保管", "2-1": "2026-08-01"}
STORED = {"0-4": "3.社内にて保管中", "3-0": "1.修理待ち", "3-1-1": "電源が入らない"}


def register_device(
    db: Session,
    by: Actor,
    serial: str = "ABC12345",
    model: str = "ThinkPad-X1-Carbon",
    site: str = "osaka",
    at: datetime = START,
) -> Device:
    """A registered device of the document's own masters."""
    site_row = db.scalars(select(Site).where(Site.key == site)).one()
    model_row = db.scalars(select(Model).where(Model.name == model)).one()
    kind = CATEGORIES[model_row.category].kind
    device = Device(
        number=management_number(site_row.code, model_row.category, model_row.name, serial, 1),
        kind=kind,
        category=model_row.category,
        model_id=model_row.id,
        serial=serial,
        asset_number=f"ASSET-{serial}",
    )
    db.add(device)
    db.flush()
    event = NewEvent(kind=EventKind.REGISTERED, source=Source.VIEWER, site_id=site_row.id, effective_at=at)
    history.record_event(db, by, device.id, event)
    return device


def form_body(client: TestClient, number: str, answers: dict[str, str], **more: Any) -> dict[str, Any]:
    """The request body that the page of the form would send now: the current form version and the newest event."""
    form = client.get(f"/api/loaners/devices/{number}/status-form").json()
    base = {"form": form["form"], "based_on": form["based_on"], "client_id": str(uuid.uuid4())}
    return base | {"answers": answers} | more


def post_form(client: TestClient, number: str, answers: dict[str, str], **more: Any) -> httpx2.Response:
    answer: httpx2.Response = client.post(
        f"/api/loaners/devices/{number}/status", json=form_body(client, number, answers, **more)
    )
    return answer


def submit_form(client: TestClient, number: str, answers: dict[str, str], **more: Any) -> dict[str, Any]:
    answer = post_form(client, number, answers, **more)
    assert answer.status_code == 201, answer.text
    result: dict[str, Any] = answer.json()
    return result


def state(client: TestClient, number: str, as_of: datetime | None = None) -> dict[str, Any]:
    params = {"as_of": as_of.isoformat()} if as_of else {}
    answer = client.get(f"/api/loaners/devices/{number}/state", params=params)
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()
    return result


def timeline(client: TestClient, number: str) -> list[dict[str, Any]]:
    answer = client.get(f"/api/loaners/devices/{number}/timeline")
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def mails(db: Session) -> list[OutboxMessage]:
    return list(db.scalars(select(OutboxMessage).where(OutboxMessage.area == "loaners").order_by(OutboxMessage.id)))


def days_after_start(count: float) -> datetime:
    """This many days after the devices were registered."""
    return START + timedelta(days=count)
