"""アカウント, and the one page there is as long as a password is a one-time one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session
from streamlit.testing.v1 import AppTest

from service.core.identity import User, UserSession, is_right, open_session
from tests.cast import PASSWORD
from tests.dashboards.conftest import Line, opened_at

Screen = Callable[..., AppTest]
NEW = "まったく新しい合言葉2026"


def texts(page: AppTest) -> str:
    return "\n".join(element.value for element in page.markdown).replace("\\", "")


def fill(page: AppTest, key: str, *values: str) -> AppTest:
    for field, value in zip(page.text_input, values, strict=True):
        field.set_value(value)
    return page.button(key=f"{key}.submit").click().run()


def password_is(db: Session, password: str) -> bool:
    return is_right(password, db.scalars(select(User.password_hash)).one())


@pytest.fixture
def account(screen: Screen) -> AppTest:
    return opened_at(screen("vera", fleet="viewer"), "account")


def test_ones_own_name_leads_to_the_account_whatever_one_may_see(account: AppTest) -> None:
    assert [title.value for title in account.title] == ["アカウント"]
    assert [link.label for link in account.sidebar.page_link] == ["レポート", "vera さん"]
    assert "ログインID: vera" in texts(account)
    assert not account.exception


def test_a_new_password_is_stored(account: AppTest, db: Session) -> None:
    fill(account, "account_password", PASSWORD, NEW, NEW)

    assert password_is(db, NEW)
    assert [toast.value for toast in account.toast] == ["パスワードを変更しました。"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (("wrong", NEW, NEW), "現在のパスワードが違います。"),
        ((PASSWORD, "password123", "password123"), "推測されやすいパスワードです。"),
        ((PASSWORD, NEW, "something else"), "新しいパスワードと同じものを、もう一度入力してください。"),
        ((PASSWORD, "", ""), "入力してください。"),
    ],
)
def test_what_is_wrong_stands_below_its_field(
    account: AppTest, db: Session, values: tuple[str, ...], message: str
) -> None:
    fill(account, "account_password", *values)

    assert message in texts(account)
    assert not account.toast
    assert password_is(db, PASSWORD)


def test_all_other_sessions_are_ended_after_being_asked(account: AppTest, db: Session) -> None:
    [vera] = db.scalars(select(User))
    open_session(db, vera, "192.0.2.9", timedelta(hours=1))
    db.commit()
    account.run()
    assert list(account.dataframe[0].value["接続元"]) == ["192.0.2.9", "testclient（このブラウザー）"]

    account.button(key="account.end_others").click().run()
    account.button(key="account.end_others_now.confirm").click().run()

    ended = db.execute(select(UserSession.address, UserSession.revoked_at).order_by(UserSession.id)).all()
    assert [(address, at is not None) for address, at in ended] == [("testclient", False), ("192.0.2.9", True)]


def row(page: AppTest, address: str) -> dict[str, Any]:
    items = page.session_state["live.account.sessions"].data["items"]
    return next(item for item in items if item["address"] == address)


def test_the_session_one_sits_in_is_not_ended_by_mistake(account: AppTest, db: Session) -> None:
    account.session_state["account.sessions.clicked"] = ("終了する", row(account, "testclient"))
    account.run()

    assert "ログアウト" in account.toast[0].value
    assert db.scalars(select(UserSession.revoked_at)).all() == [None]


@pytest.mark.parametrize("place", ["", "dashboard", "users", "account"])
def test_with_a_one_time_password_there_is_one_page_only(screen: Screen, db: Session, line: Line, place: str) -> None:
    page = screen("amy", fleet="admin")
    db.execute(update(User).values(must_change_password=True))
    db.commit()

    opened_at(page, place) if place else page.run()

    assert [title.value for title in page.title] == ["新しいパスワードを設定してください"]
    assert not page.sidebar.page_link
    assert line.calls == ["GET /api/auth/me"]
    fill(page, "first_password", PASSWORD, NEW, NEW)
    assert [title.value for title in page.title] != ["新しいパスワードを設定してください"]
    assert not page.exception
