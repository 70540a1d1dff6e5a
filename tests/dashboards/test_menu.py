"""Whose page is which: what each role finds in its menu, and what stands at the address of another page."""

from __future__ import annotations

import pytest

from dashboards.menu import MENU, allowed
from dashboards.session import User
from service.core.areas import areas
from tests.dashboards.conftest import Line, opened_at
from tests.dashboards.pages import REFUSED, Screen, titles

# 申込投入 has the document's own table in agencies/test_menu.py.
OF_AREAS = {
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
# Pages of the floor that not everybody has: of all areas' administrators, and of these.
ADMINISTRATORS = {"imports", "messages", "users", "audit", "holidays", "system", "gallery"}
BESIDE_THEM = {("entries", "nursery_admin"): {"imports"}, ("reservations", "operator"): {"imports", "messages"}}


def offered(name: str, role: str) -> set[str]:
    held = User("alice", "alice", areas()[name].roles[role].permissions)
    return {entry.url_path for entry in allowed(held)}


@pytest.mark.parametrize("name", [*OF_AREAS])
def test_each_role_finds_the_pages_of_its_work_and_no_others(name: str) -> None:
    table = [line.strip().partition(": ") for line in OF_AREAS[name].strip().split("\n")]
    assert [page for page, _, _ in table] == [entry.url_path for entry in MENU if entry.area == name]
    for role in areas()[name].roles:
        own = {page for page, _, roles in table if role in roles.split()}
        floor = ADMINISTRATORS if role == "admin" else BESIDE_THEM.get((name, role), set())
        assert offered(name, role) == own | floor | {"tasks", "account"} - ({"tasks"} if role == "viewer" else set())


def test_who_may_not_see_a_page_reads_so_at_its_address_and_nothing_of_it_is_asked_for(
    screen: Screen, line: Line
) -> None:
    page = screen("nina")
    locked = [entry.url_path for entry in MENU if entry.permission]
    assert len(locked) > len(OF_AREAS) * 10

    assert [titles(opened_at(page, address)) for address in locked] == [[REFUSED]] * len(locked)
    assert set(line.calls) == {"GET /api/auth/me"}
    assert not page.exception
