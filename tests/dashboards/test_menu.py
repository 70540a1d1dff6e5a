"""The pages of each role: its menu, and what is shown at the address of a page that it may not see."""

from __future__ import annotations

import pytest

from dashboards.menu import MENU, allowed
from dashboards.session import User
from service.core.areas import areas
from tests.dashboards.conftest import Network, open_address
from tests.dashboards.pages import REFUSED, Screen, titles

# The table of 申込投入 is in agencies/test_menu.py.
AREA_PAGES = {
    "fleet": """
        dashboard: admin operator support
        alerts: admin operator support
        customers: admin operator support
        terminals: admin operator support
        enrolments: admin
        terminal: admin operator support
        firmware: admin
        reports: admin operator support viewer
    """,
    "entries": """
        in-nursery: admin nursery_admin staff
        entry-exit-logs: admin nursery_admin staff
        attendance: admin nursery_admin staff
        attendance-report: admin nursery_admin staff
        entries-statistics: admin nursery_admin staff
        parents: admin nursery_admin staff
        children: admin nursery_admin staff
        nursery: admin nursery_admin staff
        nurseries: admin
    """,
    "loaners": """
        loaners: admin staff auditor
        loaners-device: admin staff auditor
        status-form: admin staff
        lending: admin staff auditor
        loaners-summary: admin staff auditor
        loaners-audit: admin staff auditor
        stocktakes: admin staff auditor
        loaners-upkeep: admin
        loaners-masters: admin staff auditor
        loaners-forms: admin staff auditor
        loaners-transfer: admin staff auditor
        loaners-labels: admin staff auditor
    """,
    "reservations": """
        reservations-dashboard: admin operator support
        management: admin manager
        operations: admin operator support
        reservations: admin operator support
        reservation: admin operator support
        enquiries: admin operator support manager
        incidents: admin operator support manager
        chores: admin operator support
        reservations-reports: admin operator support manager
        monitoring: admin operator support
        shops: admin operator support
        shop-order-simulation: admin operator
        services: admin operator support
        manuals: admin operator support manager
        assistants: admin
    """,
}
# Shared pages that not every role has: the administrators of all areas have them, and these roles.
ADMINISTRATOR_PAGES = {"imports", "messages", "users", "audit", "holidays", "system"}
FURTHER_ROLES = {("entries", "nursery_admin"): {"imports"}, ("reservations", "operator"): {"imports", "messages"}}


def menu_paths(area: str, role: str) -> set[str]:
    user = User("alice", "alice", areas()[area].roles[role].permissions)
    return {entry.url_path for entry in allowed(user)}


@pytest.mark.parametrize("area", [*AREA_PAGES])
def test_each_role_finds_the_pages_of_its_work_and_no_others(area: str) -> None:
    table = [line.strip().partition(": ") for line in AREA_PAGES[area].strip().split("\n")]
    assert [page for page, _, _ in table] == [entry.url_path for entry in MENU if entry.area == area], (
        f"AREA_PAGES has a line for each page of dashboards/{area}/menu.py, in its order: `address: its roles`"
    )
    for role in areas()[area].roles:
        own = {page for page, _, roles in table if role in roles.split()}
        shared = ADMINISTRATOR_PAGES if role == "admin" else FURTHER_ROLES.get((area, role), set())
        assert menu_paths(area, role) == own | shared | {"tasks", "account"} - (
            {"tasks"} if role == "viewer" else set()
        ), f"AREA_PAGES does not say what {role} sees: correct the line, or the permission of the page or role"


def test_who_may_not_see_a_page_reads_so_at_its_address_and_nothing_of_it_is_asked_for(
    screen: Screen, network: Network
) -> None:
    page = screen("nina")
    restricted = [entry.url_path for entry in MENU if entry.permission]
    assert len(restricted) > len(AREA_PAGES) * 10

    assert [titles(open_address(page, address)) for address in restricted] == [[REFUSED]] * len(restricted)
    assert set(network.calls) == {"GET /api/auth/me", "GET /api/me/preferences"}
    assert not page.exception
