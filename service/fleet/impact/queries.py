"""The impact score of an incident as SQL expressions; `impact.rules` explains the points."""

from __future__ import annotations

from collections.abc import Mapping
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
from service.fleet.impact.rules import CONTRACT_POINTS, STANDSTILL_POINTS, STOPPED_STATUSES, TRADING_POINTS, Impact
from service.fleet.models import Alert, Customer, Terminal, TerminalState
from service.fleet.rules import ContractType
from service.fleet.settings import settings

IncidentId = InstrumentedAttribute[int]
# The columns that `read_impact` reads; a statement with them needs the parameters of `impact_parameters`.
SCORE_COLUMN, WORST_COLUMN, CONTRACT_COLUMN, TRADING_COLUMN = (
    "impact_score",
    "impact_worst",
    "impact_contract",
    "impact_open",
)


def impact_parameters(now: datetime) -> dict[str, Any]:
    return {
        "is_trading": rules.is_trading(now, settings().trading_from, settings().trading_until),
        "hour_of_week": hour_of_week(now),
    }


def impact_score(incident: IncidentId, alert_type: InstrumentedAttribute[str]) -> ColumnElement[int]:
    """0 to 100."""
    share = case((alert_type.in_(rules.NOT_STOPPING_ALERTS), 0.0), else_=func.coalesce(_share(incident), 0.0))
    trading = case((_is_trading(incident), TRADING_POINTS), else_=0)
    return cast(func.round(share * STANDSTILL_POINTS), Integer) + _contract_points(incident) + trading


def impact_columns(
    incident: IncidentId, alert_type: InstrumentedAttribute[str], is_open: ColumnElement[bool]
) -> list[ColumnElement[Any]]:
    """For a list of incidents: null for resolved ones."""
    worst = case((is_open & alert_type.not_in(rules.NOT_STOPPING_ALERTS), _worst(incident)))
    return [
        case((is_open, impact_score(incident, alert_type))).label(SCORE_COLUMN),
        worst.label(WORST_COLUMN),
        case((is_open, _contract_points(incident))).label(CONTRACT_COLUMN),
        case((is_open, _is_trading(incident))).label(TRADING_COLUMN),
    ]


def read_impact(row: Mapping[str, Any]) -> Impact | None:
    """These columns of the row as an `Impact`; None for a resolved incident."""
    points, contract = row[SCORE_COLUMN], row[CONTRACT_COLUMN]
    if points is None:
        return None
    stopped, terminals = row[WORST_COLUMN] or (0, 0)
    return Impact(
        score=points,
        level=rules.level(points),
        stopped=stopped,
        terminals=terminals if stopped else 0,
        contract_type=next(kind for kind, value in CONTRACT_POINTS.items() if value == contract),
        is_trading=row[TRADING_COLUMN],
    )


def _is_trading(incident: IncidentId) -> ColumnElement[bool]:
    """By the learned opening hours of the affected terminals (one that is open is enough); by the settings when no
    hours are learned."""
    is_open = func.substr(LearnedHours.week, bindparam("hour_of_week", type_=Integer) + 1, 1) == "1"
    learned = (
        select(func.bool_or(is_open))
        .select_from(Alert)
        .join(LearnedHours, LearnedHours.terminal_id == Alert.terminal_id)
        .where(Alert.incident_id == incident, ~Alert.is_resolved, LearnedHours.week.is_not(None))
        .correlate_except(Alert, LearnedHours)
    )
    return func.coalesce(learned.scalar_subquery(), bindparam("is_trading", type_=Boolean))


def _stores(incident: IncidentId) -> Subquery:
    """The stores with open alerts of the incident, each with the number of its terminals in use and of stopped ones."""
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
            func.count().filter(state.status.in_(STOPPED_STATUSES)).label("stopped"),
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
    """The share of stopped terminals in the worst affected store."""
    stores = _stores(incident)
    return select(func.max(cast(stores.c.stopped, Float) / stores.c.terminals)).scalar_subquery()


def _worst(incident: IncidentId) -> ScalarSelect[Any]:
    stores = _stores(incident)
    share = cast(stores.c.stopped, Float) / stores.c.terminals
    statement = select(func.jsonb_build_array(stores.c.stopped, stores.c.terminals))
    return statement.order_by(share.desc(), stores.c.terminals.desc()).limit(1).scalar_subquery()


def _contract_points(incident: IncidentId) -> ColumnElement[int]:
    """The points of the best contract among the affected customers."""
    points = case(CONTRACT_POINTS, value=Customer.contract_type, else_=CONTRACT_POINTS[ContractType.BASIC])
    best = (
        select(func.max(points))
        .select_from(Alert)
        .join(Terminal, Terminal.id == Alert.terminal_id)
        .join(Customer, Customer.id == Terminal.customer_id)
        .where(Alert.incident_id == incident, ~Alert.is_resolved)
        .correlate_except(Alert, Terminal, Customer)
    )
    return func.coalesce(best.scalar_subquery(), 0)
