"""The options of 予約運用: services, sizes, shops, users."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from dashboards import session
from dashboards.client import PAGE_TIMEOUT_SECONDS, ApiProblem
from dashboards.contract.reservations import PlanSummary, ServiceItem
from dashboards.session import has_permission
from dashboards.ui import bound, feedback
from dashboards.ui.cache import fetch_all, load_cached

SERVICES = "/api/reservations/services"


def services() -> dict[int, str]:
    """The services in use: id → name, in their order."""
    if not has_permission("reservations:service:read"):
        return {}
    return load_cached("reservations.services", _load_services)


def required_services(key: str, purpose: str) -> dict[int, str]:
    """For a page that shows one of them. Without any the page says so, or that they could not be loaded. `purpose`:
    what can be done when there is one."""
    try:
        options = load_cached("reservations.services", _load_services, is_required=True)
    except ApiProblem as problem:
        feedback.failed(problem, key=f"{key}.services")
        return {}
    if not options:
        feedback.empty("まだサービスが登録されていません", f"「サービス・料金」でサービスを登録すると、{purpose}。")
    return options


def _load_services() -> dict[int, str]:
    return {row["id"]: row["name"] for row in fetch_all(SERVICES)}


def service(options: Mapping[int, str]) -> int:
    """The service that the page shows; it is in the page's address."""
    chosen: int = st.selectbox(
        "サービス",
        [*options],
        format_func=lambda key: options[key],
        key=bound.page_key("service"),
        bind="query-params",
        width=280,
    )
    return chosen


def offers() -> dict[str, ServiceItem]:
    """The services that can be reserved, with their sizes, by code."""
    return load_cached("reservations.offers", lambda: {row["code"]: row for row in fetch_all(SERVICES) if row["plans"]})


def shops() -> dict[int, str]:
    """The shops in use: id → name, in the order of their codes."""
    return load_cached(
        "reservations.shops", lambda: {row["id"]: row["name"] for row in fetch_all("/api/reservations/shops")}
    )


def plans(service_id: int) -> dict[str, str]:
    """The sizes that a service offers: code → name and price."""

    def load() -> dict[str, str]:
        service_plans: list[PlanSummary] = next(
            (row["plans"] for row in fetch_all(SERVICES) if row["id"] == service_id), []
        )
        return {plan["code"]: f"{plan['name']} ¥{plan['price']:,}" for plan in service_plans}

    return load_cached(f"reservations.plans.{service_id}", load)


def assignees() -> dict[str, str]:
    """Users who can have a task and be on call: user id as text → name."""

    def load() -> dict[str, str]:
        users = session.api(patience=PAGE_TIMEOUT_SECONDS).get("/api/reservations/roster/people")
        return {str(user["id"]): user["name"] for user in users}

    return load_cached("reservations.people", load)


def enquiry_assignees() -> dict[str, str]:
    """Users who can have an enquiry: user id as text → name."""

    def load() -> dict[str, str]:
        users = session.api(patience=PAGE_TIMEOUT_SECONDS).get("/api/reservations/enquiries/people")
        return {str(user["id"]): user["name"] for user in users}

    return load_cached("reservations.answerers", load)
