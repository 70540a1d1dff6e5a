"""ユーザー管理, as an administrator sees it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from streamlit.testing.v1 import AppTest

from service.core import areas
from service.core.access.identity import Membership, User
from tests import people
from tests.dashboards.conftest import Network, open_address
from tests.dashboards.pages import Screen, assert_survives_outage, press, rows, run, text_of, texts, titles, toasts


def stored(db: Session, login_id: str) -> Any:
    columns = (User.name, User.mail, User.is_active, User.must_change_password, Membership.role)
    return db.execute(select(*columns).join(Membership).where(User.login_id == login_id)).one()


@pytest.fixture
def page(screen: Screen, db: Session) -> AppTest:
    """Opened by amy; taro is active there, jiro is deactivated."""
    people.create_user(db, "taro", fleet="operator").mail = "taro@example.com"
    people.create_user(db, "jiro", fleet="support").is_active = False
    db.commit()
    return open_address(screen("amy", fleet="admin"), "users")


@pytest.fixture
def staff_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """端末管理 stores a code of each of its users."""
    by_name: Any = areas.areas()
    monkeypatch.setitem(by_name, "fleet", replace(by_name["fleet"], details={"staff_code": "担当者コード"}))


def stored_details(db: Session, login_id: str) -> dict[str, str] | None:
    return db.scalar(select(Membership.details).join(User).where(User.login_id == login_id))


def save(page: AppTest) -> None:
    press(page, next(str(button.key) for button in page.button if str(button.key).endswith(".submit")))


def open_details(page: AppTest, login_id: str) -> None:
    """As after a click on 詳細 in the row: AppTest cannot click into a grid."""
    items = page.session_state["live.core.users"].data["items"]
    page.session_state["core.users.clicked"] = ("詳細", next(row for row in items if row["login_id"] == login_id))
    run(page)


def field(page: AppTest, kind: str, label: str) -> Any:
    return next(element for element in getattr(page, kind) if element.label.startswith(label))


def fill_in(page: AppTest, *values: tuple[str, str], role: str = "") -> None:
    for label, value in values:
        field(page, "text_input", label).set_value(value)
    if role:
        field(page, "selectbox", "端末管理での役割").select(role)


def test_the_first_line_says_who_can_sign_in_and_the_list_is_filtered_by_text(page: AppTest, network: Network) -> None:
    assert titles(page) == ["ユーザー管理"]
    assert "ログインできるユーザーは**2人**です。ほかに、無効にしたユーザーが1人います。" in texts(page)
    assert [row["ログインID"] for row in rows(page)] == ["amy", "jiro", "taro"]
    assert rows(page)[2]["業務と役割"] == "端末管理・運用オペレーター"
    assert not page.exception

    page.text_input(key="q").set_value("tar").run()
    assert [row["ログインID"] for row in rows(page)] == ["taro"]
    assert_survives_outage(page, network)


def test_the_area_is_a_condition_only_for_administrators_of_several_areas(page: AppTest, screen: Screen) -> None:
    assert "業務" not in {choice.label for choice in page.selectbox}

    several = open_address(screen("alice", fleet="admin", loaners="admin"), "users")
    assert "業務" in {choice.label for choice in several.selectbox}


def test_a_new_user_is_registered_once_all_fields_are_right_and_the_password_is_shown_once(
    page: AppTest, db: Session
) -> None:
    press(page, "users.new")
    fill_in(page, ("ログインID", "TARO"), ("氏名", "花子"))
    press(page, "users.create.submit")
    assert "役割を1つ以上選んでください。" in texts(page)
    assert "無効にする" not in texts(page)  # There is no user yet to deactivate.
    fill_in(page, role="support")
    press(page, "users.create.submit")
    assert "英字か数字から入力してください（例: hanako.yamada）。" in texts(page)
    fill_in(page, ("ログインID", "taro"))
    press(page, "users.create.submit")
    assert "すでに使われています" in texts(page)

    fill_in(page, ("ログインID", "hanako"), ("メールアドレス", ""))
    press(page, "users.create.submit")
    assert stored(db, "hanako") == ("花子", None, True, True, "support")
    [shown] = page.code
    assert len(shown.value) == 17
    assert "二度と表示できません" in page.warning[0].value
    press(page, "users.noted")
    assert not page.code
    assert "二度と表示できません" not in text_of(page.warning)


def test_a_missing_role_is_reported_once_however_many_areas_there_are(screen: Screen) -> None:
    page = open_address(screen("alice", fleet="admin", reservations="admin", loaners="admin"), "users")
    press(page, "users.new")
    fill_in(page, ("ログインID", "taro"), ("氏名", "太郎"))

    press(page, "users.create.submit")

    assert [error.value for error in page.error] == ["役割を1つ以上選んでください。"]
    assert text_of(page.markdown).count("役割を1つ以上選んでください。") == 0


@pytest.mark.usefixtures("staff_code")
def test_only_what_was_changed_is_sent_and_stored(page: AppTest, db: Session, network: Network) -> None:
    sent: list[bytes] = []
    hooks = network.service.event_hooks["request"]
    network.service.event_hooks = {"request": [*hooks, lambda request: sent.append(request.read())]}
    open_details(page, "taro")
    fill_in(page, ("氏名", "山田 太郎"))
    save(page)
    open_details(page, "taro")
    fill_in(page, role="viewer")
    save(page)

    role: dict[str, Any] = {"area": "fleet", "role": "viewer", "tenant_id": None, "details": {}}
    assert [json.loads(body) for body in sent if body] == [
        {"version": 1, "name": "山田 太郎"},
        {"version": 2, "memberships": [role]},
    ]
    assert stored(db, "taro") == ("山田 太郎", "taro@example.com", True, False, "viewer")
    assert toasts(page) == ["山田 太郎さんを変更しました。"]


@pytest.mark.usefixtures("staff_code")
def test_the_details_that_an_area_stores_of_its_users_are_typed_next_to_the_role(page: AppTest, db: Session) -> None:
    press(page, "users.new")
    fill_in(page, ("ログインID", "hanako"), ("氏名", "花子"), role="support")
    page.text_input(key="users.create.details.fleet.staff_code.0").set_value("A\t1")
    press(page, "users.create.submit")
    assert "改行・タブや、目に見えない文字" in texts(page)
    fill_in(page, ("端末管理での担当者コード", " A1 "))
    press(page, "users.create.submit")
    assert stored_details(db, "hanako") == {"staff_code": "A1"}
    press(page, "users.noted")

    open_details(page, "hanako")
    assert field(page, "text_input", "端末管理での担当者コード").value == "A1"
    fill_in(page, ("端末管理での担当者コード", ""))
    save(page)
    assert stored_details(db, "hanako") == {}
    assert "担当者コード" not in texts(page)


@pytest.mark.usefixtures("staff_code")
def test_a_conflict_shows_both_sides_with_the_details_of_an_area_and_the_typed_values_can_be_kept(
    page: AppTest, db: Session
) -> None:
    open_details(page, "taro")
    user = db.scalars(select(User).where(User.login_id == "taro")).one()
    user.mail, user.version = "new@example.com", 2
    user.memberships[0].details = {"staff_code": "B2"}
    db.commit()
    fill_in(page, ("氏名", "後の人"), ("端末管理での担当者コード", "A1"))

    save(page)

    assert "違う項目は2件です。" in texts(page)
    assert "**端末管理での担当者コード**" in texts(page)
    for own, other in (("後の人", "taro さん"), ("A1", "B2")):
        assert f":orange-background[{own}]" in texts(page)
        assert f":blue-background[{other}]" in texts(page)
    assert "new@example.com" in texts(page)
    press(page, "users.conflict.keep")
    assert field(page, "text_input", "氏名").value == "後の人"
    assert field(page, "text_input", "端末管理での担当者コード").value == "A1"
    save(page)
    assert stored(db, "taro")[:2] == ("後の人", "new@example.com")
    assert stored_details(db, "taro") == {"staff_code": "A1"}


def test_users_are_deactivated_and_activated_after_a_confirmation_but_not_oneself(page: AppTest, db: Session) -> None:
    for login_id, button, is_active in (("taro", "deactivate", False), ("jiro", "activate", True)):
        open_details(page, login_id)
        press(page, f"users.{button}")
        assert stored(db, login_id).is_active is not is_active
        press(page, f"users.{button}_now.confirm")
        assert stored(db, login_id).is_active is is_active

    open_details(page, "amy")
    press(page, "users.deactivate")
    press(page, "users.deactivate_now.confirm")
    assert "ご自分のアカウントは無効にできません" in page.error[0].value
    assert stored(db, "amy").is_active is True


def test_a_one_time_password_is_created_after_a_confirmation(page: AppTest, db: Session) -> None:
    open_details(page, "taro")
    press(page, "users.reset")

    press(page, "users.reset_now.confirm")

    assert stored(db, "taro").must_change_password is True
    assert len(page.code) == 1
