"""What can be chosen in 予約運用: services, sizes, shops, people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboards import session
from dashboards.client import PATIENCE_SECONDS
from dashboards.session import may
from dashboards.ui import bound
from dashboards.ui.kept import every, kept

SERVICES = "/api/reservations/services"


def services() -> dict[int, str]:
    """Id → name of those in use, in their order."""
    if not may("reservations:service:read"):
        return {}
    return kept("reservations.services", lambda: {row["id"]: row["name"] for row in every(SERVICES)})


def service(offered: Mapping[int, str]) -> int:
    """Which of them the page is about; it stands in its address."""
    chosen: int = st.selectbox(
        "サービス",
        [*offered],
        format_func=lambda key: offered[key],
        key=bound.key("service"),
        bind="query-params",
        width=280,
    )
    return chosen


def offers() -> dict[str, dict[str, Any]]:
    """Code → service with its sizes, of those that can be asked for."""
    return kept("reservations.offers", lambda: {row["code"]: row for row in every(SERVICES) if row["plans"]})


def shops() -> dict[int, str]:
    """Id → name of those in use, in the order of their codes."""
    return kept("reservations.shops", lambda: {row["id"]: row["name"] for row in every("/api/reservations/shops")})


def plans(service_id: int) -> dict[str, str]:
    """Code → name and price of what is offered of a service."""

    def ask() -> dict[str, str]:
        offered: list[dict[str, Any]] = next((row["plans"] for row in every(SERVICES) if row["id"] == service_id), [])
        return {plan["code"]: f"{plan['name']} ¥{plan['price']:,}" for plan in offered}

    return kept(f"reservations.plans.{service_id}", ask)


def people() -> dict[str, str]:
    """User id as text → name: who can have a task and be on call."""

    def ask() -> dict[str, str]:
        listed = session.api(patience=PATIENCE_SECONDS).get("/api/reservations/roster/people")
        return {str(person["id"]): person["name"] for person in listed}

    return kept("reservations.people", ask)


def answerers() -> dict[str, str]:
    """User id as text → name: who can have an enquiry."""

    def ask() -> dict[str, str]:
        listed = session.api(patience=PATIENCE_SECONDS).get("/api/reservations/enquiries/people")
        return {str(person["id"]): person["name"] for person in listed}

    return kept("reservations.answerers", ask)
