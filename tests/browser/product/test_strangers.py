"""What customers, assistants and colleagues typed is text on every page: no link, no picture, nothing that runs."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from dashboards.menu import MENU
from tests.browser.lists import open_row, row
from tests.chromium import get_session_token, set_session_cookies, wait_until_rendered
from tests.stack import Stack

# Addresses that are typed as text only; those in fields for mail and telephone become links of ours.
TYPED = "<a href='//evil.example'>x</a> https://evil.example/a www.evil.example free@evil.example [x](//evil.example)"
LONG = f"{TYPED}\n- 二行目 :material_delete: :streamlit: $x^2$\n\n![x](https://evil.example/x.png) 新宿\u202e店\u200b"
# Links that are not ours: to another origin, or to an address that was typed as text.
FOREIGN = """(service) => {
    const inside = (one) => [one, ...(one.shadowRoot ? all(one.shadowRoot) : [])];
    const all = (root) => [...root.querySelectorAll("*")].flatMap(inside);
    return all(document)
        .map((element) => element.getAttribute("href") ?? element.getAttribute("src"))
        .filter((address) => {
            if (address === null) return false;
            const url = new URL(address, location.href);
            if (url.protocol === "tel:") return false;
            if (url.protocol === "mailto:") return url.pathname.endsWith("evil.example");
            return !["data:", "blob:"].includes(url.protocol) && ![location.origin, service].includes(url.origin);
        });
}"""


class Api:
    """The service as an administrator of all areas uses it."""

    def __init__(self, client: httpx2.Client) -> None:
        self._client = client

    def get(self, path: str, **params: Any) -> Any:
        return self._answer(self._client.get(f"/api/{path}", params=params))

    def first(self, path: str, **params: Any) -> dict[str, Any]:
        item: dict[str, Any] = self.get(path, limit=1, **params)["items"][0]
        return item

    def post(self, path: str, body: dict[str, Any], method: str = "POST") -> Any:
        key = {"Idempotency-Key": str(uuid.uuid4())}
        return self._answer(self._client.request(method, f"/api/{path}", json=body, headers=key))

    def _answer(self, response: httpx2.Response) -> Any:
        assert response.is_success, f"{response.request.url} {response.text}"
        return response.json() if response.content else None


@pytest.fixture(scope="module")
def api(stack: Stack) -> Iterator[Api]:
    headers = {"Authorization": f"Bearer {get_session_token(stack, 'admin')}"}
    with httpx2.Client(base_url=stack.service, timeout=30, trust_env=False, headers=headers) as client:
        yield Api(client)


def fill(api: Api) -> list[str]:
    """Types the texts in every area. Returns the addresses of the details."""
    return [*_fleet(api), *_entries(api), *_loaners(api), *_agencies(api), *_reservations(api)]


def _fleet(api: Api) -> list[str]:
    contact = {"contact_person": TYPED[:50], "contact_email": "ours@shop.example", "contact_phone": "03-1234-5678"}
    customer = api.post("fleet/customers", {"company_name": TYPED[:100], **contact})
    terminal = {
        "serial_number": "EVIL-1",
        "customer_id": customer["id"],
        "store_name": TYPED[:100],
        "tags": ["www.evil"],
    }
    created = api.post("fleet/terminals", terminal)
    incident = api.first("fleet/incidents")
    api.post(f"fleet/incidents/{incident['id']}/notes", {"text": LONG})
    return [f"terminal?id={created['id']}", f"alerts?id={incident['id']}", "customers?q=evil", "terminals?q=evil"]


def _entries(api: Api) -> list[str]:
    nursery = api.first("entries/nurseries")
    names = {"nursery_id": nursery["id"], "name": TYPED[:100], "kana": TYPED[:100]}
    child = api.post("entries/children", {**names, "class_name": TYPED[:50]})
    ties = [{"id": child["id"], "relation": "www.evil.example"}]
    api.post(
        "entries/parents", {**names, "children": ties, "mail": "ours@shop.example", "phone_number": "03-1234-5678"}
    )
    return ["parents?q=evil", "children?q=evil"]


def _loaners(api: Api) -> list[str]:
    model = api.first("loaners/models")
    api.post("loaners/models", {"name": "EVIL", "maker": TYPED[:100], "category": model["category"], "note": LONG})
    site = {"key": "evil", "code": "EVL", "name": TYPED[:100], "jurisdiction": TYPED[:50]}
    api.post("loaners/sites", {**site, "group_mail": "ours@shop.example"})
    return ["loaners-masters?part=機種", "loaners-masters?part=拠点"]


def _agencies(api: Api) -> list[str]:
    agency = {"name": TYPED[:100], "code": "EVIL", "contact_name": TYPED[:100], "referral_shop_name": TYPED[:100]}
    api.post("agencies/agencies", agency)
    case = api.first("agencies/cases")
    api.post(f"agencies/cases/{case['id']}/comments", {"message": LONG})
    return ["agencies?q=evil", f"case?id={case['id']}", f"request?id={case['id']}"]


def _reservations(api: Api) -> list[str]:
    shop = {"code": "EVIL-1", "name": TYPED[:100], "phone": "03-1234-5678", "contact_name": TYPED[:100], "note": LONG}
    api.post("reservations/shops", {**shop, "mail": "ours@shop.example"})
    sender = {"party": "customer", "channel": "mail", "sender_name": TYPED[:50], "mail": "ours@shop.example"}
    enquiry = {**sender, "topic": TYPED[:100], "content": LONG, "category": "other"}
    enquiry_id = api.post("reservations/enquiries", enquiry)["id"]
    api.post(f"reservations/enquiries/{enquiry_id}/notes", {"text": LONG})
    api.post("reservations/incidents", {"title": TYPED, "level": "low", "impact": LONG})
    api.post("reservations/chores", {"title": TYPED[:100], "rhythm": "daily", "owner": TYPED[:100], "what": LONG})
    return [f"reservation?code={_reservation(api)}", "enquiries", "incidents", "chores", "chores?part=作業の一覧"]


def _reservation(api: Api) -> str:
    service = api.get("reservations/services", limit=1)["items"][0]
    day = datetime.now(UTC) + timedelta(days=9)
    body = {
        "client_request_id": str(uuid.uuid4()),
        "service": service["code"],
        "plan": service["plans"][0]["code"],
        "starts_at": day.replace(hour=3, minute=0, second=0, microsecond=0).isoformat(),
        "customer_name": TYPED[:100],
        "phone": "090-1234-5678",
        "wishes": LONG[:500],
        "hours_confirmed": True,
    }
    code: str = api.post("reservations/reservations", body)["code"]
    return code


PAGES = [entry.url_path for entry in MENU if entry.in_menu]


@pytest.fixture(scope="module")
def details(api: Api) -> list[str]:
    return fill(api)


@pytest.mark.parametrize("whole", [False, pytest.param(True, marks=pytest.mark.deep)])
def test_no_page_makes_a_link_of_what_somebody_typed(
    page: Page, context: BrowserContext, stack: Stack, details: list[str], whole: bool
) -> None:
    """All pages, or a different random sample of them in each run."""
    set_session_cookies(context, stack, get_session_token(stack, "admin"))
    found: dict[str, list[str]] = {}

    paths = [*PAGES, *details] if whole else [*random.sample(PAGES, 3), *random.sample(details, 8)]
    for path in paths:
        page.goto(f"{stack.dashboards}/{path}")
        expect(page.locator("h1").first).to_be_visible()
        wait_until_rendered(page)
        found[path] = page.evaluate(FOREIGN, stack.service)
        if path in details and "id=" not in path and "code=" not in path:
            expect(row(page)).to_be_visible()
            open_row(page)
            wait_until_rendered(page)
            found[f"{path}, first row"] = page.evaluate(FOREIGN, stack.service)

    page.goto(f"{stack.dashboards}/customers")
    page.get_by_role("button", name="探す").click()
    page.get_by_role("combobox", name="探すことば").fill("evil")
    expect(page.get_by_role("option").filter(has_text="evil.example").nth(3)).to_be_visible()
    found["探す"] = page.evaluate(FOREIGN, stack.service)

    assert {path: links for path, links in found.items() if links} == {}
