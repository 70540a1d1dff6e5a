"""What can be chosen in the fleet's filters and forms, kept in the session for a minute."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

import streamlit as st

from dashboards import session
from dashboards.client import PATIENCE_SECONDS, ApiProblem
from dashboards.session import may

CUSTOMERS_OFFERED = 1000
KEPT_SECONDS = 60

Key = TypeVar("Key")
Value = TypeVar("Value")


def _kept(name: str, ask: Callable[[], dict[Key, Value]]) -> dict[Key, Value]:
    """What was asked for a moment ago. Nothing when the service refuses: the page's own block says what is wrong, and
    without names there is nothing to choose from."""
    slot = f"fleet.choices.{name}"
    until, known = st.session_state.get(slot, (0.0, {}))
    if time.monotonic() < until:
        return dict(known)
    try:
        found = ask()
    except ApiProblem:
        return {}
    st.session_state[slot] = (time.monotonic() + KEPT_SECONDS, found)
    return dict(found)


def customers() -> dict[int, str]:
    """Id → company name."""
    if not may("fleet:customer:read"):
        return {}

    def ask() -> dict[int, str]:
        found: dict[int, str] = {}
        query: dict[str, Any] = {"limit": 100}
        while len(found) < CUSTOMERS_OFFERED:
            page = session.api(patience=PATIENCE_SECONDS).get("/api/fleet/customers", **query)
            found |= {customer["id"]: customer["company_name"] for customer in page["items"]}
            if page["next_cursor"] is None:
                break
            query["cursor"] = page["next_cursor"]
        return found

    return _kept("customers", ask)


def responders() -> dict[str, str]:
    """User id as text → name: who an incident can be given to."""

    def ask() -> dict[str, str]:
        people = session.api(patience=PATIENCE_SECONDS).get("/api/fleet/incidents/responders")
        return {str(person["id"]): person["name"] for person in people}

    return _kept("responders", ask)


def _of_terminals() -> dict[str, dict[str, str]]:
    """`tags` and `firmware_versions`: value → the value and how many terminals have it."""

    def ask() -> dict[str, dict[str, str]]:
        found = session.api(patience=PATIENCE_SECONDS).get("/api/fleet/terminals/choices")
        return {
            name: {one["value"]: f"{one['value']}（{one['terminals']:,}台）" for one in offered}
            for name, offered in found.items()
        }

    return _kept("terminals", ask)


def tags() -> dict[str, str]:
    return _of_terminals().get("tags", {})


def firmware_versions() -> dict[str, str]:
    return _of_terminals().get("firmware_versions", {})
