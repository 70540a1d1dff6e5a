"""Devices with a history, recorded as an imported file would record it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.access.auth import Actor
from service.core.database.clock import app_now
from service.loaners.collection.actions import PastEvent, record_events
from service.loaners.forms import rules as forms
from service.loaners.forms.models import Form
from service.loaners.history.actions import NewEvent
from service.loaners.history.rules import EventKind, Source, event_columns
from service.loaners.models import Device, Model, Site
from service.loaners.rules import CATEGORIES, management_number

LENT = {
    "0-4": "1.貸出中",
    "1-1": "山田太郎",
    "1-2": "LOAN-2024-001",
    "1-6": "株式会社青空商事",
    "1-7": "2026-10-01",
    "1-8": "2026-10-31",
    "1-4": "有り",
}
COLLECTED = {"0-4": "2.回収後社内保管", "2-1": "2026-11-01"}
STORED = {"0-4": "3.社内にて保管中", "3-0": "3.貸出可能", "3-3-1": "倉庫A-1"}


def time_ago(db: Session, days: float) -> datetime:
    return app_now(db) - timedelta(days=days)


def get_site(db: Session, key: str) -> Site:
    return db.scalars(select(Site).where(Site.key == key)).one()


def add_device(
    db: Session,
    by: Actor,
    serial: str,
    *,
    at: str = "osaka",
    model: str = "ThinkPad-X1-Carbon",
    days_ago: float = 400,
    category: str | None = None,
) -> Device:
    """A device that was registered so many days ago, with a 資産管理番号 when it is a terminal."""
    site_row, model_row = get_site(db, at), db.scalars(select(Model).where(Model.name == model)).one()
    category = category or model_row.category
    kind = CATEGORIES[category].kind
    row = Device(
        number=management_number(site_row.code, category, model_row.name, serial, 1),
        kind=kind.value,
        category=category,
        model_id=model_row.id,
        serial=serial,
        asset_number=f"ASSET-{serial}" if kind == "terminal" else "",
    )
    db.add(row)
    db.flush()
    add_event(db, by, row, days_ago, NewEvent(kind=EventKind.REGISTERED, source=Source.IMPORT, site_id=site_row.id))
    return row


def add_event(db: Session, by: Actor, device: Device, days_ago: float, event: NewEvent) -> None:
    record_events(db, by, [PastEvent(device_id=device.id, content=event, effective_at=time_ago(db, days_ago))])


def add_form(db: Session, by: Actor, device: Device, days_ago: float, answers: Mapping[str, str]) -> None:
    """As if the current form had been submitted so many days ago."""
    current = db.scalars(
        select(Form).where(Form.kind == device.kind, ~Form.import_only).order_by(Form.number.desc()).limit(1)
    ).one()
    values: dict[str, Any] = event_columns(forms.answers_by_meaning(forms.load_questions(current.questions), answers))
    add_event(
        db,
        by,
        device,
        days_ago,
        NewEvent(kind=EventKind.FORM, source=Source.FORM, form_id=current.id, answers=dict(answers), **values),
    )


def add_deposit(db: Session, by: Actor, device: Device, days_ago: float, value: int) -> None:
    add_event(db, by, device, days_ago, NewEvent(kind=EventKind.DEPOSIT, source=Source.VIEWER, deposit=value))


def add_transfer(db: Session, by: Actor, device: Device, days_ago: float, site_key: str) -> None:
    add_event(
        db,
        by,
        device,
        days_ago,
        NewEvent(kind=EventKind.TRANSFER, source=Source.VIEWER, site_id=get_site(db, site_key).id),
    )
