"""Reads of past searches, and the simulation over them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from functools import cache
from itertools import groupby
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.database.clock import app_now
from service.core.problems import Invalid
from service.reservations.flow.queries import phone_lines
from service.reservations.models import Reservation, TimelineEvent
from service.reservations.shops import queries as shops
from service.reservations.shops.schemas import Called
from service.reservations.simulation import rules, schemas
from service.reservations.simulation.rules import CallStatistics, PastCall, PastSearch
from service.reservations.state_machine.states import SHOP_SEARCH_STATES, Answer

MONTH = timedelta(days=30.44)
# Events that show how a search went. Events after a shop has agreed do not matter.
_EVENT_KINDS = (
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
_UNDECIDED_ANSWERS = (Answer.VAGUE, Answer.CHANGE_REQUESTED)
NO_SHOPS_MESSAGE = "このサービスを取り扱う提携店がありません。提携店を登録してから、もう一度お試しください。"


def simulation(db: Session, service_id: int, options: schemas.Wanted) -> schemas.Simulation:
    """Raises NotFound, and Invalid for an order that does not contain each shop of the service exactly once."""
    now = app_now(db)
    since = now - options.months * MONTH
    call_order = shops.call_order(db, service_id)
    present_order = tuple(shop.id for shop in call_order.items)
    order = present_order if options.order is None else tuple(int(key) for key in options.order.split(","))
    if sorted(order) != sorted(present_order):
        raise Invalid.at_field(
            "order", "順番には、このサービスの提携店をすべて1回ずつ含めてください。画面を開き直してください。"
        )
    if not present_order:
        raise Invalid.at_field("order", NO_SHOPS_MESSAGE)
    # Whether a shop is busy with another call now does not matter for past searches.
    lines_by_shop = {
        key: line.model_copy(update={"is_busy": False}) for key, line in phone_lines(db, 0, present_order).items()
    }
    searches = past_searches(db, service_id, since)
    statistics = CallStatistics(call for past_search in searches for call in past_search.calls)

    @cache
    def score(candidate: tuple[int, ...]) -> rules.Score:
        return rules.simulate(searches, candidate, lines_by_shop, statistics)

    best, best_score = (
        rules.suggest_order(present_order, statistics, score) if searches else (present_order, score(present_order))
    )
    callable_shops = [key for key in present_order if not lines_by_shop[key].is_out]
    fewest = min((statistics.of(key).calls for key in callable_shops), default=0)
    tried = score(order)
    return schemas.Simulation(
        as_of=now,
        since=since,
        service_id=service_id,
        service_name=call_order.service_name,
        version=call_order.version,
        reservations=len(searches),
        shops=[_shop_item(shop, statistics) for shop in call_order.items],
        order=list(order),
        actual=_score_item(rules.actual_score(searches)),
        present=_score_item(score(present_order)),
        tried=_score_item(tried),
        suggested=list(best),
        suggested_score=_score_item(best_score),
        trust=rules.rate_trust(len(searches), tried, fewest),
        is_certain=rules.is_certain(tried, score(present_order)),
    )


def _score_item(score: rules.Score) -> schemas.ScoreItem:
    return schemas.ScoreItem(**asdict(score))


def _shop_item(shop: Called, statistics: CallStatistics) -> schemas.ShopItem:
    shop_statistics = statistics.of(shop.id)
    return schemas.ShopItem(
        **shop.model_dump(),
        known_calls=shop_statistics.calls,
        known_ok=shop_statistics.ok,
        likely=shop_statistics.share,
        minutes=shop_statistics.minutes,
    )


def past_searches(db: Session, service_id: int, since: datetime) -> list[PastSearch]:
    """Finished searches, without those that the customer cancelled: they show nothing about the shops."""
    statement = (
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
        .where(Reservation.state.not_in([state.value for state in SHOP_SEARCH_STATES]))
        .where(TimelineEvent.kind.in_(_EVENT_KINDS), TimelineEvent.ignored.is_(None))
        .order_by(TimelineEvent.reservation_id, TimelineEvent.number)
    )
    rows = [dict(row._mapping) for row in db.execute(statement)]
    searches = (first_search([*events]) for _, events in groupby(rows, key=lambda row: row["reservation_id"]))
    return [past_search for past_search in searches if past_search is not None]


def first_search(events: Sequence[Mapping[str, Any]]) -> PastSearch | None:
    """The first search of a reservation, from its timeline; None when it shows nothing about the shops."""
    requested, calls = events[0], []
    current_call: tuple[int, int, datetime] | None = None

    def end_call(at: datetime, is_ok: bool) -> None:
        if current_call is not None:
            calls.append(PastCall(current_call[1], current_call[2], at - current_call[2], is_ok))

    for event in events[1:]:
        kind, at = event["kind"], event["at"]
        if kind == "call_placed":
            current_call = event["number"], event["shop"], at
        elif kind == "call_ended":
            if current_call is None or event["number"] != current_call[0]:
                break
            if event["answer"] not in _UNDECIDED_ANSWERS:
                end_call(at, event["answer"] == Answer.OK)
                current_call = None
                if event["answer"] == Answer.OK:
                    break
        elif kind in ("shop_refused", "change_refused"):
            end_call(at, False)
            current_call = None
        elif kind in ("shop_ok", "change_accepted"):
            if current_call is not None and event["shop"] in (None, current_call[1]):
                end_call(at, kind == "change_accepted" or event["shop"] is not None)
            break
        elif kind == "cancel_asked":
            return None
        else:
            end_call(at, False)
            break
    starts_at = datetime.fromisoformat(requested["starts_at"])
    return PastSearch(requested["at"], starts_at, tuple(calls)) if calls else None
