"""The demo's loaner devices: sixty devices and a year in which they were lent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.database.clock import app_now
from service.core.values.times import DAY, local_date
from service.demo.files import actor, insert_rows, load
from service.loaners.collection.actions import PastEvent, add_events
from service.loaners.forms import rules as forms
from service.loaners.forms.models import Form
from service.loaners.history.actions import NewEvent
from service.loaners.history.rules import EventKind, Source, event_columns
from service.loaners.models import Column, Device, Model, Site
from service.loaners.rules import CATEGORIES, HELD_LABELS, STATUS_LABELS, Status, management_number


@dataclass(frozen=True)
class Life:
    """One device and what is told of it, the oldest first. `told`: the year's texts."""

    device: Device
    site: Site
    place: int
    form: Form
    questions: list[forms.Question]
    chance: Random
    told: Mapping[str, Any]

    def draw(self, name: str) -> str:
        drawn: str = self.chance.choice(self.told[name])
        return drawn


def fill(db: Session) -> None:
    if db.scalars(select(Device.id).limit(1)).all():
        return
    now = app_now(db)
    insert_rows(db, Model, load("loaners")["models"])
    db.add(Column(kind="terminal", title="充電器の型番", value_type="text", position=1))
    lives = _lives(db, now)
    sites = {site.key: site for site in db.scalars(select(Site))}
    past = [event for life in lives for event in _past(life, now)]
    add_events(db, actor(db, "loaners-staff"), [*past, _moved(lives, sites, now)])


def _lives(db: Session, now: datetime) -> list[Life]:
    """The devices, registered over the year before."""
    data, chance = load("loaners"), Random("loaners")
    models = {model.name: model for model in db.scalars(select(Model))}
    published = select(Form).where(Form.published_at.is_not(None)).order_by(Form.number)
    newest = {form.kind: form for form in db.scalars(published)}
    lives: list[Life] = []
    for site in db.scalars(select(Site).where(Site.key.in_(data["stock"])).order_by(Site.id)):
        for name in (name for name, count in data["stock"][site.key].items() for _ in range(count)):
            since = now - (data["past"]["days"] - len(lives) % 40) * DAY
            device = _device(site, models[name], len(lives) + 1, since)
            form = newest[device.kind]
            questions = forms.load_questions(form.questions)
            lives.append(Life(device, site, len(lives), form, questions, chance, data["past"]))
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
        os=load("loaners")["systems"].get(model.category, ""),
        created_at=since,
        updated_at=since,
    )


def _past(life: Life, now: datetime) -> Iterator[PastEvent]:
    """Registered, put on a shelf, lent and fetched again, until today; two in five are out now."""
    chance, at = life.chance, life.device.created_at
    yield _told(life, at, NewEvent(kind=EventKind.REGISTERED, source=Source.IMPORT, site_id=life.site.id))
    yield _stored(life, at + timedelta(hours=1))
    at += timedelta(days=chance.randint(5, 60), hours=chance.randint(1, 6), minutes=chance.randint(0, 59))
    last = now - chance.randint(3, 75) * DAY
    while at < last - 60 * DAY:
        back = at + chance.randint(10, 40) * DAY
        yield _lent(life, at, held=chance.random() < 0.5, days=21)
        yield _form(life, back, Status.COLLECTED, life.told["collected"] | {"2-1": local_date(back).isoformat()})
        yield _stored(life, back + chance.randint(1, 4) * DAY)
        at = back + timedelta(days=chance.randint(10, 70), minutes=chance.randint(0, 59))
    if life.place % 5 in (0, 2):
        # Each kind of 預り機のステータス, none of them, and no user's machine held at all.
        turn = life.place % 6
        yield _lent(life, last, held=turn != 5, days=chance.choice((14, 30, 90)))
        if turn in (1, 2, 3, 4):
            deposit = NewEvent(kind=EventKind.DEPOSIT, source=Source.VIEWER, deposit=turn)
            yield _told(life, last + 2 * DAY, deposit, life.draw("people"))
    elif life.place % 7 == 3:
        back_on = (local_date(last) + 14 * DAY).isoformat()
        yield _form(life, last, Status.STORED, life.told["mending"] | {"3-1-3": back_on})


def _told(life: Life, at: datetime, told: NewEvent, person: str = "") -> PastEvent:
    # Told when it happened; of some devices a day later.
    recorded = at + DAY if life.place % life.told["late"] == 0 else at
    return PastEvent(device_id=life.device.id, told=told, effective_at=at, actor_name=person, recorded_at=recorded)


def _form(life: Life, at: datetime, status: Status, given: Mapping[str, str]) -> PastEvent:
    answers, wrong = forms.check_answers(life.questions, {"0-4": STATUS_LABELS[status], **given})
    if wrong:
        raise AssertionError(wrong)
    values: dict[str, Any] = event_columns(forms.answers_by_meaning(life.questions, answers))
    told = NewEvent(kind=EventKind.FORM, source=Source.FORM, form_id=life.form.id, answers=answers, **values)
    return _told(life, at, told, life.draw("people"))


def _lent(life: Life, at: datetime, *, held: bool, days: int) -> PastEvent:
    chance, day = life.chance, local_date(at)
    given = {
        "1-1": life.draw("people"),
        "1-2": f"LOAN-{day.year}-{100 + chance.randint(0, 899)}",
        "1-6": life.draw("borrowers"),
        "1-3": life.draw("users"),
        "1-7": day.isoformat(),
        "1-8": (day + days * DAY).isoformat(),
        "1-4": HELD_LABELS[held],
    }
    if held:
        given["1-9"] = f"AZ-{chance.randint(10_000, 99_999)}"
    return _form(life, at, Status.LENT, given)


def _stored(life: Life, at: datetime) -> PastEvent:
    return _form(life, at, Status.STORED, life.told["stored"] | {"3-3-1": life.draw("shelves")})


def _moved(lives: Sequence[Life], sites: Mapping[str, Site], now: datetime) -> PastEvent:
    """One that is elsewhere than its number says."""
    told = load("loaners")["past"]["moved"]
    life = next(life for life in lives if life.site.key == told["from"])
    event = NewEvent(kind=EventKind.TRANSFER, source=Source.VIEWER, site_id=sites[told["to"]].id, reason=told["reason"])
    return _told(life, now - told["days"] * DAY, event, life.told["people"][0])
