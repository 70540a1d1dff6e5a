"""ユーザー管理, as an administrator at the screen finds it."""

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
from tests.dashboards.conftest import Line, opened_at
from tests.dashboards.pages import Screen, goes_away, press, rows, run, said, texts, titles, toasts


def stored(db: Session, login_id: str) -> Any:
    columns = (User.name, User.mail, User.is_active, User.must_change_password, Membership.role)
    return db.execute(select(*columns).join(Membership).where(User.login_id == login_id)).one()


@pytest.fixture
def page(screen: Screen, db: Session) -> AppTest:
    """Opened by amy; taro works there, jiro is gone."""
    people.person(db, "taro", fleet="operator").mail = "taro@example.com"
    people.person(db, "jiro", fleet="support").is_active = False
    db.commit()
    return opened_at(screen("amy", fleet="admin"), "users")


@pytest.fixture
def codes(monkeypatch: pytest.MonkeyPatch) -> None:
    """端末管理 notes a code about its people."""
    known: Any = areas.areas()
    monkeypatch.setitem(known, "fleet", replace(known["fleet"], details={"staff_code": "担当者コード"}))


def noted(db: Session, login_id: str) -> dict[str, str] | None:
    return db.scalar(select(Membership.details).join(User).where(User.login_id == login_id))


def save(page: AppTest) -> None:
    press(page, next(str(button.key) for button in page.button if str(button.key).endswith(".submit")))


def opened(page: AppTest, login_id: str) -> None:
    """As after a click on 詳細 in the row; AppTest cannot click into a grid."""
    items = page.session_state["live.core.users"].data["items"]
    page.session_state["core.users.clicked"] = ("詳細", next(row for row in items if row["login_id"] == login_id))
    run(page)


def field(page: AppTest, kind: str, label: str) -> Any:
    return next(element for element in getattr(page, kind) if element.label.startswith(label))


def fill_in(page: AppTest, *texts: tuple[str, str], role: str = "") -> None:
    for label, value in texts:
        field(page, "text_input", label).set_value(value)
    if role:
        field(page, "selectbox", "端末管理での役割").select(role)


def test_the_first_line_says_who_can_sign_in_and_the_list_is_narrowed_by_a_word(page: AppTest, line: Line) -> None:
    assert titles(page) == ["ユーザー管理"]
    assert "ログインできるユーザーは**2人**です。ほかに、無効にしたユーザーが1人います。" in texts(page)
    assert [row["ログインID"] for row in rows(page)] == ["amy", "jiro", "taro"]
    assert rows(page)[2]["業務と役割"] == "端末管理・運用オペレーター"
    assert not page.exception

    page.text_input(key="q").set_value("tar").run()
    assert [row["ログインID"] for row in rows(page)] == ["taro"]
    goes_away(page, line)


def test_the_area_is_a_condition_only_for_who_manages_several(page: AppTest, screen: Screen) -> None:
    assert "業務" not in {choice.label for choice in page.selectbox}

    several = opened_at(screen("alice", fleet="admin", loaners="admin"), "users")
    assert "業務" in {choice.label for choice in several.selectbox}


def test_a_new_person_is_registered_once_all_fields_are_right_and_the_password_is_shown_once(
    page: AppTest, db: Session
) -> None:
    press(page, "users.new")
    fill_in(page, ("ログインID", "TARO"), ("氏名", "花子"))
    press(page, "users.create.submit")
    assert "役割を1つ以上選んでください。" in texts(page)
    assert "無効にする" not in texts(page)  # There is nobody yet whom one could deactivate.
    fill_in(page, role="support")
    press(page, "users.create.submit")
    assert "使えない文字が含まれているか、形式が正しくありません。" in texts(page)
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
    assert "二度と表示できません" not in said(page.warning)


def test_that_a_role_is_missing_is_said_once_however_many_areas_there_are(screen: Screen) -> None:
    page = opened_at(screen("alice", fleet="admin", reservations="admin", loaners="admin"), "users")
    press(page, "users.new")
    fill_in(page, ("ログインID", "taro"), ("氏名", "太郎"))

    press(page, "users.create.submit")

    assert [error.value for error in page.error] == ["役割を1つ以上選んでください。"]
    assert said(page.markdown).count("役割を1つ以上選んでください。") == 0


