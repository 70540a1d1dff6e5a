"""アカウント, and the only page that a user with a one-time password has."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session
from streamlit.testing.v1 import AppTest

from service.core.access.identity import User, UserSession, check_password, open_session
from tests.dashboards.conftest import Network, open_address
from tests.dashboards.pages import Screen, cells, press, run, texts, titles, toasts
from tests.people import PASSWORD

NEW = "まったく新しい合言葉2026"


def fill(page: AppTest, key: str, *values: str) -> None:
    for field, value in zip(page.text_input, values, strict=True):
        field.set_value(value)
    press(page, f"{key}.submit")


def password_is(db: Session, password: str) -> bool:
    return check_password(password, db.scalars(select(User.password_hash)).one())


@pytest.fixture
def account(screen: Screen) -> AppTest:
    return open_address(screen("vera", fleet="viewer"), "account")


def test_the_users_name_leads_to_the_account_and_errors_of_a_new_password_are_shown_below_its_field(
    account: AppTest, db: Session
) -> None:
    assert titles(account) == ["アカウント"]
    assert [link.label for link in account.sidebar.page_link] == ["ホーム", "レポート", "vera さん"]
    assert "ログインID: vera" in texts(account)
    assert not account.exception

    for values, message in (
        ((PASSWORD, "", ""), "入力してください。"),
        (("wrong", NEW, NEW), "現在のパスワードが違います。"),
        ((PASSWORD, "password123", "password123"), "推測されやすいパスワードです。"),
        ((PASSWORD, NEW, "something else"), "新しいパスワードと同じものを、もう一度入力してください。"),
    ):
        fill(account, "account_password", *values)
        assert message in texts(account)
        assert not account.toast
        assert password_is(db, PASSWORD)

    fill(account, "account_password", PASSWORD, NEW, NEW)
    db.expire_all()
    assert password_is(db, NEW)
    assert toasts(account) == ["パスワードを変更しました。"]


def row(page: AppTest, address: str) -> dict[str, Any]:
    items = page.session_state["live.account.sessions"].data["items"]
    return next(item for item in items if item["address"] == address)


def test_all_other_sessions_are_ended_after_a_confirmation_and_the_own_session_is_not_ended_by_mistake(
    account: AppTest, db: Session
) -> None:
    [vera] = db.scalars(select(User))
    open_session(db, vera, "192.0.2.9", timedelta(hours=1))
    db.commit()
    run(account)
    assert cells(account, "接続元") == ["192.0.2.9", "testclient（このブラウザー）"]
    account.session_state["account.sessions.clicked"] = ("終了する", row(account, "testclient"))
    run(account)
    assert "ログアウト" in account.toast[0].value
    assert db.scalars(select(UserSession.revoked_at)).all() == [None, None]

    press(account, "account.end_others")
    press(account, "account.end_others_now.confirm")
    ended = db.execute(select(UserSession.address, UserSession.revoked_at).order_by(UserSession.id)).all()
    assert [(address, at is not None) for address, at in ended] == [("testclient", False), ("192.0.2.9", True)]


def test_with_a_one_time_password_there_is_one_page_only(screen: Screen, db: Session, network: Network) -> None:
    page = screen("amy", fleet="admin")
    db.execute(update(User).values(must_change_password=True))
    db.commit()
    for path in ("start", "dashboard", "users", "account"):
        open_address(page, path)
        assert titles(page) == ["新しいパスワードを設定してください"]
        assert not page.sidebar.page_link
    assert network.calls == ["GET /api/auth/me"]

    fill(page, "first_password", PASSWORD, NEW, NEW)
    assert titles(page) == ["アカウント"]
