"""保護者 and 園児: what a record lacks, a record from its registration to the archive, and cards."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from streamlit.testing.v1 import AppTest

from service.core.outbox.records import OutboxMessage
from service.entries.models import Card, Child, Guardianship, Nursery, Parent
from tests.dashboards.conftest import open_address
from tests.dashboards.pages import cells, press, rows, texts

Screen = Callable[..., AppTest]
PARENTS, CHILDREN = "entries.parents_list", "entries.children_list"


def open_drawer(page: AppTest, table: str, name: str) -> None:
    items = page.session_state[f"live.{table}"].data["items"]
    page.session_state[f"{table}.clicked"] = ("詳細", next(item for item in items if item["name"] == name))
    page.run()
    assert not page.exception


@pytest.fixture
def page(nursery_screen: Screen, sakura: Nursery) -> AppTest:
    return open_address(nursery_screen("nursery_admin", sakura), "parents")


def test_the_first_line_says_who_has_no_card_yet(page: AppTest) -> None:
    assert "登録されている保護者は2人です。まだ誰にも保護者カードを発行していません。" in texts(page)
    assert {(row["保護者名"], row["保護者ID"], row["園児"]) for row in rows(page)} == {
        ("山田花子", "123456", "山田太郎、山田次郎"),
        ("佐藤太郎", "1", "佐藤次郎"),
    }


def test_a_parent_is_found_by_the_number_that_a_station_shows(page: AppTest) -> None:
    page.text_input(key="q").input("123456").run()
    assert cells(page, "保護者名") == ["山田花子"]


def test_conditions_find_by_class_and_card(page: AppTest) -> None:
    page.selectbox(key="class_name").select("うさぎ組").run()
    assert cells(page, "保護者名") == ["佐藤太郎"]
    page.selectbox(key="card").select("issued").run()
    assert "条件に合うものはありません" in texts(page)


def test_a_card_is_issued_shown_mailed_and_revoked_in_the_drawer(page: AppTest, db: Session) -> None:
    db.get_one(Parent, 123456).mail = "hanako@example.com"
    db.commit()
    open_drawer(page, PARENTS, "山田花子")
    assert "まだ発行されていません。" in texts(page)

    press(page, "card.issue")
    assert any("/parent-card#" in code.value for code in page.code)
    assert any("/download/api/entries/cards/sheet.pdf?parent_ids=123456" in element.value for element in page.html)

    press(page, "card.mail")
    assert "hanako@example.com" in texts(page)
    press(page, "card.mail.123456.confirm")
    assert db.scalars(select(OutboxMessage.recipient).where(OutboxMessage.area == "entries")).all() == [
        "hanako@example.com"
    ]

    open_drawer(page, PARENTS, "山田花子")
    press(page, "card.revoke")
    press(page, "card.revoke.123456.confirm")
    db.expire_all()
    assert [card.revoked_at is not None for card in db.scalars(select(Card))] == [True]


def test_cards_of_a_class_are_prepared_for_print(page: AppTest, db: Session) -> None:
    press(page, "parents.cards")
    page.radio(key="cards.how").set_value("組を選ぶ").run()
    page.selectbox(key="cards.class").select("うさぎ組").run()
    press(page, "cards.print")

    assert "うさぎ組の園児の保護者のカード1枚を用意しました。うち1人には、新しくリンクを発行しました。" in texts(page)
    assert any("class_name=" in element.value and "sheet.pdf" in element.value for element in page.html)
    assert db.scalars(select(Card.parent_id)).all() == [1]

    press(page, "cards.mail")
    press(page, "cards.mail_now.confirm")
    assert "メールアドレスが登録されていません" in texts(page)


def test_cards_are_of_the_class_that_was_chosen_right_before_the_press(page: AppTest, db: Session) -> None:
    db.get_one(Parent, 123456).mail = "hanako@example.com"
    db.commit()
    press(page, "parents.cards")
    page.radio(key="cards.how").set_value("組を選ぶ").run()
    page.selectbox(key="cards.class").select("きりん組").run()
    page.selectbox(key="cards.class").select("うさぎ組")
    press(page, "cards.print")
    assert "うさぎ組の園児の保護者のカード1枚を用意しました。" in texts(page)
    assert db.scalars(select(Card.parent_id)).all() == [1]

    page.selectbox(key="cards.class").select("きりん組")
    press(page, "cards.mail")
    press(page, "cards.mail_now.confirm")
    assert db.scalars(select(OutboxMessage.recipient)).all() == ["hanako@example.com"]


def test_a_parent_is_registered_with_a_child(page: AppTest, db: Session, sakura: Nursery) -> None:
    child = db.scalars(select(Child).where(Child.name == "山田太郎")).one()
    press(page, "parents.new")
    key = f"parent.new.{sakura.id}"
    page.text_input(key=f"{key}.name.0").input("山田一郎")
    page.text_input(key=f"{key}.relation.0").input("父")
    page.multiselect(key=f"{key}.children.0").set_value([child.id])
    press(page, f"{key}.submit")

    parent = db.scalars(select(Parent).where(Parent.name == "山田一郎")).one()
    [guardianship] = db.scalars(select(Guardianship).where(Guardianship.parent_id == parent.id))
    assert (parent.nursery_id, guardianship.child_id, guardianship.relation) == (sakura.id, child.id, "父")


def test_a_stale_edit_shows_both_sides_children_included(page: AppTest, db: Session) -> None:
    parent = db.get_one(Parent, 123456)
    open_drawer(page, PARENTS, "山田花子")
    press(page, "parent.edit")
    parent.phone_number, parent.version = "090-0000-0001", parent.version + 1
    db.commit()
    key = f"parent.edit.{parent.id}.{parent.version - 1}.False"
    page.text_input(key=f"{key}.phone_number.0").input("090-0000-0002")
    press(page, f"{key}.submit")
    assert ":orange-background[090-0000-0002]" in texts(page)
    assert ":blue-background[090-0000-0001]" in texts(page)
    assert "山田太郎（きりん組）" in texts(page)

    press(page, "parent.conflict.keep")
    press(page, f"parent.edit.{parent.id}.{parent.version}.True.submit")
    db.expire_all()
    assert db.get_one(Parent, 123456).phone_number == "090-0000-0002"
    assert len(db.scalars(select(Guardianship).where(Guardianship.parent_id == 123456)).all()) == 2


def test_a_parent_is_archived_and_comes_back(page: AppTest, db: Session) -> None:
    open_drawer(page, PARENTS, "佐藤太郎")
    press(page, "parent.archive")
    press(page, "parent.archive.1.confirm")
    db.expire_all()
    assert db.get_one(Parent, 1).archived_at is not None

    page.selectbox(key="archived").select("true").run()
    open_drawer(page, PARENTS, "佐藤太郎")
    press(page, "parent.restore")
    press(page, "parent.restore.1.confirm")
    db.expire_all()
    assert db.get_one(Parent, 1).archived_at is None


def test_staff_read_and_change_nothing(nursery_screen: Screen, sakura: Nursery) -> None:
    page = open_address(nursery_screen("staff", sakura), "parents")
    open_drawer(page, PARENTS, "山田花子")
    forbidden = {"parents.new", "parents.cards", "parent.edit", "parent.archive", "card.issue"}
    assert not {button.key for button in page.button} & forbidden
    assert "まだ発行されていません。" in texts(page)


def test_children_by_class_and_one_without_a_parent(nursery_screen: Screen, db: Session, sakura: Nursery) -> None:
    db.add(Child(nursery_id=sakura.id, name="新井葵", class_name="うさぎ組"))
    db.commit()
    page = open_address(nursery_screen("nursery_admin", sakura), "children")
    assert (
        "登録されている園児は4人（うさぎ組 2人、きりん組 2人）です。**1人**には、保護者が登録されていません。"
        in texts(page)
    )

    open_drawer(page, CHILDREN, "新井葵")
    assert "送り迎えをする保護者が、まだ登録されていません。" in texts(page)
    press(page, "child.edit")
    child = db.scalars(select(Child).where(Child.name == "新井葵")).one()
    page.text_input(key=f"child.edit.{child.id}.1.False.class_name.0").input("きりん組")
    press(page, f"child.edit.{child.id}.1.False.submit")
    db.expire_all()
    assert db.get_one(Child, child.id).class_name == "きりん組"


def test_a_child_is_registered_archived_and_comes_back(nursery_screen: Screen, db: Session, sakura: Nursery) -> None:
    page = open_address(nursery_screen("nursery_admin", sakura), "children")
    press(page, "children.new")
    page.text_input(key=f"child.new.{sakura.id}.name.0").input("新井葵")
    press(page, f"child.new.{sakura.id}.submit")
    child = db.scalars(select(Child).where(Child.name == "新井葵")).one()

    open_drawer(page, CHILDREN, "新井葵")
    press(page, "child.archive")
    press(page, f"child.archive.{child.id}.confirm")
    db.expire_all()
    assert db.get_one(Child, child.id).archived_at is not None
    page.selectbox(key="archived").select("true").run()
    open_drawer(page, CHILDREN, "新井葵")
    press(page, "child.restore")
    press(page, f"child.restore.{child.id}.confirm")
    db.expire_all()
    assert db.get_one(Child, child.id).archived_at is None


@pytest.mark.parametrize("address", ["parents", "children"])
def test_an_empty_nursery_shows_what_to_do_first(nursery_screen: Screen, db: Session, address: str) -> None:
    nursery = Nursery(name="つくし保育園", code="TKS789")
    db.add(nursery)
    db.commit()
    page = open_address(nursery_screen("nursery_admin", nursery), address)
    assert "登録されていません" in texts(page)
    assert not page.exception


def test_from_a_child_its_own_nurserys_sheet_is_opened(
    nursery_screen: Screen, db: Session, sakura: Nursery, himawari: Nursery
) -> None:
    db.add(Child(nursery_id=himawari.id, name="松本律", class_name="たんぽぽ組"))
    db.commit()
    page = open_address(nursery_screen("admin"), "children")
    open_drawer(page, CHILDREN, "松本律")
    url = f"/attendance?{urlencode({'nursery_id': himawari.name})}"
    assert any(f'href="{url}"' in element.value for element in page.html)
