"""Devices with a past, told as a file would tell it."""

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


def ago(db: Session, days: float) -> datetime:
    return app_now(db) - timedelta(days=days)


def site(db: Session, key: str) -> Site:
    return db.scalars(select(Site).where(Site.key == key)).one()


def device(
    db: Session,
    by: Actor,
    serial: str,
    *,
    at: str = "osaka",
    model: str = "ThinkPad-X1-Carbon",
    days_ago: float = 400,
    category: str | None = None,
) -> Device:
    """Registered so many days ago, with a 資産管理番号 where its master wants one."""
    where, what = site(db, at), db.scalars(select(Model).where(Model.name == model)).one()
    category = category or what.category
    kind = CATEGORIES[category].kind
    made = Device(
        number=management_number(where.code, category, what.name, serial, 1),
        kind=kind.value,
        category=category,
        model_id=what.id,
        serial=serial,
        asset_number=f"ASSET-{serial}" if kind == "terminal" else "",
    )
    db.add(made)
    db.flush()
    tell(db, by, made, days_ago, NewEvent(kind=EventKind.REGISTERED, source=Source.IMPORT, site_id=where.id))
    return made


def tell(db: Session, by: Actor, of: Device, days_ago: float, told: NewEvent) -> None:
    record_events(db, by, [PastEvent(device_id=of.id, told=told, effective_at=ago(db, days_ago))])


def form(db: Session, by: Actor, of: Device, days_ago: float, answers: Mapping[str, str]) -> None:
    """As if the current form had been filled in then."""
    newest = db.scalars(
        select(Form).where(Form.kind == of.kind, ~Form.import_only).order_by(Form.number.desc()).limit(1)
    ).one()
    values: dict[str, Any] = event_columns(forms.answers_by_meaning(forms.load_questions(newest.questions), answers))
    tell(
        db, by, of, days_ago,
        NewEvent(kind=EventKind.FORM, source=Source.FORM, form_id=newest.id, answers=dict(answers), **values),
    )  # fmt: skip


def deposit(db: Session, by: Actor, of: Device, days_ago: float, value: int) -> None:
    tell(db, by, of, days_ago, NewEvent(kind=EventKind.DEPOSIT, source=Source.VIEWER, deposit=value))


def moved(db: Session, by: Actor, of: Device, days_ago: float, to: str) -> None:
    tell(db, by, of, days_ago, NewEvent(kind=EventKind.TRANSFER, source=Source.VIEWER, site_id=site(db, to).id))
