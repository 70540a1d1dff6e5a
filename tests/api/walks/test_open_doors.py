"""Every door of the service that asks for no permission, and every page: by the list of routes, so that no new one is
forgotten. What it tells the browser, which cookies it sets, whose forms it takes, and that it has enough one day."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from starlette.requests import Request

from dashboards.session import SESSION_COOKIE
from service.core.pages import forms, shell
from service.core.settings import settings
from service.main import route_permissions
from service.reservations.assistants.actions import MCP_PATH as MCP
from service.reservations.assistants.mcp import METADATA_PATH
from tests.whole import whole

# What a parameter may be: one that no row has, and for pages that everybody may see, one that is there.
NOBODYS = {"name": "quick-start", "number": "OSAKA_SV_X_1_001"}
MOST = 3
ANYBODY = Request({"type": "http", "headers": []})


def doors() -> Iterator[tuple[str, str, bool]]:
    """(method, path, whether it asks for a permission) of every route, parameters filled in."""
    for path, route, declared in route_permissions(whole().fastapi):
        filled = re.sub(r"\{(\w+)[^}]*\}", lambda found: NOBODYS.get(found[1], "1"), path)
        for method in sorted(route.methods or ()):
            yield method, filled, bool(declared)


ALL = list(doors())
PAGES = sorted({path for _, path, _ in ALL if shell.is_page(path)})
FORMS = [(method, path) for method, path, _ in ALL if shell.is_page(path) and method != "GET"]
# Not by us: the proxy closes it to everybody outside; load balancers take the pulse.
UNCOUNTED = ("/metrics", "/api/health/")


@pytest.fixture
def browser(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    """A stranger's, who may ask more than one should."""
    for limit in ("public_requests_per_minute", "refusals_per_minute"):
        monkeypatch.setattr(settings(), limit, 10**6)
    made = TestClient(client.app, raise_server_exceptions=False, follow_redirects=False, client=("198.51.100.7", 50000))
    made.portal = client.portal
    return made


def test_there_is_something_to_walk() -> None:
    assert len(PAGES) > 15
    assert {path for _, path in FORMS} == {"/contact", "/pay/1", "/cancel/1", "/cancel/1/enquiry", "/survey/1"}


def test_every_page_runs_nothing_but_its_own_is_framed_by_nobody_and_names_nobody(browser: TestClient) -> None:
    """Also when it says that it is not there, that something is missing, or that it is too much."""
    for path in (*PAGES, "/nowhere", "/api/docs"):
        for method in ("GET", "POST"):
            answer = browser.request(method, path)
            if not answer.headers.get("content-type", "").startswith("text/html"):
                # What a page is made of, a PDF, a way on: not taken for something else.
                is_way_on = answer.is_redirect or answer.headers["content-type"].startswith("application/")
                assert is_way_on or answer.headers["x-content-type-options"] == "nosniff", path
                continue
            policy = answer.headers["content-security-policy"]
            assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'"), path
            assert "frame-ancestors 'none'" in policy, path
            assert "base-uri 'none'" in policy, path
            assert "unsafe" not in policy, path
            assert answer.headers["x-content-type-options"] == "nosniff", path
            assert answer.headers["x-frame-options"] == "DENY", path
            assert answer.headers["referrer-policy"] == "no-referrer", path
            assert answer.headers["cache-control"] in ("no-store", "no-cache"), path
            assert re.findall(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son[a-z]+=", answer.text) == [], path


@pytest.mark.parametrize("base", ["https://genba.example.jp", "http://127.0.0.1:8501"])
def test_every_cookie_is_out_of_reach_of_scripts_and_of_other_sites(
    browser: TestClient, base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings(), "public_base_url", base)
    seen = set()
    for method, path, _ in ALL:
        if method == "GET":
            for cookie in browser.get(path).headers.get_list("set-cookie"):
                flags = {part.strip().lower() for part in cookie.split(";")[1:]}
                assert {"httponly", "samesite=strict", "path=/"} <= flags, (path, cookie)
                assert ("secure" in flags) == base.startswith("https"), (path, cookie)
                seen.add(cookie.partition("=")[0])
    assert seen == {forms.COOKIE}


@pytest.mark.parametrize(("method", "path"), FORMS)
def test_every_form_takes_only_what_was_filled_in_on_it(browser: TestClient, method: str, path: str) -> None:
    """Whatever else is right about it: without the token, with that of another browser, of another form, without the
    cookie, from a foreign page."""
    theirs = forms.browser_secret(ANYBODY)
    mine = forms.browser_secret(ANYBODY)
    elsewhere = forms.token(mine, "/elsewhere")

    def refused(given: str, cookie: str | None) -> bool:
        cookies = {"Cookie": f"{forms.COOKIE}={cookie}"} if cookie is not None else {}
        headers = {"Origin": "https://evil.example", **cookies}
        answer = browser.request(method, path, data={forms.FIELD: given, "party": "customer"}, headers=headers)
        return answer.status_code == 403 and "別の画面から送られた" in answer.text

    assert refused("", mine)
    assert refused(forms.token(theirs, path), mine)
    assert refused(elsewhere, mine)
    assert refused(forms.token(mine, path), None)
    # Without a cookie the token of an empty secret would fit everybody.
    assert refused(forms.token("", path), None)
    assert refused(forms.token("", path), "")
    # The right one is let through, to whatever the link opens: here nothing.
    assert not refused(forms.token(mine, path), mine)


def test_no_door_of_the_api_opens_to_a_cookie(browser: TestClient) -> None:
    """A browser sends cookies by itself, also for foreign pages; a token only what holds it."""
    open_to_all = {path: browser.request(method, path).status_code for method, path, locked in ALL if not locked}
    for method, path, locked in ALL:
        if shell.is_page(path) or path.startswith(UNCOUNTED) or open_to_all.get(path) in (200, 403, 422):
            continue
        answer = browser.request(
            method, path, headers={"Cookie": f"{SESSION_COOKIE}=x; token=x; Authorization=Bearer x"}
        )
        assert answer.status_code == 401, (method, path, answer.status_code)
        assert "set-cookie" not in answer.headers
        assert "access-control-allow-origin" not in answer.headers
        assert locked or answer.headers["www-authenticate"] == "Bearer"


def test_every_door_has_enough_of_one_source(browser: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it answers or refuses: nobody can ask for ever. A source for each door, since all count together."""
    for limit in ("public_requests_per_minute", "refusals_per_minute"):
        monkeypatch.setattr(settings(), limit, MOST)
    monkeypatch.setattr(time, "time", lambda: 1_800_000_030.0)
    unlocked = {(method, path) for method, path, locked in ALL if not locked}
    walked = [
        *sorted(unlocked),
        ("POST", MCP),
        ("GET", METADATA_PATH),
        ("GET", "/api/openapi.json"),
        ("GET", "/nowhere"),
    ]
    for number, (method, path) in enumerate(walked):
        if path.startswith(UNCOUNTED):
            continue
        one = TestClient(browser.app, raise_server_exceptions=False, client=(f"198.51.{number}.7", 50000))
        one.portal = browser.portal
        said = [one.request(method, path, follow_redirects=False).status_code for _ in range(MOST + 1)]
        assert said[-1] == 429, (method, path, said)
        assert 429 not in said[:MOST], (method, path, said)
