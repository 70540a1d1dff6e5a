"""Signing in and out through the login form."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html import unescape
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboards import login
from dashboards.session import SESSION_COOKIE
from dashboards.settings import Settings, settings
from service.core.access.identity import UserSession, find_session
from service.core.audit import AuditEntry
from service.core.settings import settings as service_settings
from service.demo import people
from tests.dashboards.conftest import Network
from tests.people import PASSWORD, create_user

HERE = {"origin": "http://testserver", "sec-fetch-site": "same-origin"}
FOREIGN = [
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"origin": "http://["},
    {"origin": "http://testserver:8000"},
    {"sec-fetch-site": "cross-site"},
    {"origin": "http://testserver", "sec-fetch-site": "same-site"},
]


@pytest.fixture
def alice(db: Session) -> str:
    create_user(db, "alice", fleet="operator")
    db.commit()
    return "alice"


def send(web: TestClient, login_id: str, password: str, address: str = "/login", **headers: str) -> Response:
    return web.post(address, data={"login_id": login_id, "password": password}, headers=headers or HERE)


def set_production(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login, "settings", lambda: Settings(GENBA_MODE="production"))


def test_the_right_password_sets_a_cookie_scripts_cannot_read_and_leads_on(web: TestClient, alice: str) -> None:
    answer = send(web, alice, PASSWORD, "/login?next=%2Fdashboard%3Fstatus%3Derror")

    assert answer.status_code == 303
    assert answer.headers["location"] == "/dashboard?status=error"
    session, browser = (
        {part.strip().lower() for part in cookie.split(";")[1:]} for cookie in answer.headers.get_list("set-cookie")
    )
    assert session == {"httponly", "path=/", "samesite=lax"}
    assert browser == session | {"max-age=34560000"}
    assert web.get("/dashboard").status_code == 200


def test_in_production_the_cookie_travels_over_https_alone(
    web: TestClient, alice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_production(monkeypatch)

    for cookie in send(web, alice, PASSWORD).headers.get_list("set-cookie"):
        assert "; Secure" in cookie
    assert "; Secure" in web.get("/logout").headers["set-cookie"]


def test_a_login_id_may_have_spaces_around_it(web: TestClient, alice: str) -> None:
    assert send(web, f" {alice}　", PASSWORD).status_code == 303


@pytest.mark.parametrize("login_id", ["alice", "nobody"])
def test_a_wrong_password_shows_a_message_and_keeps_the_login_id(web: TestClient, alice: str, login_id: str) -> None:
    answer = send(web, login_id, "wrong-password")

    assert answer.status_code == 401
    assert "ログインIDまたはパスワードが違います。" in answer.text
    assert f'value="{login_id}"' in answer.text
    assert "wrong-password" not in answer.text
    assert "set-cookie" not in answer.headers


def test_after_a_wrong_password_the_right_one_still_leads_to_the_requested_page(web: TestClient, alice: str) -> None:
    again = send(web, alice, "wrong", "/login?next=/dashboard")

    [form] = re.findall(r'<form [^>]*action="([^"]+)"', again.text)
    assert send(web, alice, PASSWORD, unescape(form)).headers["location"] == "/dashboard"


@pytest.mark.parametrize(("login_id", "password"), [("", "x"), ("alice", ""), ("  ", "x")])
def test_an_empty_field_is_refused_without_a_call_to_the_service(
    web: TestClient, network: Network, login_id: str, password: str
) -> None:
    answer = send(web, login_id, password)

    assert answer.status_code == 422
    assert "ログインIDとパスワードを入力してください。" in answer.text
    assert network.calls == []


@pytest.mark.parametrize("login_id", ["a" * 65, "a\x00b"])
def test_a_login_id_that_cannot_exist_is_refused_without_the_services_field_names(
    web: TestClient, login_id: str
) -> None:
    answer = send(web, login_id, "x")

    assert answer.status_code == 422
    assert "ログインIDは64文字以内で入力してください（例: hanako.yamada）。" in answer.text


def test_what_was_typed_is_shown_as_text(web: TestClient) -> None:
    answer = send(web, '"><script>alert(1)</script>', "x")

    assert "<script>alert" not in answer.text
    assert '"><script>alert(1)</script>' in unescape(answer.text)


@pytest.mark.parametrize(
    "target",
    [
        "//evil.example",
        "///evil.example",
        "https://evil.example",
        "\\\\evil.example",
        "/\\evil.example",
        "/dashboard\\..\\..\\evil",
        "/\t/evil.example",
        "/dashboard\r\nSet-Cookie: a=b",
        "javascript:alert(1)",
        "dashboard",
        "",
        "/login?next=/login",
        "/logout",
        "/logout/",
        "/%6Cogout",
        "/dashboard/../logout",
    ],
)
def test_an_unsafe_address_to_go_on_to_becomes_the_start_page(web: TestClient, alice: str, target: str) -> None:
    answer = web.post("/login", params={"next": target}, data={"login_id": alice, "password": PASSWORD}, headers=HERE)

    assert answer.status_code == 303
    assert answer.headers["location"] == "/"
    assert web.get("/login", params={"next": target}).headers["location"] == "/"


@pytest.mark.parametrize("headers", FOREIGN)
def test_a_foreign_page_cannot_sign_anybody_in(
    web: TestClient, alice: str, network: Network, headers: dict[str, str]
) -> None:
    answer = send(web, alice, PASSWORD, **headers)

    assert answer.status_code == 403
    assert "ほかのサイトから送られたため、ログインできませんでした。" in answer.text
    assert "set-cookie" not in answer.headers
    assert network.calls == []


def test_a_program_that_is_no_browser_may_sign_in(web: TestClient, alice: str) -> None:
    assert send(web, alice, PASSWORD, **{"user-agent": "a script"}).status_code == 303


def test_a_signed_in_user_does_not_see_the_form(signed_in: TestClient) -> None:
    answer = signed_in.get("/login?next=/dashboard")

    assert answer.status_code == 303
    assert answer.headers["location"] == "/dashboard"


def test_the_form_is_never_cached_and_its_fields_are_named_for_password_managers(web: TestClient) -> None:
    answer = web.get("/login")

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert 'autocomplete="username"' in answer.text
    assert 'autocomplete="current-password"' in answer.text


@pytest.mark.parametrize("outage", ["cut", "broken"])
def test_while_the_service_is_away_the_form_says_that_signing_in_is_not_possible_now(
    web: TestClient, alice: str, network: Network, outage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if outage == "cut":
        network.cut()
    else:
        from service.core.access import identity

        monkeypatch.setattr(identity, "find_by_login_id", lambda *_: 1 / 0)

    answer = send(web, alice, PASSWORD)

    assert answer.status_code >= 500
    assert login.SERVICE_DOWN in answer.text
    assert 'value="alice"' in answer.text


def test_signing_out_ends_the_session_at_the_service_and_clears_the_cookie(
    web: TestClient, alice: str, db: Session
) -> None:
    send(web, alice, PASSWORD)
    token = web.cookies[SESSION_COOKIE]
    assert find_session(db, token)

    answer = web.get("/logout", headers={"sec-fetch-site": "same-origin"})

    assert answer.headers["location"] == "/login?reason=signed_out"
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert "HttpOnly" in answer.headers["set-cookie"]
    assert SESSION_COOKIE not in web.cookies
    assert find_session(db, token) is None
    assert db.scalars(select(AuditEntry.action).order_by(AuditEntry.id)).all() == ["login", "logout"]
    assert "ログアウトしました。" in web.get(answer.headers["location"]).text


def test_a_copied_cookie_is_worth_nothing_after_signing_out(web: TestClient, alice: str) -> None:
    send(web, alice, PASSWORD)
    token = web.cookies[SESSION_COOKIE]
    web.get("/dashboard")
    web.get("/logout")

    web.cookies.set(SESSION_COOKIE, token)

    assert web.get("/dashboard").status_code == 303


@pytest.mark.parametrize("headers", FOREIGN)
def test_a_foreign_page_cannot_sign_anybody_out(signed_in: TestClient, db: Session, headers: dict[str, str]) -> None:
    answer = signed_in.get("/logout", headers=headers)

    assert answer.status_code == 403
    assert "ほかのサイトからの操作だったため、ログアウトしませんでした。" in answer.text
    assert "set-cookie" not in answer.headers
    assert db.scalars(select(UserSession.revoked_at)).all() == [None]


def test_signing_out_works_while_the_service_is_away(signed_in: TestClient, network: Network) -> None:
    network.cut()

    answer = signed_in.get("/logout")

    assert answer.status_code == 303
    assert "Max-Age=0" in answer.headers["set-cookie"]


def test_signing_out_without_a_session_just_shows_the_form(web: TestClient, network: Network) -> None:
    assert web.get("/logout").headers["location"] == "/login?reason=signed_out"
    assert network.calls == []


@pytest.fixture
def accounts_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As `python -m service.demo` writes it."""
    path = tmp_path / "accounts.json"
    path.write_text(json.dumps(people.as_json()))
    monkeypatch.setattr(settings(), "demo_accounts_file", str(path))
    return path


