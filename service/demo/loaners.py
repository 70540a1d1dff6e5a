"""The demo's loaner devices: the document's sites and models, sixty devices and a year in which they were lent."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from service.core.access.auth import Actor, actor_of
from service.core.access.identity import User, find_user
from service.core.database.clock import app_now
from service.core.values.times import local_date
from service.loaners.collection.actions import PastEvent, add_events
from service.loaners.forms import rules as forms
from service.loaners.forms.models import Form
from service.loaners.history.actions import NewEvent
from service.loaners.history.rules import EventKind, Source, event_columns
from service.loaners.models import Column, Device, Model, Site
from service.loaners.rules import CATEGORIES, HELD_LABELS, STATUS_LABELS, Status, management_number

ACCOUNTS = {
    "loaners-admin": ("代替 管子", "admin"),
    "loaners-staff": ("拠点 次郎", "staff"),
    "loaners-auditor": ("監査 明", "auditor"),
}
# Beside the document's own (8.1.2), so that each group of the summary has some.
MODELS = (
    ("PowerEdge-T150", "Dell", "Server", "拠点サーバーの代替用"),
    ("ProLiant-ML30", "HPE", "Server", ""),
    ("LIFEBOOK-U9312", "Fujitsu", "Laptop", ""),
    ("EPSON-PX-M7110F", "Epson", "Printer", "A3対応"),
    ("UnknownDevice", "不明", "Other", "型番の読み取れない機器"),
)
# Site -> model -> how many.
STOCK: dict[str, dict[str, int]] = {
    "osaka": {
        "ThinkPad-X1-Carbon": 6, "OptiPlex-7090": 4, "PowerEdge-T150": 3, "imageClass-MF644Cdw": 3, "iPad-Pro-12.9": 3,
        "WXR-6000AX12S": 2, "GS724T": 2, "LIFEBOOK-U9312": 3, "EPSON-PX-M7110F": 1,
    },
    "kobe": {
        "ThinkPad-X1-Carbon": 4, "OptiPlex-7090": 3, "ProLiant-ML30": 2, "imageClass-MF644Cdw": 2, "iPad-Pro-12.9": 2,
        "WXR-6000AX12S": 1, "GS724T": 1, "LIFEBOOK-U9312": 2,
    },
    "himeji": {
        "ThinkPad-X1-Carbon": 3, "OptiPlex-7090": 3, "PowerEdge-T150": 1, "imageClass-MF644Cdw": 2, "iPad-Pro-12.9": 2,
        "WXR-6000AX12S": 1, "GS724T": 1, "LIFEBOOK-U9312": 2, "UnknownDevice": 1,
    },
}  # fmt: skip
BORROWERS = (
    "株式会社青空商事", "みなと物流株式会社", "大和薬局 本店", "さくら会計事務所", "株式会社関西製作所", "六甲ホテル",
    "播磨精機株式会社", "ひかり歯科クリニック", "淀川印刷株式会社", "株式会社ナダ食品", "白鷺建設株式会社",
    "北野デザイン室",
)  # fmt: skip
PEOPLE = ("拠点 次郎", "大谷 真", "三宮 葵", "白川 悠")
USERS = ("田中様", "佐々木様", "総務部 中村様", "情報システム課 林様", "店長 岡田様")
SHELVES = ("倉庫A-1", "倉庫A-2", "倉庫B-1", "2階キャビネット")
SYSTEMS = {"Laptop": "Windows 11", "Desktop": "Windows 11", "Server": "Windows Server 2022", "Tablet": "iPadOS 18"}
DAYS_BACK = 380


# Of each so many devices, one is looked after by somebody who is always late.
LATE = 12


@dataclass
class Life:
    """One device and what is told of it, the oldest first."""

    device: Device
    site: Site
    place: int
    form: Form
    questions: list[forms.Question]
    chance: random.Random


def fill(db: Session) -> None:
    if db.scalars(select(Device.id).limit(1)).all():
        return
    now = app_now(db)
    db.execute(insert(Model), [dict(zip(("name", "maker", "category", "note"), one, strict=True)) for one in MODELS])
    db.add(Column(kind="terminal", title="充電器の型番", value_type="text", position=1))
    lives = _lives(db, now)
    sites = {site.key: site for site in db.scalars(select(Site))}
    past = [one for life in lives for one in _past(life, now)]
    past += _moved(lives, sites["himeji"], now)
    add_events(db, _person(db, "loaners-staff"), past)


def _person(db: Session, login_id: str) -> Actor:
    user_id = db.scalars(select(User.id).where(User.login_id == login_id)).one()
    person = find_user(db, user_id)
    if person is None:
        raise AssertionError("people come before their area's data")
    return actor_of(person, "-")


def _lives(db: Session, now: datetime) -> list[Life]:
    """The devices, registered over the year before."""
    models = {model.name: model for model in db.scalars(select(Model))}
    newest = {
        form.kind: form for form in db.scalars(select(Form).where(Form.published_at.is_not(None)).order_by(Form.number))
    }
    chance = random.Random("loaners")
    lives: list[Life] = []
    for site in db.scalars(select(Site).where(Site.key.in_(STOCK)).order_by(Site.id)):
        for name, count in STOCK[site.key].items():
            for _ in range(count):
                device = _device(site, models[name], len(lives) + 1, now - timedelta(days=DAYS_BACK - len(lives) % 40))
                form = newest[device.kind]
                lives.append(Life(device, site, len(lives), form, forms.load_questions(form.questions), chance))
    db.add_all(life.device for life in lives)
    db.flush()
    return lives


def _device(site: Site, model: Model, number: int, since: datetime) -> Device:
    serial = f"{model.maker[:2].upper() if model.maker.isascii() else 'XX'}{10_000_000 + 7_919 * number}"
    category = CATEGORIES[model.category]
    return Device(
        number=management_number(site.code, model.category, model.name, serial, 1),
        kind=category.kind.value,
        category=model.category,
        model_id=model.id,
        serial=serial,
        asset_number=f"ASSET-{12_000 + number}" if category.kind == "terminal" else "",
        software="Office 2021" if model.category in ("Laptop", "Desktop") else "",
        os=SYSTEMS.get(model.category, ""),
        created_at=since,
        updated_at=since,
    )


def _past(life: Life, now: datetime) -> Iterator[PastEvent]:
    """Registered, put on a shelf, lent and fetched again, until today; two in five are out now."""
    chance, at = life.chance, life.device.created_at
    yield _told(life, at, NewEvent(kind=EventKind.REGISTERED, source=Source.IMPORT, site_id=life.site.id))
    yield _stored(life, at + timedelta(hours=1))
    at += timedelta(days=chance.randint(5, 60), hours=chance.randint(1, 6), minutes=chance.randint(0, 59))
    is_out = life.place % 5 in (0, 2)
    last = now - timedelta(days=chance.randint(3, 75))
    while at < last - timedelta(days=60):
        back = at + timedelta(days=chance.randint(10, 40))
        yield from _lent(life, at, held=chance.random() < 0.5, days=21, deposit=None)
        yield _collected(life, back)
        yield _stored(life, back + timedelta(days=chance.randint(1, 4)))
        at = back + timedelta(days=chance.randint(10, 70), minutes=chance.randint(0, 59))
    if is_out:
        # Each kind of 預り機のステータス, none of them, and no user's machine held at all.
        turn = life.place % 6
        deposit = turn if turn in (1, 2, 3, 4) else None
        yield from _lent(life, last, held=turn != 5, days=chance.choice((14, 30, 90)), deposit=deposit)
    elif life.place % 7 == 3:
        yield _mending(life, last)


def _told(life: Life, at: datetime, told: NewEvent, person: str = "") -> PastEvent:
    # Told when it happened; of some devices a day later.
    recorded = at + timedelta(days=1 if life.place % LATE == 0 else 0)
    return PastEvent(device_id=life.device.id, told=told, effective_at=at, actor_name=person, recorded_at=recorded)


def _form(life: Life, at: datetime, given: dict[str, str]) -> PastEvent:
    answers, wrong = forms.check_answers(life.questions, given)
    if wrong:
        raise AssertionError(wrong)
    values: dict[str, Any] = event_columns(forms.answers_by_meaning(life.questions, answers))
    told = NewEvent(kind=EventKind.FORM, source=Source.FORM, form_id=life.form.id, answers=answers, **values)
    return _told(life, at, told, life.chance.choice(PEOPLE))


def _lent(life: Life, at: datetime, *, held: bool, days: int, deposit: int | None) -> Iterator[PastEvent]:
    chance, day = life.chance, local_date(at)
    answers = {
        "0-4": STATUS_LABELS[Status.LENT],
        "1-1": chance.choice(PEOPLE),
        "1-2": f"LOAN-{day.year}-{100 + chance.randint(0, 899)}",
        "1-6": chance.choice(BORROWERS),
        "1-3": chance.choice(USERS),
        "1-7": day.isoformat(),
        "1-8": (day + timedelta(days=days)).isoformat(),
        "1-4": HELD_LABELS[held],
    }
    if held:
        answers["1-9"] = f"AZ-{chance.randint(10_000, 99_999)}"
    yield _form(life, at, answers)
    if deposit is not None:
        told = NewEvent(kind=EventKind.DEPOSIT, source=Source.VIEWER, deposit=deposit)
        yield _told(life, at + timedelta(days=2), told, chance.choice(PEOPLE))


def _collected(life: Life, at: datetime) -> PastEvent:
    given = {"0-4": STATUS_LABELS[Status.COLLECTED], "2-1": local_date(at).isoformat(), "2-2": "1.正常"}
    return _form(life, at, given)


def _stored(life: Life, at: datetime) -> PastEvent:
    given = {"0-4": STATUS_LABELS[Status.STORED], "3-0": "3.貸出可能", "3-3-1": life.chance.choice(SHELVES)}
    return _form(life, at, given)


def _mending(life: Life, at: datetime) -> PastEvent:
    done = local_date(at) + timedelta(days=14)
    given = {
        "0-4": STATUS_LABELS[Status.STORED],
        "3-0": "1.修理待ち",
        "3-1-1": "電源が入らないことがある",
        "3-1-2": "メーカー修理窓口",
        "3-1-3": done.isoformat(),
    }
    return _form(life, at, given)


def _moved(lives: Sequence[Life], to: Site, now: datetime) -> list[PastEvent]:
    """One that is elsewhere than its number says."""
    life = next(one for one in lives if one.site.key == "kobe")
    told = NewEvent(kind=EventKind.TRANSFER, source=Source.VIEWER, site_id=to.id, reason="姫路の在庫が不足したため")
    return [_told(life, now - timedelta(days=30), told, PEOPLE[0])]
