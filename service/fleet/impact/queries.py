"""The points of an incident, in SQL; `impact.rules` says what they mean."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Float,
    Integer,
    ScalarSelect,
    Subquery,
    and_,
    bindparam,
    case,
    cast,
    func,
    select,
)
from sqlalchemy.orm import InstrumentedAttribute, aliased

from service.fleet.hours.models import LearnedHours
from service.fleet.hours.rules import hour_of_week
from service.fleet.impact import rules
from service.fleet.impact.rules import CONTRACT, STANDSTILL, STOPPED, TRADING, Impact
from service.fleet.models import Alert, Customer, Terminal, TerminalState
from service.fleet.rules import ContractType
from service.fleet.settings import settings

IncidentId = InstrumentedAttribute[int]
# The columns that `told` reads; every statement with them asks for `asked`.
SCORE, WORST, POINTS, OPEN = "impact_score", "impact_worst", "impact_contract", "impact_open"


def asked(now: datetime) -> dict[str, Any]:
    return {
        "is_trading": rules.is_trading(now, settings().trading_from, settings().trading_until),
        "hour_of_week": hour_of_week(now),
    }


def score(incident: IncidentId, alert_type: InstrumentedAttribute[str]) -> ColumnElement[int]:
    """0 to 100."""
    share = case((alert_type.in_(rules.AT_WORK), 0.0), else_=func.coalesce(_share(incident), 0.0))
    trading = case((_is_trading(incident), TRADING), else_=0)
    return cast(func.round(share * STANDSTILL), Integer) + _contract_points(incident) + trading


def columns(
    incident: IncidentId, alert_type: InstrumentedAttribute[str], is_open: ColumnElement[bool]
) -> list[ColumnElement[Any]]:
    """For a list of incidents: null for those that are over."""
    worst = case((is_open & alert_type.not_in(rules.AT_WORK), _worst(incident)))
    return [
        case((is_open, score(incident, alert_type))).label(SCORE),
        worst.label(WORST),
        case((is_open, _contract_points(incident))).label(POINTS),
        case((is_open, _is_trading(incident))).label(OPEN),
    ]


def told(row: dict[str, Any]) -> Impact | None:
    """Takes the columns out of the row and says what they mean."""
    points, worst, contract, trading = row.pop(SCORE), row.pop(WORST), row.pop(POINTS), row.pop(OPEN)
    if points is None:
        return None
    stopped, terminals = worst or (0, 0)
    return Impact(
        score=points,
        level=rules.level(points),
        stopped=stopped,
        terminals=terminals if stopped else 0,
        contract_type=next(kind for kind, value in CONTRACT.items() if value == contract),
        is_trading=trading,
    )


def _is_trading(incident: IncidentId) -> ColumnElement[bool]:
    """By the opening hours learned of the terminals affected, one that is open being enough; by the setting where none
    are known."""
    is_open = func.substr(LearnedHours.week, bindparam("hour_of_week", type_=Integer) + 1, 1) == "1"
    known = (
        select(func.bool_or(is_open))
        .select_from(Alert)
        .join(LearnedHours, LearnedHours.terminal_id == Alert.terminal_id)
        .where(Alert.incident_id == incident, ~Alert.is_resolved, LearnedHours.week.is_not(None))
        .correlate_except(Alert, LearnedHours)
    )
    return func.coalesce(known.scalar_subquery(), bindparam("is_trading", type_=Boolean))


def _stores(incident: IncidentId) -> Subquery:
    """The stores of the alerts that are still open, each with its terminals in use and those that stand still."""
    affected = (
        select(Terminal.customer_id, Terminal.store)
        .join(Alert, Alert.terminal_id == Terminal.id)
        .where(Alert.incident_id == incident, ~Alert.is_resolved)
        .correlate_except(Alert, Terminal)
        .distinct()
        .subquery()
    )
    neighbour, state = aliased(Terminal), aliased(TerminalState)
    return (
        select(
            func.count().filter(state.status.in_(STOPPED)).label("stopped"),
            func.count().label("terminals"),
        )
        .select_from(affected)
        .join(neighbour, and_(neighbour.customer_id == affected.c.customer_id, neighbour.store == affected.c.store))
        .join(state, state.terminal_id == neighbour.id)
        .where(neighbour.archived_at.is_(None))
        .group_by(affected.c.customer_id, affected.c.store)
        .subquery()
    )


def _share(incident: IncidentId) -> ScalarSelect[float]:
    """Of the worst affected store."""
    stores = _stores(incident)
    return select(func.max(cast(stores.c.stopped, Float) / stores.c.terminals)).scalar_subquery()


def _worst(incident: IncidentId) -> ScalarSelect[Any]:
    stores = _stores(incident)
    share = cast(stores.c.stopped, Float) / stores.c.terminals
    found = select(func.jsonb_build_array(stores.c.stopped, stores.c.terminals))
    return found.order_by(share.desc(), stores.c.terminals.desc()).limit(1).scalar_subquery()


def _contract_points(incident: IncidentId) -> ColumnElement[int]:
    """Of the best contract among the customers affected."""
    points = case(CONTRACT, value=Customer.contract_type, else_=CONTRACT[ContractType.BASIC])
    best = (
        select(func.max(points))
        .select_from(Alert)
        .join(Terminal, Terminal.id == Alert.terminal_id)
        .join(Customer, Customer.id == Terminal.customer_id)
        .where(Alert.incident_id == incident, ~Alert.is_resolved)
        .correlate_except(Alert, Terminal, Customer)
    )
    return func.coalesce(best.scalar_subquery(), 0)
