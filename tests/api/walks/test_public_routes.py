"""Every route of the service that requires no permission, and every page: from the list of routes, so that no new
one is forgotten. What it tells the browser, which cookies it sets, which forms it accepts, and that it has a rate
limit."""

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
from tests.whole import service_app

# Values of path parameters: one that no row has, and for public pages one that exists.
PARAMETER_VALUES = {"name": "quick-start", "number": "OSAKA_SV_X_1_001"}
MAX_REQUESTS = 3
ANONYMOUS_REQUEST = Request({"type": "http", "headers": []})


def routes() -> Iterator[tuple[str, str, bool]]:
    """(method, path, whether a permission is required) of every route, parameters filled in."""
    for path, route, declared in route_permissions(service_app().fastapi):
        filled = re.sub(r"\{(\w+)[^}]*\}", lambda match: PARAMETER_VALUES.get(match[1], "1"), path)
        for method in sorted(route.methods or ()):
            yield method, filled, bool(declared)


ALL = list(routes())
PAGES = sorted({path for _, path, _ in ALL if shell.is_page(path)})
FORMS = [(method, path) for method, path, _ in ALL if shell.is_page(path) and method != "GET"]
# The service does not count these: the proxy closes /metrics to the outside, and load balancers check the health.
UNCOUNTED = ("/metrics", "/api/health/")


@pytest.fixture
def browser(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    """A browser without a session, which may send more requests than the rate limits allow."""
    for limit in ("public_requests_per_minute", "refusals_per_minute"):
        monkeypatch.setattr(settings(), limit, 10**6)
    test_client = TestClient(
        client.app, raise_server_exceptions=False, follow_redirects=False, client=("198.51.100.7", 50000)
    )
    test_client.portal = client.portal
    return test_client


def test_there_is_something_to_walk() -> None:
    assert len(PAGES) > 15
    assert {path for _, path in FORMS} == {"/contact", "/pay/1", "/cancel/1", "/cancel/1/enquiry", "/survey/1"}, (
        "a new public form: add its path here, with a value for its parameter in PARAMETER_VALUES if the page needs one"
    )


def test_every_page_has_strict_security_headers(browser: TestClient) -> None:
    """Also when the answer is an error (404, 422, 429)."""
    for path in (*PAGES, "/nowhere", "/api/docs"):
        for method in ("GET", "POST"):
            answer = browser.request(method, path)
            if not answer.headers.get("content-type", "").startswith("text/html"):
                # Static files, a PDF, a redirect: the browser must not guess another type.
                is_redirect_or_file = answer.is_redirect or answer.headers["content-type"].startswith("application/")
                assert is_redirect_or_file or answer.headers["x-content-type-options"] == "nosniff", path
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
    cookie_names = set()
    for method, path, _ in ALL:
        if method == "GET":
            for cookie in browser.get(path).headers.get_list("set-cookie"):
                flags = {part.strip().lower() for part in cookie.split(";")[1:]}
                assert {"httponly", "samesite=strict", "path=/"} <= flags, (path, cookie)
                assert ("secure" in flags) == base.startswith("https"), (path, cookie)
                cookie_names.add(cookie.partition("=")[0])
    assert cookie_names == {forms.COOKIE}


@pytest.mark.parametrize(("method", "path"), FORMS)
def test_every_form_takes_only_what_was_filled_in_on_it(browser: TestClient, method: str, path: str) -> None:
    """Refused, whatever else is right: without the token, with that of another browser, of another form, without the
    cookie, from a foreign page."""
    other_secret = forms.browser_secret(ANONYMOUS_REQUEST)
    own_secret = forms.browser_secret(ANONYMOUS_REQUEST)
    other_form_token = forms.token(own_secret, "/elsewhere")

    def refused(form_token: str, cookie: str | None) -> bool:
        cookies = {"Cookie": f"{forms.COOKIE}={cookie}"} if cookie is not None else {}
        headers = {"Origin": "https://evil.example", **cookies}
        answer = browser.request(method, path, data={"form_token": form_token, "party": "customer"}, headers=headers)
        return answer.status_code == 403 and "別の画面から送られた" in answer.text

    assert refused("", own_secret)
    assert refused(forms.token(other_secret, path), own_secret)
    assert refused(other_form_token, own_secret)
    assert refused(forms.token(own_secret, path), None)
    # Without a cookie the token of an empty secret would fit every browser.
    assert refused(forms.token("", path), None)
    assert refused(forms.token("", path), "")
    # The right token is accepted; the link of this path opens nothing.
    assert not refused(forms.token(own_secret, path), own_secret)


def test_no_api_route_accepts_a_cookie(browser: TestClient) -> None:
    """A browser sends cookies by itself, also for foreign pages; a token is sent only by a program that has it."""
    public_statuses = {
        path: browser.request(method, path).status_code for method, path, is_protected in ALL if not is_protected
    }
    for method, path, is_protected in ALL:
        if shell.is_page(path) or path.startswith(UNCOUNTED) or public_statuses.get(path) in (200, 403, 422):
            continue
        answer = browser.request(
            method, path, headers={"Cookie": f"{SESSION_COOKIE}=x; token=x; Authorization=Bearer x"}
        )
        assert answer.status_code == 401, (method, path, answer.status_code)
        assert "set-cookie" not in answer.headers
        assert "access-control-allow-origin" not in answer.headers
        assert is_protected or answer.headers["www-authenticate"] == "Bearer"


def test_every_public_route_has_a_rate_limit(browser: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it answers or refuses: no source can send requests for ever. Each route gets a source of its own,
    because all requests of a source count together."""
    for limit in ("public_requests_per_minute", "refusals_per_minute"):
        monkeypatch.setattr(settings(), limit, MAX_REQUESTS)
    monkeypatch.setattr(time, "time", lambda: 1_800_000_030.0)
    public_routes = {(method, path) for method, path, is_protected in ALL if not is_protected}
    limited_routes = [
        *sorted(public_routes),
        ("POST", MCP),
        ("GET", METADATA_PATH),
        ("GET", "/api/openapi.json"),
        ("GET", "/nowhere"),
    ]
    for number, (method, path) in enumerate(limited_routes):
        if path.startswith(UNCOUNTED):
            continue
        source = TestClient(browser.app, raise_server_exceptions=False, client=(f"198.51.{number}.7", 50000))
        source.portal = browser.portal
        statuses = [source.request(method, path, follow_redirects=False).status_code for _ in range(MAX_REQUESTS + 1)]
        assert statuses[-1] == 429, (
            method,
            path,
            statuses,
            "a public route needs a limit: service.core.http.rate_limits",
        )
        assert 429 not in statuses[:MAX_REQUESTS], (method, path, statuses)
