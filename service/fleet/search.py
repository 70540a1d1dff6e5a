"""What 探す finds of the fleet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from service.core.access.auth import Actor
from service.core.database.clock import app_now
from service.core.search.sources import ARCHIVED, SHOW_ARCHIVED, Hit, Related, Row, Source, State, address, detail
from service.fleet import queries
from service.fleet.impact import queries as impact
from service.fleet.incidents import queries as incidents
from service.fleet.models import Alert
from service.fleet.rules import AlertType, Status


def _terminal(_: Actor, row: Row) -> Hit:
    status = Status(row["status"])
    return Hit(
        row["serial_number"],
        detail(row["customer_name"], row["store_name"]),
        address("/terminal", {"id": row["id"]}),
        ARCHIVED if row["archived_at"] else State(status, status.label),
    )


def _customer(_: Actor, row: Row) -> Hit:
    shown = SHOW_ARCHIVED if row["archived_at"] else {}
    return Hit(
        row["company_name"],
        detail(row["contact_person"], row["contact_phone"]),
        address("/customers", {"q": row["company_name"]}, shown),
        ARCHIVED if row["archived_at"] else None,
    )


def _incident(_: Actor, row: Row) -> Hit:
    alert_type = AlertType(row["alert_type"])
    store = row["terminal_store_name"] if row["members"] == 1 else row["store_name"]
    return Hit(
        detail(row["customer_name"], store) or f"{row['members']:,}台の障害",
        detail(alert_type.label, row["serial_number"], row["message"]),
        address("/alerts", {"id": row["id"]}),
        State("resolved", "解決済み") if row["resolved_at"] else State(alert_type, alert_type.label),
    )


def _incidents_of(terminals: Sequence[int]) -> Select[int]:
    incident = Alert.incident_id
    return (
        select(incident)
        .where(Alert.terminal_id.in_(terminals))
        .group_by(incident)
        .order_by(func.bool_and(Alert.is_resolved), incident.desc())
    )


def _impact_parameters(db: Session, _: Actor) -> Mapping[str, Any]:
    return impact.impact_parameters(app_now(db))


SEARCH = (
    Source(
        key="fleet.terminal",
        title="端末",
        permission="fleet:terminal:read",
        listing=queries.TERMINALS,
        hit=_terminal,
        terms=("terminal",),
        page="/terminals",
    ),
    Source(
        key="fleet.customer",
        title="顧客",
        permission="fleet:customer:read",
        listing=queries.CUSTOMERS,
        hit=_customer,
        terms=("customer",),
        page="/customers",
    ),
    Source(
        key="fleet.incident",
        title="アラート",
        permission="fleet:incident:read",
        listing=incidents.INCIDENTS,
        hit=_incident,
        parameters=_impact_parameters,
        related=Related("fleet.terminal", _incidents_of),
        page="/alerts",
        page_filters={"state": "すべて（解決済みを含む）"},
    ),
)
