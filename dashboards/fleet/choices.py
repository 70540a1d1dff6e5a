"""Options of the fleet's filters and forms, cached in the session for a minute."""

from __future__ import annotations

from dashboards import session
from dashboards.client import PAGE_TIMEOUT_SECONDS
from dashboards.contract.fleet import CustomerChoice, Person
from dashboards.session import has_permission
from dashboards.ui.cache import load_cached


def customers() -> dict[int, str]:
    """Id → company name."""
    if not has_permission("fleet:customer:read"):
        return {}

    def fetch() -> dict[int, str]:
        rows: list[CustomerChoice] = session.api(patience=PAGE_TIMEOUT_SECONDS).get("/api/fleet/customers/choices")
        return {customer["id"]: customer["company_name"] for customer in rows}

    return load_cached("fleet.customers", fetch)


def responders() -> dict[str, str]:
    """User id as text → name: the users to whom an incident can be assigned."""

    def fetch() -> dict[str, str]:
        users: list[Person] = session.api(patience=PAGE_TIMEOUT_SECONDS).get("/api/fleet/incidents/responders")
        return {str(user["id"]): user["name"] for user in users}

    return load_cached("fleet.responders", fetch)


def _terminal_choices() -> dict[str, dict[str, str]]:
    """`tags` and `firmware_versions`: value → the value with its number of terminals."""

    def fetch() -> dict[str, dict[str, str]]:
        choices = session.api(patience=PAGE_TIMEOUT_SECONDS).get("/api/fleet/terminals/choices")
        return {
            name: {choice["value"]: f"{choice['value']}（{choice['terminals']:,}台）" for choice in options}
            for name, options in choices.items()
        }

    return load_cached("fleet.terminals", fetch)


def tags() -> dict[str, str]:
    return _terminal_choices().get("tags", {})


def firmware_versions() -> dict[str, str]:
    return _terminal_choices().get("firmware_versions", {})
