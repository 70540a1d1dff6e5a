"""Row `agency-pages` of `make bench`: each page of 申込投入 in Chromium, over 200 agencies and 400,000 sites, in the
whole product as it runs. No backup is taken meanwhile, as in `year_work`."""

from __future__ import annotations

import uuid

import httpx2
from playwright.sync_api import Browser, BrowserContext

from dashboards.agencies.menu import PAGES
from tests import rls_bypass
from tests.chromium import at_a_desk, carry, chromium
from tests.load import agency_work, screens
from tests.load.ground import open_session
from tests.load.rows import Part
from tests.load.screens import Place, Wait
from tests.pictures import photo
from tests.stack import Stack

PHOTOS, SITES = 20, 5
# Whoever sells has fewer pages, and in these other rows.
OF_SALES = ("my-requests", "new-request", "add-site", "acquired", "corporations")


def claims(stack: Stack) -> Part:
    found = _waits(stack)
    over = f"of 申込投入 over {agency_work.AGENCIES} agencies and {agency_work.SITES:,} sites"
    return screens.lines(found), screens.goals(found, over)


def _waits(stack: Stack) -> list[Wait]:
    with rls_bypass.connected(stack.owner_database) as owner:
        agency_work.fill(owner)
        [[agency, corporation]] = owner.execute(
            "SELECT a.id, min(c.id) FROM agencies_agencies a JOIN agencies_corporations c ON c.agency_id = a.id "
            "WHERE a.code = 'BENCH100' GROUP BY a.id"
        ).fetchall()
        admin = open_session(owner, "admin", "agencies")
        seller = open_session(owner, "sales", "agencies", agency)
    case = _case(stack, seller, admin, corporation)
    beside = {
        "案件詳細・明細入力": (f"/case?id={case}", 1),
        "依頼詳細": (f"/request?id={case}", 1),
        "法人詳細": (f"/corporation?id={corporation}", 0),
    }
    menu = {page.url_path: page.title for page in PAGES if page.in_menu}
    of_admin = [Place(title, f"{stack.dashboards}/{path}") for path, title in menu.items()]
    of_admin += [Place(title, f"{stack.dashboards}{path}", seen) for title, (path, seen) in beside.items()]
    of_sales = [Place(f"{menu[path]}（営業担当者）", f"{stack.dashboards}/{path}") for path in OF_SALES]
    with chromium() as browser:
        return screens.measured(
            browser, (_desk(browser, stack, admin), of_admin), (_desk(browser, stack, seller), of_sales)
        )


def _desk(browser: Browser, stack: Stack, token: str) -> BrowserContext:
    desk = at_a_desk(browser)
    carry(desk, stack, token)
    return desk


def _case(stack: Stack, seller: str, admin: str, corporation: int) -> int:
    """A request as large as they come: as many photos as are taken, and sites, of which one is filled in."""
    with httpx2.Client(base_url=stack.service, timeout=60, headers={"Authorization": f"Bearer {seller}"}) as sales:
        address = {"name": "検針票.jpg", "purpose": "agencies.statement"}
        photos = [sales.put("/api/core/files", params=address, content=photo(seed=seed)) for seed in range(PHOTOS)]
        new = {
            "client_id": str(uuid.uuid4()),
            "corporation_id": corporation,
            "images": [photo.raise_for_status().json()["id"] for photo in photos],
            "remarks": "支払いは店舗ごとに分割してください。",
        }
        case: int = sales.post("/api/agencies/requests", json=new).raise_for_status().json()["id"]
    with httpx2.Client(base_url=stack.service, timeout=60, headers={"Authorization": f"Bearer {admin}"}) as entering:
        for _ in range(SITES):
            entering.post(f"/api/agencies/cases/{case}/sites", json={}).raise_for_status()
    return case