@pytest.mark.usefixtures("codes")
def test_only_what_was_changed_is_sent_and_stored(page: AppTest, db: Session, line: Line) -> None:
    sent: list[bytes] = []
    hooks = line.service.event_hooks["request"]
    line.service.event_hooks = {"request": [*hooks, lambda request: sent.append(request.read())]}
    opened(page, "taro")
    fill_in(page, ("氏名", "山田 太郎"))
    save(page)
    opened(page, "taro")
    fill_in(page, role="viewer")
    save(page)

    role: dict[str, Any] = {"area": "fleet", "role": "viewer", "tenant_id": None, "details": {}}
    assert [json.loads(body) for body in sent if body] == [
        {"version": 1, "name": "山田 太郎"},
        {"version": 2, "memberships": [role]},
    ]
    assert stored(db, "taro") == ("山田 太郎", "taro@example.com", True, False, "viewer")
    assert toasts(page) == ["山田 太郎さんを変更しました。"]


@pytest.mark.usefixtures("codes")
def test_what_an_area_notes_about_its_people_is_typed_beside_the_role(page: AppTest, db: Session) -> None:
    press(page, "users.new")
    fill_in(page, ("ログインID", "hanako"), ("氏名", "花子"), role="support")
    page.text_input(key="users.create.details.fleet.staff_code.0").set_value("A\t1")
    press(page, "users.create.submit")
    assert "使えない文字が含まれているか、形式が正しくありません。" in texts(page)
    fill_in(page, ("端末管理での担当者コード", " A1 "))
    press(page, "users.create.submit")
    assert noted(db, "hanako") == {"staff_code": "A1"}
    press(page, "users.noted")

    opened(page, "hanako")
    assert field(page, "text_input", "端末管理での担当者コード").value == "A1"
    fill_in(page, ("端末管理での担当者コード", ""))
    save(page)
    assert noted(db, "hanako") == {}
    assert "担当者コード" not in texts(page)


@pytest.mark.usefixtures("codes")
def test_a_conflict_shows_both_sides_what_an_area_notes_too_and_what_was_typed_can_be_kept(
    page: AppTest, db: Session
) -> None:
    opened(page, "taro")
    user = db.scalars(select(User).where(User.login_id == "taro")).one()
    user.mail, user.version = "new@example.com", 2
    user.memberships[0].details = {"staff_code": "B2"}
    db.commit()
    fill_in(page, ("氏名", "後の人"), ("端末管理での担当者コード", "A1"))

    save(page)

    assert "違う項目は2件です。" in texts(page)
    assert "**端末管理での担当者コード**" in texts(page)
    for mine, theirs in (("後の人", "taro さん"), ("A1", "B2")):
        assert f":orange-background[{mine}]" in texts(page)
        assert f":blue-background[{theirs}]" in texts(page)
    assert "new@example.com" in texts(page)
    press(page, "users.conflict.keep")
    assert field(page, "text_input", "氏名").value == "後の人"
    assert field(page, "text_input", "端末管理での担当者コード").value == "A1"
    save(page)
    assert stored(db, "taro")[:2] == ("後の人", "new@example.com")
    assert noted(db, "taro") == {"staff_code": "A1"}


def test_people_are_deactivated_and_activated_after_being_asked_but_not_the_last_administrator(
    page: AppTest, db: Session
) -> None:
    for person, button, is_active in (("taro", "deactivate", False), ("jiro", "activate", True)):
        opened(page, person)
        press(page, f"users.{button}")
        assert stored(db, person).is_active is not is_active
        press(page, f"users.{button}_now.confirm")
        assert stored(db, person).is_active is is_active

    opened(page, "amy")
    press(page, "users.deactivate")
    press(page, "users.deactivate_now.confirm")
    assert "管理者がいなくなるため、変更できません" in page.error[0].value
    assert stored(db, "amy").is_active is True


def test_a_one_time_password_is_made_after_being_asked(page: AppTest, db: Session) -> None:
    opened(page, "taro")
    press(page, "users.reset")

    press(page, "users.reset_now.confirm")

    assert stored(db, "taro").must_change_password is True
    assert len(page.code) == 1
