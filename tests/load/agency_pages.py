"""Row `agency-pages` of `make bench`: each page of 申込投入 in Chromium, over 200 agencies and 400,000 sites, in the
whole running product. No backup is taken in the meantime, as in `year_work`."""

from __future__ import annotations

import uuid

import httpx2
from playwright.sync_api import Browser, BrowserContext

from dashboards.agencies.menu import PAGES
from tests import rls_bypass
from tests.chromium import chromium, desktop_context, set_session_cookies
from tests.load import agency_work, screens
from tests.load.environment import create_session
from tests.load.rows import RowResult
from tests.load.screens import PageAddress, PageTime
from tests.pictures import photo
from tests.stack import Stack

PHOTOS, SITES = 20, 5
# Sales users have fewer pages, measured as separate rows.
SALES_PAGES = ("my-requests", "new-request", "add-site", "acquired", "corporations")


def claims(stack: Stack) -> RowResult:
    times = _measure(stack)
    scope = f"of 申込投入 over {agency_work.AGENCIES} agencies and {agency_work.SITES:,} sites"
    return screens.table_lines(times), screens.page_claims(times, scope)


def _measure(stack: Stack) -> list[PageTime]:
    with rls_bypass.open_connection(stack.owner_database) as connection:
        agency_work.fill(connection)
        [[agency, corporation]] = connection.execute(
            "SELECT a.id, min(c.id) FROM agencies_agencies a JOIN agencies_corporations c ON c.agency_id = a.id "
            "WHERE a.code = 'BENCH100' GROUP BY a.id"
        ).fetchall()
        admin_token = create_session(connection, "admin", "agencies")
        seller_token = create_session(connection, "sales", "agencies", agency)
    case = _create_case(stack, seller_token, admin_token, corporation)
    detail_pages = {
        "案件詳細・明細入力": (f"/case?id={case}", 1),
        "依頼詳細": (f"/request?id={case}", 1),
        "法人詳細": (f"/corporation?id={corporation}", 0),
    }
    menu = {page.url_path: page.title for page in PAGES if page.in_menu}
    admin_pages = [PageAddress(title, f"{stack.dashboards}/{path}") for path, title in menu.items()]
    admin_pages += [
        PageAddress(title, f"{stack.dashboards}{path}", pictures) for title, (path, pictures) in detail_pages.items()
    ]
    sales_pages = [PageAddress(f"{menu[path]}（営業担当者）", f"{stack.dashboards}/{path}") for path in SALES_PAGES]
    with chromium() as browser:
        return screens.measure_pages(
            browser,
            (_signed_in_context(browser, stack, admin_token), admin_pages),
            (_signed_in_context(browser, stack, seller_token), sales_pages),
        )


def _signed_in_context(browser: Browser, stack: Stack, token: str) -> BrowserContext:
    context = desktop_context(browser)
    set_session_cookies(context, stack, token)
    return context


def _create_case(stack: Stack, seller_token: str, admin_token: str, corporation: int) -> int:
    """A request of maximum size: as many photos as are allowed, and sites, of which one is filled in."""
    with httpx2.Client(
        base_url=stack.service, timeout=60, headers={"Authorization": f"Bearer {seller_token}"}
    ) as sales:
        parameters = {"name": "検針票.jpg", "purpose": "agencies.statement"}
        photos = [sales.put("/api/core/files", params=parameters, content=photo(seed=seed)) for seed in range(PHOTOS)]
        body = {
            "client_id": str(uuid.uuid4()),
            "corporation_id": corporation,
            "images": [photo.raise_for_status().json()["id"] for photo in photos],
            "remarks": "支払いは店舗ごとに分割してください。",
        }
        case: int = sales.post("/api/agencies/requests", json=body).raise_for_status().json()["id"]
    with httpx2.Client(base_url=stack.service, timeout=60, headers={"Authorization": f"Bearer {admin_token}"}) as admin:
        for _ in range(SITES):
            admin.post(f"/api/agencies/cases/{case}/sites", json={}).raise_for_status()
    return case
