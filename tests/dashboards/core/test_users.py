"""ユーザー管理, as an administrator at the screen finds it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from streamlit.testing.v1 import AppTest

from service.core import areas
from service.core.identity import Membership, User
from tests import cast
from tests.dashboards.conftest import Line, opened_at

Screen = Callable[..., AppTest]


def texts(page: AppTest) -> str:
    return "\n".join(element.value for element in page.markdown).replace("\\", "")


def press(page: AppTest, key: str) -> AppTest:
    return page.button(key=key).click().run()


def stored(db: Session, login_id: str) -> Any:
    columns = (User.name, User.mail, User.is_active, User.must_change_password, Membership.role)
    return db.execute(select(*columns).join(Membership).where(User.login_id == login_id)).one()


@pytest.fixture
def page(screen: Screen, db: Session) -> AppTest:
    """Opened by amy; taro works there, jiro is gone."""
    cast.person(db, "taro", fleet="operator").mail = "taro@example.com"
    cast.person(db, "jiro", fleet="support").is_active = False
    db.commit()
    return opened_at(screen("amy", fleet="admin"), "users")


@pytest.fixture
def codes(monkeypatch: pytest.MonkeyPatch) -> None:
    """端末管理 notes a code about its people."""
    known: Any = areas.areas()
    monkeypatch.setitem(known, "fleet", replace(known["fleet"], details={"staff_code": "担当者コード"}))


def noted(db: Session, login_id: str) -> dict[str, str] | None:
    return db.scalar(select(Membership.details).join(User).where(User.login_id == login_id))


def save(page: AppTest) -> AppTest:
    return next(button for button in page.button if button.key and button.key.endswith(".submit")).click().run()


def rows(page: AppTest) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = page.session_state["live.core.users"].data["items"]
    return found


def opened(page: AppTest, login_id: str) -> AppTest:
    """As after a click on 詳細 in the row; AppTest cannot click into a grid."""
    [row] = [row for row in rows(page) if row["login_id"] == login_id]
    page.session_state["core.users.clicked"] = ("詳細", row)
    return page.run()


def field(page: AppTest, kind: str, label: str) -> Any:
    return next(element for element in getattr(page, kind) if element.label.startswith(label))


def test_the_first_line_says_who_can_sign_in(page: AppTest) -> None:
    assert [title.value for title in page.title] == ["ユーザー管理"]
    assert "ログインできるユーザーは**2人**です。ほかに、無効にしたユーザーが1人います。" in texts(page)
    [grid] = page.dataframe
    assert list(grid.value["ログインID"]) == ["amy", "jiro", "taro"]
    assert list(grid.value["業務と役割"])[2] == "端末管理・運用オペレーター"
    assert not page.exception


def test_the_list_is_narrowed_by_a_word(page: AppTest) -> None:
    page.text_input(key="q").set_value("tar").run()

    assert list(page.dataframe[0].value["ログインID"]) == ["taro"]


def test_who_is_no_administrator_does_not_find_the_page(screen: Screen, line: Line) -> None:
    page = opened_at(screen("olivia", fleet="operator"), "users")

    assert [title.value for title in page.title] == ["この画面を表示する権限がありません"]
    assert not [call for call in line.calls if "/core/" in call]


def test_a_new_person_is_registered_and_the_password_shown_once(page: AppTest, db: Session) -> None:
    press(page, "users.new")
    for label, value in (("ログインID", "hanako"), ("氏名", "花子"), ("メールアドレス", "")):
        field(page, "text_input", label).set_value(value)
    field(page, "selectbox", "端末管理での役割").select("support")

    press(page, "users.create.submit")

    assert stored(db, "hanako") == ("花子", None, True, True, "support")
    [shown] = page.code
    assert len(shown.value) == 17
    assert "二度と表示できません" in page.warning[0].value
    press(page, "users.noted")
    assert not page.code
    assert "二度と表示できません" not in "".join(warning.value for warning in page.warning)


def test_that_a_role_is_missing_is_said_once_however_many_areas_there_are(screen: Screen) -> None:
    page = (
        screen("alice", fleet="admin", reservations="admin", loaners="admin").run().switch_page("core/users.py").run()
    )
    press(page, "users.new")
    field(page, "text_input", "ログインID").set_value("taro")
    field(page, "text_input", "氏名").set_value("太郎")

    press(page, "users.create.submit")

    assert [error.value for error in page.error] == ["役割を1つ以上選んでください。"]
    assert "役割を1つ以上選んでください。" not in texts(page)


def test_what_is_wrong_stands_below_its_field(page: AppTest) -> None:
    press(page, "users.new")
    field(page, "text_input", "ログインID").set_value("TARO")
    field(page, "text_input", "氏名").set_value("太郎")

    press(page, "users.create.submit")
    assert "役割を1つ以上選んでください。" in texts(page)
    assert "無効にする" not in texts(page)  # There is nobody yet whom one could deactivate.
    field(page, "selectbox", "端末管理での役割").select("support")
    press(page, "users.create.submit")
    assert "使えない文字が含まれているか、形式が正しくありません。" in texts(page)
    field(page, "text_input", "ログインID").set_value("taro")
    press(page, "users.create.submit")

    assert "すでに使われています" in texts(page)


def test_a_change_is_stored(page: AppTest, db: Session) -> None:
    opened(page, "taro")
    field(page, "text_input", "氏名").set_value("山田 太郎")
    field(page, "selectbox", "端末管理での役割").select("viewer")

    [submit] = [button for button in page.button if button.key and button.key.endswith(".submit")]
    submit.click().run()

    assert stored(db, "taro") == ("山田 太郎", "taro@example.com", True, False, "viewer")
    assert [toast.value for toast in page.toast] == ["taro さんさんを変更しました。"]


def test_a_conflict_shows_both_sides_and_what_was_typed_can_be_kept(page: AppTest, db: Session, screen: Screen) -> None:
    opened(page, "taro")
    user = db.scalars(select(User).where(User.login_id == "taro")).one()
    user.mail, user.version = "new@example.com", 2
    db.commit()
    field(page, "text_input", "氏名").set_value("後の人")

    next(button for button in page.button if button.key and button.key.endswith(".submit")).click().run()

    assert "違う項目は1件です。" in texts(page)
    assert ":orange-background[後の人]" in texts(page)
    assert ":blue-background[taro さん]" in texts(page)
    assert "new@example.com" in texts(page)
    press(page, "users.conflict.keep")
    assert field(page, "text_input", "氏名").value == "後の人"
    next(button for button in page.button if button.key and button.key.endswith(".submit")).click().run()
    assert stored(db, "taro")[:2] == ("後の人", "new@example.com")


@pytest.mark.usefixtures("codes")
def test_what_an_area_notes_about_its_people_is_typed_beside_the_role(page: AppTest, db: Session) -> None:
    press(page, "users.new")
    field(page, "text_input", "ログインID").set_value("hanako")
    field(page, "text_input", "氏名").set_value("花子")
    field(page, "selectbox", "端末管理での役割").select("support")
    page.text_input(key="users.create.details.fleet.staff_code.0").set_value("A\t1")
    press(page, "users.create.submit")
    assert "使えない文字が含まれているか、形式が正しくありません。" in texts(page)
    field(page, "text_input", "端末管理での担当者コード").set_value(" A1 ")
    press(page, "users.create.submit")
    assert noted(db, "hanako") == {"staff_code": "A1"}
    press(page, "users.noted")

    opened(page, "hanako")
    assert field(page, "text_input", "端末管理での担当者コード").value == "A1"
    field(page, "text_input", "端末管理での担当者コード").set_value("")
    save(page)
    assert noted(db, "hanako") == {}
    assert "担当者コード" not in texts(page)


@pytest.mark.usefixtures("codes")
def test_a_conflict_shows_what_is_noted_on_both_sides(page: AppTest, db: Session) -> None:
    opened(page, "taro")
    user = db.scalars(select(User).where(User.login_id == "taro")).one()
    user.memberships[0].details, user.version = {"staff_code": "B2"}, 2
    db.commit()
    field(page, "text_input", "端末管理での担当者コード").set_value("A1")

    save(page)

    assert "違う項目は1件です。" in texts(page)
    assert "**端末管理での担当者コード**" in texts(page)
    assert ":orange-background[A1]" in texts(page)
    assert ":blue-background[B2]" in texts(page)
    press(page, "users.conflict.keep")
    assert field(page, "text_input", "端末管理での担当者コード").value == "A1"
    save(page)
    assert noted(db, "taro") == {"staff_code": "A1"}


@pytest.mark.usefixtures("codes")
def test_only_what_was_changed_is_sent(page: AppTest, line: Line) -> None:
    sent: list[bytes] = []
    hooks = line.service.event_hooks["request"]
    line.service.event_hooks = {"request": [*hooks, lambda request: sent.append(request.read())]}
    opened(page, "taro")
    field(page, "text_input", "氏名").set_value("山田 太郎")

    save(page)

    assert [json.loads(body) for body in sent if body] == [{"version": 1, "name": "山田 太郎"}]


@pytest.mark.parametrize(("person", "button", "is_active"), [("taro", "deactivate", False), ("jiro", "activate", True)])
def test_a_person_is_deactivated_and_activated_after_being_asked(
    page: AppTest, db: Session, person: str, button: str, is_active: bool
) -> None:
    opened(page, person)
    press(page, f"users.{button}")
    assert stored(db, person).is_active is not is_active

    press(page, f"users.{button}_now.confirm")

    assert stored(db, person).is_active is is_active


def test_the_last_administrator_is_told_why_not(page: AppTest, db: Session) -> None:
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


def test_while_the_service_is_away_the_page_says_so(screen: Screen, line: Line) -> None:
    page = screen("amy", fleet="admin")
    opened_at(page, "users")
    line.cut()

    page.run()

    assert any("最新の状態を取得できません" in warning.value for warning in page.warning)
    assert not page.exception