@pytest.mark.usefixtures("accounts_file")
def test_the_demo_lists_its_accounts_with_their_password(web: TestClient) -> None:
    html = web.get("/login").text

    for login_id in people.accounts():
        assert f'data-login-id="{login_id}"' in html
    for label in ("すべての機能", "端末管理・システム管理者", "端末管理・閲覧のみ"):
        assert label in html
    assert people.PASSWORD in html


@pytest.mark.parametrize("content", [None, "", "no json"])
def test_signing_in_works_without_the_list_too(web: TestClient, accounts_file: Path, content: str | None) -> None:
    accounts_file.unlink() if content is None else accounts_file.write_text(content)

    answer = web.get("/login")

    assert answer.status_code == 200
    assert "デモ用アカウント" not in answer.text


def test_too_many_failures_show_how_long_to_wait(web: TestClient, alice: str) -> None:
    for _ in range(service_settings().sign_in_attempts):
        send(web, alice, "wrong")

    answer = send(web, alice, PASSWORD)

    assert answer.status_code == 429
    assert "あと15分ほど待ってから" in answer.text


@pytest.mark.usefixtures("accounts_file")
def test_in_production_no_demo_account_is_named(web: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    set_production(monkeypatch)

    html = web.get("/login").text + send(web, "nobody", "x").text

    assert "デモ" not in html
    assert people.PASSWORD not in html
    assert "fleet-viewer" not in html


def test_each_sign_in_is_a_session_of_its_own(web: TestClient, alice: str, token_of: Callable[..., str]) -> None:
    send(web, alice, PASSWORD)
    first = web.cookies[SESSION_COOKIE]
    web.cookies.clear()

    send(web, alice, PASSWORD)

    assert web.cookies[SESSION_COOKIE] != first
