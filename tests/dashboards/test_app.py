"""The application as a whole: headers on every answer, health, and its own failures."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from dashboards import shell
from dashboards.client import Api
from dashboards.headers import HEADERS
from dashboards.session import SESSION_COOKIE
from tests.dashboards.conftest import Network


def assert_guarded(browser: TestClient, address: str, status: int, **headers: str) -> None:
    answer = browser.get(address, headers=headers)
    assert answer.status_code == status
    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/", 303),
        ("/login", 200),
        ("/logout", 303),
        ("/_stcore/health", 200),
        ("/_stcore/host-config", 401),
        ("/_stcore/metrics", 404),
        ("/health", 200),
        ("/app/static/ja.js", 200),
        ("/app/static/nothing.js", 404),
    ],
)
def test_strangers_get_security_headers_with_every_answer(web: TestClient, address: str, status: int) -> None:
    assert_guarded(web, address, status)


@pytest.mark.parametrize(
    ("address", "status"), [("/", 200), ("/dashboard", 200), ("/nowhere", 404), ("/_stcore/host-config", 200)]
)
def test_signed_in_users_get_security_headers_with_every_answer(
    signed_in: TestClient, address: str, status: int
) -> None:
    assert_guarded(signed_in, address, status)


def test_refusals_and_failures_carry_security_headers_too(
    web: TestClient, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert_guarded(web, "/logout", 403, origin="https://evil.example")
    web.cookies.set(SESSION_COOKIE, "some-token")
    network.cut()
    assert_guarded(web, "/dashboard", 503)
    monkeypatch.setattr(Api, "get", lambda *_: 1 / 0)
    assert_guarded(web, "/health", 500)


def test_no_script_but_our_own_may_run() -> None:
    policy = dict(directive.split(" ", 1) for directive in HEADERS["Content-Security-Policy"].split("; "))

    assert policy["script-src"] == "'self'"
    assert policy["default-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["object-src"] == "'none'"


def test_the_page_contains_no_inline_script_that_the_policy_would_refuse() -> None:
    html = shell.render()

    assert "<script>" not in html
    assert "<script src=" in html or "<script type=" in html


def test_a_streamlit_that_looks_different_is_noticed_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: "<html></html>")

    with pytest.raises(RuntimeError, match=r"index\.html has changed"):
        shell.render()


def test_browsers_cache_fonts_and_revalidate_scripts(web: TestClient) -> None:
    assert web.get("/app/static/ja.js").headers["cache-control"] == "no-cache"
    assert web.get("/app/static/fonts/nothing.woff2").headers["cache-control"] == "no-cache"
    if shell.FONT.exists():
        cache_control = web.get("/app/static/fonts/NotoSansJP-Regular.woff2").headers["cache-control"]
        assert cache_control == "public, max-age=604800"


def test_health_says_whether_data_can_be_shown(web: TestClient, network: Network) -> None:
    assert (web.get("/health").status_code, web.get("/health").text) == (200, "ok")

    network.cut()

    answer = web.get("/health")
    assert answer.status_code == 503
    assert answer.text.startswith("サービスに接続できません。")
    assert web.get("/_stcore/health").status_code == 200


def test_a_bug_in_our_own_routes_is_reported_in_japanese_with_a_reference(
    web: TestClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Api, "get", lambda *_: 1 / 0)

    answer = web.get("/health")

    assert answer.status_code == 500
    assert "プログラムの不具合により、画面を表示できませんでした。" in answer.text
    assert "ZeroDivisionError" not in answer.text
    [reference] = [record.args[1] for record in caplog.records if record.name == "dashboards.app"]  # type: ignore[index]
    assert f"受付番号 {reference}" in answer.text
