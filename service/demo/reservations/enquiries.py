"""The demo's enquiries and surveys: some that wait now, half a year of answered ones, and what customers said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from random import Random

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.access.auth import Actor
from service.core.database.clock import app_now
from service.core.holidays import calendar_named
from service.core.values.times import DAY, at, is_business_day, local_date
from service.core.values.working_time import Calendar, add_working_time
from service.demo.files import Row, actor, event, insert_trees, load
from service.demo.reservations.life import MINUTE
from service.demo.reservations.today import ago
from service.reservations.enquiries import rules
from service.reservations.enquiries.models import Enquiry, EnquiryEvent
from service.reservations.enquiries.rules import Channel, Party, Status
from service.reservations.incidents.rules import Level
from service.reservations.models import Reservation, Shop
from service.reservations.surveys import rules as survey_rules
from service.reservations.surveys.models import Invitation, Survey

SUPPORT, OPERATOR = "reservations-support", "reservations-operator"


@dataclass(frozen=True)
class _Ground:
    now: datetime
    calendar: Calendar
    people: Mapping[str, Actor]
    shops: list[Shop]
    # The newest ones.
    reservations: list[Reservation]


def fill(db: Session) -> None:
    """After people and shops. What happened in the past is history only: nobody is written to."""
    if db.scalars(select(Enquiry.id).limit(1)).all():
        return
    db.flush()
    newest = select(Reservation).order_by(Reservation.created_at.desc(), Reservation.id).limit(20)
    people = {login: actor(db, login) for login in (SUPPORT, OPERATOR)}
    calendar, shops = calendar_named(db, rules.CALENDAR), db.scalars(select(Shop).order_by(Shop.code))
    ground = _Ground(app_now(db), calendar, people, list(shops), list(db.scalars(newest)))
    insert_trees(db, Enquiry, [*_past(ground), *_open(ground)])
    _surveys(db, ground.now)


def _past(ground: _Ground) -> Iterator[Row]:
    """On business days, a few a week, and nothing that would still be open."""
    chance, today = Random(7), local_date(ground.now)
    for back in range(load("reservations_office")["enquiries"]["weeks"] * 7, 5, -1):
        day = today - back * DAY
        if is_business_day(day, ground.calendar.holidays):
            for _ in range(chance.choice((0, 1, 1, 1, 2))):
                row = _settled(ground, chance, at(day, time(9)) + chance.randrange(5, 520) * MINUTE)
                # A row of holidays takes it to a day that is still to come.
                if row["resolved_at"] < ground.now:
                    yield row


def _settled(ground: _Ground, chance: Random, received_at: datetime) -> Row:
    texts = load("reservations_office")["enquiries"]
    party = Party.SHOP if chance.random() < 0.25 else Party.CUSTOMER
    channel = Channel.PHONE if chance.random() < 0.4 else Channel.MAIL
    asked = chance.choice(texts[f"by_{party.value}s"])
    by = ground.people[OPERATOR if chance.random() < 0.2 else SUPPORT]
    took = 0 if channel is Channel.PHONE else chance.choice(texts["answered"])
    answered_at = add_working_time(received_at, took * MINUTE, ground.calendar)
    settled_at = add_working_time(answered_at, chance.choice(texts["settled"]) * MINUTE, ground.calendar)
    level = Level.MEDIUM if chance.random() < 0.15 else Level.LOW
    row = _row(ground, chance, asked, party, channel, level, received_at)
    row["received_by"] = by.name if channel is Channel.PHONE else "フォーム"
    row |= {"status": Status.RESOLVED.value, "owner_id": by.user_id}
    row |= {"first_response_at": answered_at, "first_response_by": by.name, "first_minutes": took}
    row |= {"resolved_at": settled_at, "resolved_by": by.name, "way": asked[3], "outcome": asked[4]}
    row["resolution_minutes"] = rules.working_minutes(received_at, settled_at, ground.calendar)
    row["faq"] = chance.choice(("none", "none", "none", "added", "declined"))
    solved = f"{rules.Way(asked[3]).label}\n{asked[4]}"
    row[EnquiryEvent] = [
        event(received_at, "received", row["received_by"]),
        event(answered_at, "called" if channel is Channel.PHONE else "mailed", by, asked[4]),
        event(settled_at, "resolved", by, solved),
    ]
    return row


def _row(
    ground: _Ground,
    chance: Random,
    asked: list[str],
    party: Party,
    channel: Channel,
    level: Level,
    received_at: datetime,
) -> Row:
    """Who asks what, and the targets."""
    customers = load("reservations_office")["enquiries"]["customers"]
    shop = chance.choice(ground.shops) if party is Party.SHOP else None
    place = chance.randrange(len(customers))
    first = rules.first_due(party, channel, received_at, ground.calendar)
    resolution = rules.resolution_due(level, received_at, ground.calendar)
    return {
        "party": party.value,
        "channel": channel.value,
        "category": asked[0],
        "topic": asked[1],
        "content": asked[2],
        "sender_name": shop.contact_name if shop else customers[place],
        "phone": shop.phone if shop else f"+8190100020{place:02}",
        "mail": shop.mail if shop else f"customer{place}@example.jp",
        "level": level.value,
        "shop_given": shop.code if shop else "",
        "shop_id": shop.id if shop else None,
        "reservation_given": "",
        "received_at": received_at,
        "is_from_form": channel is Channel.MAIL,
        "first_due_at": first.due_at,
        "first_warn_at": first.warn_at,
        "resolution_due_at": resolution.due_at if resolution else None,
        "resolution_warn_at": resolution.warn_at if resolution else None,
        "outcome": "",
        "version": 1,
    }


def _open(ground: _Ground) -> Iterator[Row]:
    chance, texts = Random(11), load("reservations_office")["enquiries"]
    for told in texts["open"]:
        party, channel = Party(told.get("party", "customer")), Channel(told.get("channel", "mail"))
        asked, owner = texts[f"by_{party.value}s"][told["asked"]], ground.people.get(told.get("owner", ""))
        received_at = ago(ground.now, told["age"] * MINUTE, ground.calendar)
        row = _row(ground, chance, asked, party, channel, Level(told.get("level", "low")), received_at)
        if told.get("about", len(ground.reservations)) < len(ground.reservations):
            one = ground.reservations[told["about"]]
            row |= {"sender_name": one.customer_name, "phone": one.phone}
            row |= {"reservation_given": one.code, "reservation_id": one.id}
        row["received_by"] = owner.name if owner and channel is Channel.PHONE else "フォーム"
        row |= {"faq": told.get("faq", "none"), "status": Status.RECEIVED.value}
        _tell_lateness(row, ground.now)
        row[EnquiryEvent] = [event(received_at, "received", row["received_by"])]
        if owner:
            waits, took = told.get("waits", False), 0 if channel is Channel.PHONE else 35
            row |= {"status": (Status.WAITING if waits else Status.WORKING).value, "owner_id": owner.user_id}
            answered_at = min(add_working_time(received_at, took * MINUTE, ground.calendar), ground.now)
            row |= {"first_response_at": answered_at, "first_response_by": owner.name, "first_minutes": took}
            promised = (
                f"{asked[4]}。結果を知らせてもらうよう依頼した" if waits else "確認して折り返しご連絡すると伝えた"
            )
            kind = "called" if channel is Channel.PHONE else "mailed"
            row[EnquiryEvent].append(event(answered_at, kind, owner, promised))
        yield row


def _tell_lateness(row: Row, now: datetime) -> None:
    """What was late before the demo began was told before it began."""
    for which in ("first", "resolution"):
        for moment, told in (("warn_at", "warned_at"), ("due_at", "breached_at")):
            due = row[f"{which}_{moment}"]
            row[f"{which}_{told}"] = due if due is not None and due <= now else None


def _surveys(db: Session, now: datetime) -> None:
    told, by = load("reservations_office")["surveys"], "相談 花子"
    for asked in told["quarters"]:
        quarter = survey_rules.quarter_of(now).plus(-asked["back"])
        sent_at = at(local_date(quarter.bounds()[1]) + 4 * DAY, time(10))
        closes_at = sent_at + survey_rules.OPEN_DURATION
        if closes_at > now:
            continue
        given = [5 - place for place, count in enumerate(asked["stars"]) for _ in range(count)]
        survey = {"year": quarter.year, "quarter": quarter.quarter, "created_by": by, "sent_by": by}
        survey |= {"created_at": sent_at - timedelta(hours=1), "sent_at": sent_at}
        survey |= {"reminded_at": sent_at + survey_rules.REMINDER_AFTER, "reminded": asked["invited"] - len(given) + 9}
        survey |= {"closes_at": closes_at, "closed_at": closes_at}
        chance = Random(asked["back"])
        rows: list[Row] = []
        for place in range(asked["invited"]):
            row: Row = {"channel": "mail" if place % 3 == 0 else "sms", "comment": ""}
            if place < len(given):
                row |= {"stars": given[place], "comment": chance.choice(told["comments"][str(given[place])])}
                row["answered_at"] = sent_at + chance.randrange(30, 9000) * MINUTE
            rows.append(row)
        insert_trees(db, Survey, [{**survey, Invitation: rows}])
