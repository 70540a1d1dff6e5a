"""The history of searches, read for the simulation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from functools import cache
from itertools import groupby
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.clock import app_now
from service.core.problems import Invalid
from service.reservations.events.rules import SEEKING, Answer
from service.reservations.flow.models import Reservation, TimelineEvent
from service.reservations.flow.queries import lines
from service.reservations.shops import queries as shops
from service.reservations.simulation import rules, schemas
from service.reservations.simulation.rules import Habits, Known, Past

MONTH = timedelta(days=30.44)
# What tells how a search went; everything after a shop has agreed is another matter.
_KINDS = (
    "requested",
    "call_placed",
    "call_ended",
    "shop_ok",
    "shop_refused",
    "change_accepted",
    "change_refused",
    "shops_exhausted",
    "rearranged",
    "cancel_asked",
    "lapsed",
)
_FOR_PEOPLE = (Answer.VAGUE, Answer.CHANGE_REQUESTED)
NOBODY = "このサービスを取り扱う提携店がありません。提携店を登録してから、もう一度お試しください。"


def simulation(db: Session, service_id: int, wanted: schemas.Wanted) -> dict[str, Any]:
    """Raises NotFound, and Invalid for an order that is not of all of the service's shops, each once."""
    now = app_now(db)
    since = now - wanted.months * MONTH
    known = shops.order(db, service_id)
    present = tuple(shop["id"] for shop in known["items"])
    order = present if wanted.order is None else tuple(int(one) for one in wanted.order.split(","))
    if sorted(order) != sorted(present):
        message = "順番には、このサービスの提携店をすべて1回ずつ含めてください。画面を開き直してください。"
        raise Invalid(message, [("order", message)])
    if not present:
        raise Invalid(NOBODY, [("order", NOBODY)])
    # Another reservation's call is on the line now, not then.
    free = {key: line.model_copy(update={"is_busy": False}) for key, line in lines(db, 0, present).items()}
    pasts = history(db, service_id, since)
    habits = Habits(call for past in pasts for call in past.calls)

    @cache
    def score(one: tuple[int, ...]) -> rules.Score:
        return rules.tried(pasts, one, free, habits)

    best, best_score = rules.suggested(present, habits, score) if pasts else (present, score(present))
    called = [key for key in present if not free[key].is_out]
    fewest = min((habits.of(key).calls for key in called), default=0)
    tried = score(order)
    return {
        "as_of": now,
        "since": since,
        "service_id": service_id,
        "service_name": known["service_name"],
        "version": known["version"],
        "reservations": len(pasts),
        "shops": [shop | _habit(habits, shop["id"]) for shop in known["items"]],
        "order": order,
        "actual": asdict(rules.actual(pasts)),
        "present": asdict(score(present)),
        "tried": asdict(tried),
        "suggested": best,
        "suggested_score": asdict(best_score),
        "trust": rules.trust(len(pasts), tried, fewest),
        "is_certain": rules.is_certain(tried, score(present)),
    }


def _habit(habits: Habits, shop: int) -> dict[str, Any]:
    habit = habits.of(shop)
    return {"known_calls": habit.calls, "known_ok": habit.ok, "likely": habit.share, "minutes": habit.minutes}


def history(db: Session, service_id: int, since: datetime) -> list[Past]:
    """Searches that are over; those that the customer broke off say nothing of the shops."""
    found = (
        select(
            TimelineEvent.reservation_id,
            TimelineEvent.kind,
            TimelineEvent.at,
            TimelineEvent.event["shop"].as_integer().label("shop"),
            TimelineEvent.event["number"].as_integer().label("number"),
            TimelineEvent.event["answer"].as_string().label("answer"),
            TimelineEvent.event["starts_at"].as_string().label("starts_at"),
        )
        .join(Reservation, Reservation.id == TimelineEvent.reservation_id)
        .where(Reservation.service_id == service_id, Reservation.created_at >= since)
        .where(Reservation.state.not_in([state.value for state in SEEKING]))
        .where(TimelineEvent.kind.in_(_KINDS), TimelineEvent.ignored.is_(None))
        .order_by(TimelineEvent.reservation_id, TimelineEvent.number)
    )
    rows = [dict(row._mapping) for row in db.execute(found)]
    pasts = (search([*events]) for _, events in groupby(rows, key=lambda row: row["reservation_id"]))
    return [past for past in pasts if past is not None]


def search(events: Sequence[Mapping[str, Any]]) -> Past | None:
    """The first search of a reservation, from its timeline; None when there is nothing to learn from it."""
    first, calls = events[0], []
    under_way: tuple[int, int, datetime] | None = None

    def ended(at: datetime, is_ok: bool) -> None:
        if under_way is not None:
            calls.append(Known(under_way[1], under_way[2], at - under_way[2], is_ok))

    for one in events[1:]:
        kind, at = one["kind"], one["at"]
        if kind == "call_placed":
            under_way = one["number"], one["shop"], at
        elif kind == "call_ended":
            if under_way is None or one["number"] != under_way[0]:
                break
            if one["answer"] not in _FOR_PEOPLE:
                ended(at, one["answer"] == Answer.OK)
                under_way = None
                if one["answer"] == Answer.OK:
                    break
        elif kind in ("shop_refused", "change_refused"):
            ended(at, False)
            under_way = None
        elif kind in ("shop_ok", "change_accepted"):
            if under_way is not None and one["shop"] in (None, under_way[1]):
                ended(at, kind == "change_accepted" or one["shop"] is not None)
            break
        elif kind == "cancel_asked":
            return None
        else:
            ended(at, False)
            break
    starts_at = datetime.fromisoformat(first["starts_at"])
    return Past(first["at"], starts_at, tuple(calls)) if calls else None
