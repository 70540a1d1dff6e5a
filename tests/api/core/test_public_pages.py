"""Public pages: HTML for users, problems for programs, and forms that accept only what was filled in on them."""

from __future__ import annotations

import re
from typing import Annotated

import pytest
from fastapi import FastAPI, Form, Request, Response
from fastapi.testclient import TestClient
from sqlalchemy.exc import OperationalError

from service.core.database.clock import real_now
from service.core.http import problem_responses
from service.core.http.concurrency import ConcurrencyLimit
from service.core.pages import assets, forms, shell
from service.core.problems import Invalid


def test_the_start_page_leads_to_the_dashboards_and_the_reference(client: TestClient) -> None:
    answer = client.get("/")

    assert answer.status_code == 200
    assert '<html lang="ja">' in answer.text
    assert "<h1>Genba サービス</h1>" in answer.text
    assert 'href="http://127.0.0.1:8501"' in answer.text
    assert 'href="/api/docs"' in answer.text


@pytest.mark.parametrize("path", ["/", "/api/docs", "/nowhere"])
def test_every_page_has_the_strict_headers_and_nothing_inline(client: TestClient, path: str) -> None:
    answer = client.get(path)

    assert {name: answer.headers.get(name) for name in shell.HEADERS} == shell.HEADERS
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert re.findall(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son[a-z]+=", answer.text) == []
    assert re.findall(r'(?:src|href)="(?:https?:)?//', answer.text.replace('href="http://127.0.0.1:8501"', "")) == []


def test_static_files_are_cached_for_a_year_under_a_name_with_their_hash(client: TestClient) -> None:
    urls = re.findall(r'(?:src|href)="(/public/static/[^"]+)"', client.get("/api/docs").text)

    assert len(urls) >= 5
    for url in urls:
        assert re.search(r"\.[0-9a-f]{12}\.[a-z]+$", url)
        answer = client.get(url)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert {client.get(url).headers["content-type"].split(";")[0] for url in urls} <= {
        *("text/css", "text/javascript", "application/javascript", "image/svg+xml")
    }
    assert client.get(re.sub(r"[0-9a-f]{12}", "0" * 12, urls[0])).status_code == 404
    assert client.get(f"{assets.PATH}/..%2f..%2fsettings.py").status_code == 404


def failing() -> FastAPI:
    """Routes that fail in every way, each as a page and in the API."""
    app = FastAPI()
    problem_responses.install(app)

    def raises(problem: Exception) -> Response:
        raise problem

    def add(path: str, problem: Exception) -> None:
        app.add_api_route(path, lambda: raises(problem), response_model=None)

    for start in ("", "/api"):
        add(f"{start}/invalid", Invalid("電話番号を入力してください。"))
        add(f"{start}/down", OperationalError("select", {}, Exception("gone")))
        add(f"{start}/bug", RuntimeError("secret detail"))
    return app


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("/nowhere", 404, "指定されたURLは見つかりません"),
        ("/invalid", 422, "電話番号を入力してください"),
        ("/bug", 500, "予期しない問題が起きました"),
        ("/down", 503, "データベースとの通信が途切れました"),
    ],
)
def test_a_failure_is_a_page_for_users_and_a_problem_for_programs(path: str, status: int, message: str) -> None:
    client = TestClient(failing(), raise_server_exceptions=False)

    page, problem = client.get(path), client.get(f"/api{path}")

    assert (page.status_code, problem.status_code) == (status, status)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["content-security-policy"] == shell.HEADERS["Content-Security-Policy"]
    assert message in page.text
    assert "secret detail" not in page.text
    assert problem.headers["content-type"] == "application/problem+json"
    assert message in problem.json()["detail"]
    assert page.headers.get("retry-after") == problem.headers.get("retry-after")
    assert ("refresh" in page.text) == (status == 503)


@pytest.mark.parametrize(
    ("path", "is_page"),
    [
        ("/", True),
        ("/pay/abc", True),
        ("/apis", True),
        ("/api", False),
        ("/api/docsx", False),
        ("/mcp", False),
        ("/.well-known/oauth", False),
        ("/metrics", False),
    ],
)
def test_the_path_alone_decides_between_page_and_problem(path: str, is_page: bool) -> None:
    assert shell.is_page(path) == is_page


def test_an_overload_is_a_page_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.core.http.concurrency.MAX_WAITING", 0)
    client = TestClient(ConcurrencyLimit(failing(), 1, frozenset()))

    assert "ただいま混み合っています" in client.get("/gone").text
    assert client.get("/gone").headers["content-type"].startswith("text/html")
    assert client.get("/api/gone").headers["content-type"] == "application/problem+json"


@pytest.fixture
def public() -> TestClient:
    """A page with a form, as an area has it."""
    app = FastAPI()
    problem_responses.install(app)

    @app.get("/cancel")
    def show(request: Request) -> Response:
        secret = forms.browser_secret(request)
        response = Response(forms.token(secret, "/cancel"))
        forms.remember(response, secret)
        return response

    @app.post("/cancel")
    @app.post("/other")
    def send(request: Request, form_token: Annotated[str, Form()] = "") -> str:
        forms.check(request, form_token)
        return "done"

    return TestClient(app, raise_server_exceptions=False)


def test_a_form_that_was_opened_here_is_taken(public: TestClient) -> None:
    first = public.get("/cancel")

    assert public.post("/cancel", data={"form_token": first.text}).json() == "done"
    cookie = first.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    # A second tab does not break the first.
    public.get("/cancel")
    assert public.post("/cancel", data={"form_token": first.text}).status_code == 200


def test_a_form_of_a_foreign_page_is_refused_in_words(public: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    token = public.get("/cancel").text
    until, _, signature = token.partition(".")
    other_browser = TestClient(public.app, raise_server_exceptions=False)
    other_token = other_browser.get("/cancel").text

    def refused(client: TestClient, form_token: str, path: str = "/cancel") -> None:
        answer = client.post(path, data={"form_token": form_token})
        assert answer.status_code == 403
        assert "前の画面に戻って読み込み直し" in answer.text

    for forged in (
        "",
        ".",
        other_token,
        signature,
        f"{int(until) + 1}.{signature}",
        f"{until}.x",
        f"９.{signature}",
        "x" * 9999,
    ):
        refused(public, forged)
    refused(public, token, "/other")
    refused(TestClient(public.app), token)

    after_expiry = real_now().timestamp() + forms.VALID_SECONDS + 1
    monkeypatch.setattr(forms, "real_now", lambda: type("Later", (), {"timestamp": lambda _: after_expiry})())
    refused(public, token)
