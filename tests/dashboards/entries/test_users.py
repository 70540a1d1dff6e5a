"""ユーザー管理 where roles are bound to a nursery, which is chosen and shown by its name."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import select
from sqlalchemy.orm import Session
from streamlit.testing.v1 import AppTest

from service.core.access.identity import Membership, User
from service.core.access.memberships import set_suspended
from service.entries.models import Nursery
from tests import people
from tests.dashboards.conftest import open_address
from tests.dashboards.pages import press, rows, texts

Screen = Callable[..., AppTest]


def roles_of(page: AppTest, login_id: str) -> object:
    return {row["ログインID"]: row["業務と役割"] for row in rows(page)}[login_id]


def test_a_nursery_is_chosen_and_shown_by_name_in_list_drawer_and_audit_log(
    nursery_screen: Screen, db: Session, sakura: Nursery, himawari: Nursery
) -> None:
    page = open_address(nursery_screen("admin"), "users")
    press(page, "users.new")
    page.text_input(key="users.create.login_id.0").input("hana")
    page.text_input(key="users.create.name.0").input("桜井 花")
    page.selectbox(key="users.create.role.entries.0").select("staff")
    tenant = page.selectbox(key="users.create.tenant_id.entries.0")
    assert tenant.options == ["さくら保育園", "ひまわり保育園"]
    assert tenant.label == "入退管理での所属先（保育園）"
    press(page, "users.create.submit")
    assert "この役割には所属先（代理店・園）を指定してください。" in texts(page)

    page.selectbox(key="users.create.tenant_id.entries.0").select(sakura.id)
    press(page, "users.create.submit")
    statement = select(Membership.tenant_id).join(User).where(User.login_id == "hana")
    assert db.scalars(statement).one() == sakura.id
    page.button(key="users.noted").click().run()
    items = page.session_state["live.core.users"].data["items"]
    [row] = [row for row in items if row["login_id"] == "hana"]
    assert roles_of(page, "hana") == "入退管理・園職員（さくら保育園）"

    page.session_state["core.users.clicked"] = ("詳細", row)
    page.run()
    key = f"users.edit.{row['id']}.{row['version']}.False.tenant_id.entries.0"
    assert page.selectbox(key=key).value == sakura.id

    entries = open_address(page, "audit").session_state["live.core.audit"].data["items"]
    memberships = [
        change["after"] for entry in entries for change in entry["changes"] if change["field"] == "memberships"
    ]
    assert memberships == ["入退管理の園職員（所属先 さくら保育園）"]


def test_an_archived_nursery_is_offered_to_no_new_user(
    nursery_screen: Screen, db: Session, sakura: Nursery, himawari: Nursery
) -> None:
    himawari.archived_at = himawari.created_at
    db.commit()
    page = open_address(nursery_screen("admin"), "users")
    press(page, "users.new")
    assert page.selectbox(key="users.create.tenant_id.entries.0").options == ["さくら保育園"]


def test_a_user_of_an_archived_nursery_is_marked_and_may_be_changed(
    nursery_screen: Screen, db: Session, sakura: Nursery
) -> None:
    hana = people.create_user(db, "hana", entries="staff")
    hana.memberships[0].tenant_id = sakura.id
    sakura.archived_at = sakura.created_at
    db.flush()
    set_suspended(db, "entries", sakura.id, True)
    db.commit()
    page = open_address(nursery_screen("admin"), "users")
    assert roles_of(page, "hana") == "入退管理・園職員（さくら保育園）（所属先が無効）"

    [row] = [row for row in page.session_state["live.core.users"].data["items"] if row["login_id"] == "hana"]
    page.session_state["core.users.clicked"] = ("詳細", row)
    page.run()
    key = f"users.edit.{row['id']}.{row['version']}.False"
    assert page.selectbox(key=f"{key}.tenant_id.entries.0").options == ["さくら保育園（所属先が無効）"]
    db.refresh(hana)
    hana.mail, hana.version = "hana@example.com", 2
    db.commit()
    page.selectbox(key=f"{key}.role.entries.0").select("nursery_admin")
    press(page, f"{key}.submit")
    assert "違う項目は1件です。" in texts(page)
    assert "園管理者（さくら保育園）（所属先が無効）" in texts(page)
