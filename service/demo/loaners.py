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
class DeviceHistory:
    """One device and what is told of it, the oldest first. `texts`: the year's texts."""

    device: Device
    site: Site
    index: int
    form: Form
    questions: list[forms.Question]
    rng: Random
    texts: Mapping[str, Any]

    def draw(self, name: str) -> str:
        drawn: str = self.rng.choice(self.texts[name])
        return drawn


def fill(db: Session) -> None:
    if db.scalars(select(Device.id).limit(1)).all():
        return
    now = app_now(db)
    insert_rows(db, Model, load("loaners")["models"])
    db.add(Column(kind="terminal", title="充電器の型番", value_type="text", position=1))
    histories = _device_histories(db, now)
    sites = {site.key: site for site in db.scalars(select(Site))}
    past = [event for history in histories for event in _past(history, now)]
    add_events(db, actor(db, "loaners-staff"), [*past, _moved(histories, sites, now)])


def _device_histories(db: Session, now: datetime) -> list[DeviceHistory]:
    """The devices, registered over the year before."""
    data, rng = load("loaners"), Random("loaners")
    models = {model.name: model for model in db.scalars(select(Model))}
    published = select(Form).where(Form.published_at.is_not(None)).order_by(Form.number)
    newest = {form.kind: form for form in db.scalars(published)}
    histories: list[DeviceHistory] = []
    for site in db.scalars(select(Site).where(Site.key.in_(data["stock"])).order_by(Site.id)):
        for name in (name for name, count in data["stock"][site.key].items() for _ in range(count)):
            since = now - (data["past"]["days"] - len(histories) % 40) * DAY
            device = _device(site, models[name], len(histories) + 1, since)
            form = newest[device.kind]
            questions = forms.load_questions(form.questions)
            histories.append(DeviceHistory(device, site, len(histories), form, questions, rng, data["past"]))
    db.add_all(history.device for history in histories)
    db.flush()
    return histories


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


def _past(history: DeviceHistory, now: datetime) -> Iterator[PastEvent]:
    """Registered, put on a shelf, lent and fetched again, until today; two in five are out now."""
    rng, at = history.rng, history.device.created_at
    yield _past_event(history, at, NewEvent(kind=EventKind.REGISTERED, source=Source.IMPORT, site_id=history.site.id))
    yield _stored(history, at + timedelta(hours=1))
    at += timedelta(days=rng.randint(5, 60), hours=rng.randint(1, 6), minutes=rng.randint(0, 59))
    last = now - rng.randint(3, 75) * DAY
    while at < last - 60 * DAY:
        back = at + rng.randint(10, 40) * DAY
        yield _lent(history, at, held=rng.random() < 0.5, days=21)
        yield _form(history, back, Status.COLLECTED, history.texts["collected"] | {"2-1": local_date(back).isoformat()})
        yield _stored(history, back + rng.randint(1, 4) * DAY)
        at = back + timedelta(days=rng.randint(10, 70), minutes=rng.randint(0, 59))
    if history.index % 5 in (0, 2):
        # Each kind of 預り機のステータス, none of them, and no user's machine held at all.
        turn = history.index % 6
        yield _lent(history, last, held=turn != 5, days=rng.choice((14, 30, 90)))
        if turn in (1, 2, 3, 4):
            deposit = NewEvent(kind=EventKind.DEPOSIT, source=Source.VIEWER, deposit=turn)
            yield _past_event(history, last + 2 * DAY, deposit, history.draw("people"))
    elif history.index % 7 == 3:
        back_on = (local_date(last) + 14 * DAY).isoformat()
        yield _form(history, last, Status.STORED, history.texts["mending"] | {"3-1-3": back_on})


def _past_event(history: DeviceHistory, at: datetime, new_event: NewEvent, actor_name: str = "") -> PastEvent:
    # Told when it happened; of some devices a day later.
    recorded = at + DAY if history.index % history.texts["late"] == 0 else at
    return PastEvent(
        device_id=history.device.id, content=new_event, effective_at=at, actor_name=actor_name, recorded_at=recorded
    )


def _form(history: DeviceHistory, at: datetime, status: Status, answer_texts: Mapping[str, str]) -> PastEvent:
    answers, problems = forms.check_answers(history.questions, {"0-4": STATUS_LABELS[status], **answer_texts})
    if problems:
        raise AssertionError(problems)
    values: dict[str, Any] = event_columns(forms.answers_by_meaning(history.questions, answers))
    new_event = NewEvent(kind=EventKind.FORM, source=Source.FORM, form_id=history.form.id, answers=answers, **values)
    return _past_event(history, at, new_event, history.draw("people"))


def _lent(history: DeviceHistory, at: datetime, *, held: bool, days: int) -> PastEvent:
    rng, day = history.rng, local_date(at)
    answer_texts = {
        "1-1": history.draw("people"),
        "1-2": f"LOAN-{day.year}-{100 + rng.randint(0, 899)}",
        "1-6": history.draw("borrowers"),
        "1-3": history.draw("users"),
        "1-7": day.isoformat(),
        "1-8": (day + days * DAY).isoformat(),
        "1-4": HELD_LABELS[held],
    }
    if held:
        answer_texts["1-9"] = f"AZ-{rng.randint(10_000, 99_999)}"
    return _form(history, at, Status.LENT, answer_texts)


def _stored(history: DeviceHistory, at: datetime) -> PastEvent:
    return _form(history, at, Status.STORED, history.texts["stored"] | {"3-3-1": history.draw("shelves")})


def _moved(histories: Sequence[DeviceHistory], sites: Mapping[str, Site], now: datetime) -> PastEvent:
    """One that is elsewhere than its number says."""
    data = load("loaners")["past"]["moved"]
    history = next(history for history in histories if history.site.key == data["from"])
    event = NewEvent(kind=EventKind.TRANSFER, source=Source.VIEWER, site_id=sites[data["to"]].id, reason=data["reason"])
    return _past_event(history, now - data["days"] * DAY, event, history.texts["people"][0])
