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
from service.demo.reservations.booking import MINUTE
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
class _Environment:
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
    environment = _Environment(app_now(db), calendar, people, list(shops), list(db.scalars(newest)))
    insert_trees(db, Enquiry, [*_past(environment), *_open(environment)])
    _surveys(db, environment.now)


def _past(environment: _Environment) -> Iterator[Row]:
    """On business days, a few a week, and nothing that would still be open."""
    rng, today = Random(7), local_date(environment.now)
    for back in range(load("reservations_office")["enquiries"]["weeks"] * 7, 5, -1):
        day = today - back * DAY
        if is_business_day(day, environment.calendar.holidays):
            for _ in range(rng.choice((0, 1, 1, 1, 2))):
                row = _settled(environment, rng, at(day, time(9)) + rng.randrange(5, 520) * MINUTE)
                # A row of holidays takes it to a day that is still to come.
                if row["resolved_at"] < environment.now:
                    yield row


def _settled(environment: _Environment, rng: Random, received_at: datetime) -> Row:
    texts = load("reservations_office")["enquiries"]
    party = Party.SHOP if rng.random() < 0.25 else Party.CUSTOMER
    channel = Channel.PHONE if rng.random() < 0.4 else Channel.MAIL
    question = rng.choice(texts[f"by_{party.value}s"])
    by = environment.people[OPERATOR if rng.random() < 0.2 else SUPPORT]
    took = 0 if channel is Channel.PHONE else rng.choice(texts["answered"])
    answered_at = add_working_time(received_at, took * MINUTE, environment.calendar)
    settled_at = add_working_time(answered_at, rng.choice(texts["settled"]) * MINUTE, environment.calendar)
    level = Level.MEDIUM if rng.random() < 0.15 else Level.LOW
    row = _row(environment, rng, question, party, channel, level, received_at)
    row["received_by"] = by.name if channel is Channel.PHONE else "フォーム"
    row |= {"status": Status.RESOLVED.value, "owner_id": by.user_id}
    row |= {"first_response_at": answered_at, "first_response_by": by.name, "first_minutes": took}
    row |= {"resolved_at": settled_at, "resolved_by": by.name, "way": question[3], "outcome": question[4]}
    row["resolution_minutes"] = rules.working_minutes(received_at, settled_at, environment.calendar)
    row["faq"] = rng.choice(("none", "none", "none", "added", "declined"))
    solved = f"{rules.Way(question[3]).label}\n{question[4]}"
    row[EnquiryEvent] = [
        event(received_at, "received", row["received_by"]),
        event(answered_at, "called" if channel is Channel.PHONE else "mailed", by, question[4]),
        event(settled_at, "resolved", by, solved),
    ]
    return row


def _row(
    environment: _Environment,
    rng: Random,
    question: list[str],
    party: Party,
    channel: Channel,
    level: Level,
    received_at: datetime,
) -> Row:
    """Who asks what, and the targets."""
    customers = load("reservations_office")["enquiries"]["customers"]
    shop = rng.choice(environment.shops) if party is Party.SHOP else None
    number = rng.randrange(len(customers))
    first = rules.first_due(party, channel, received_at, environment.calendar)
    resolution = rules.resolution_due(level, received_at, environment.calendar)
    return {
        "party": party.value,
        "channel": channel.value,
        "category": question[0],
        "topic": question[1],
        "content": question[2],
        "sender_name": shop.contact_name if shop else customers[number],
        "phone": shop.phone if shop else f"+8190100020{number:02}",
        "mail": shop.mail if shop else f"customer{number}@example.jp",
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


def _open(environment: _Environment) -> Iterator[Row]:
    rng, texts = Random(11), load("reservations_office")["enquiries"]
    for enquiry in texts["open"]:
        party, channel = Party(enquiry.get("party", "customer")), Channel(enquiry.get("channel", "mail"))
        question = texts[f"by_{party.value}s"][enquiry["asked"]]
        owner = environment.people.get(enquiry.get("owner", ""))
        received_at = ago(environment.now, enquiry["age"] * MINUTE, environment.calendar)
        row = _row(environment, rng, question, party, channel, Level(enquiry.get("level", "low")), received_at)
        if enquiry.get("about", len(environment.reservations)) < len(environment.reservations):
            reservation = environment.reservations[enquiry["about"]]
            row |= {"sender_name": reservation.customer_name, "phone": reservation.phone}
            row |= {"reservation_given": reservation.code, "reservation_id": reservation.id}
        row["received_by"] = owner.name if owner and channel is Channel.PHONE else "フォーム"
        row |= {"faq": enquiry.get("faq", "none"), "status": Status.RECEIVED.value}
        _record_lateness(row, environment.now)
        row[EnquiryEvent] = [event(received_at, "received", row["received_by"])]
        if owner:
            waits, took = enquiry.get("waits", False), 0 if channel is Channel.PHONE else 35
            row |= {"status": (Status.WAITING if waits else Status.WORKING).value, "owner_id": owner.user_id}
            answered_at = min(add_working_time(received_at, took * MINUTE, environment.calendar), environment.now)
            row |= {"first_response_at": answered_at, "first_response_by": owner.name, "first_minutes": took}
            promised = (
                f"{question[4]}。結果を知らせてもらうよう依頼した" if waits else "確認して折り返しご連絡すると伝えた"
            )
            kind = "called" if channel is Channel.PHONE else "mailed"
            row[EnquiryEvent].append(event(answered_at, kind, owner, promised))
        yield row


def _record_lateness(row: Row, now: datetime) -> None:
    """What was late before the demo began was told before it began."""
    for which in ("first", "resolution"):
        for moment, recorded in (("warn_at", "warned_at"), ("due_at", "breached_at")):
            due = row[f"{which}_{moment}"]
            row[f"{which}_{recorded}"] = due if due is not None and due <= now else None


def _surveys(db: Session, now: datetime) -> None:
    texts, by = load("reservations_office")["surveys"], "相談 花子"
    for quarter_data in texts["quarters"]:
        quarter = survey_rules.quarter_of(now).plus(-quarter_data["back"])
        sent_at = at(local_date(quarter.bounds()[1]) + 4 * DAY, time(10))
        closes_at = sent_at + survey_rules.OPEN_DURATION
        if closes_at > now:
            continue
        stars = [5 - place for place, count in enumerate(quarter_data["stars"]) for _ in range(count)]
        survey = {"year": quarter.year, "quarter": quarter.quarter, "created_by": by, "sent_by": by}
        survey |= {"created_at": sent_at - timedelta(hours=1), "sent_at": sent_at}
        survey |= {
            "reminded_at": sent_at + survey_rules.REMINDER_AFTER,
            "reminded": quarter_data["invited"] - len(stars) + 9,
        }
        survey |= {"closes_at": closes_at, "closed_at": closes_at}
        rng = Random(quarter_data["back"])
        rows: list[Row] = []
        for place in range(quarter_data["invited"]):
            row: Row = {"channel": "mail" if place % 3 == 0 else "sms", "comment": ""}
            if place < len(stars):
                row |= {"stars": stars[place], "comment": rng.choice(texts["comments"][str(stars[place])])}
                row["answered_at"] = sent_at + rng.randrange(30, 9000) * MINUTE
            rows.append(row)
        insert_trees(db, Survey, [{**survey, Invitation: rows}])
