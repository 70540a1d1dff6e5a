"""What can be chosen in the fleet's filters and forms, kept in the session for a minute."""

from __future__ import annotations

from dashboards import session
from dashboards.client import PATIENCE_SECONDS
from dashboards.session import may
from dashboards.ui.kept import kept


def customers() -> dict[int, str]:
    """Id → company name."""
    if not may("fleet:customer:read"):
        return {}

    def ask() -> dict[int, str]:
        offered = session.api(patience=PATIENCE_SECONDS).get("/api/fleet/customers/choices")
        return {customer["id"]: customer["company_name"] for customer in offered}

    return kept("fleet.customers", ask)


def responders() -> dict[str, str]:
    """User id as text → name: who an incident can be given to."""

    def ask() -> dict[str, str]:
        people = session.api(patience=PATIENCE_SECONDS).get("/api/fleet/incidents/responders")
        return {str(person["id"]): person["name"] for person in people}

    return kept("fleet.responders", ask)


def _of_terminals() -> dict[str, dict[str, str]]:
    """`tags` and `firmware_versions`: value → the value and how many terminals have it."""

    def ask() -> dict[str, dict[str, str]]:
        found = session.api(patience=PATIENCE_SECONDS).get("/api/fleet/terminals/choices")
        return {
            name: {one["value"]: f"{one['value']}（{one['terminals']:,}台）" for one in offered}
            for name, offered in found.items()
        }

    return kept("fleet.terminals", ask)


def tags() -> dict[str, str]:
    return _of_terminals().get("tags", {})


def firmware_versions() -> dict[str, str]:
    return _of_terminals().get("firmware_versions", {})
