"""法人検索 and 法人詳細: found, read, edited, and a card that is shown for a moment with a reason."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from streamlit.testing.v1 import AppTest

from dashboards.agencies import card_dialogs, corporation_edit
from service.agencies.corporations import actions
from service.agencies.corporations.models import Corporation
from service.agencies.corporations.schemas import CorporationChange, NewCorporation
from service.agencies.drafts.models import Draft
from service.core.audit import AuditEntry
from service.core.identity import User
from tests.api.agencies import scene
from tests.api.agencies.scene import Scene
from tests.api.agencies.test_corporations import CARD, COMPANY
from tests.dashboards.conftest import opened_at
from tests.dashboards.pages import press, texts

Opened = Callable[[User], AppTest]
NUMBER = "4111111111111111"


@pytest.fixture
def company(team: Scene, db: Session) -> Corporation:
    new = NewCorporation.model_validate(COMPANY | {"payment_type": "1", "card": CARD})
    made = actions.create(db, team.acting(team.alice), team.a.id, new)
    db.commit()
    return made


def at(opened: Opened, user: User, corporation: Corporation) -> AppTest:
    page = opened_at(opened(user), "corporation", id=str(corporation.id))
    assert not page.exception
    return page


def field(page: AppTest, name: str, kind: str = "text_input") -> Any:
    return getattr(page, kind)(key=f"{form(page)}.{name}")


def form(page: AppTest) -> str:
    """What the keys of the edited corporation's fields begin with."""
    corporation_id = page.session_state[corporation_edit.KEY]["id"]
    return (
        f"{corporation_edit.KEY}.{corporation_id}.{page.session_state[f'drafting.corporation.{corporation_id}'].name}"
    )


def test_the_search_lists_ones_own_corporations(team: Scene, opened: Opened, company: Corporation) -> None:
    page = opened_at(opened(team.alice), "corporations")

    assert not page.exception
    assert "法人検索" in [title.value for title in page.title]
    assert "株式会社ABC" in page.dataframe[0].value.to_string()


def test_who_sees_several_agencies_chooses_one(team: Scene, opened: Opened, company: Corporation) -> None:
    scene.request(team.db, company, team.alice, "working")
    other = scene.corporation(team.db, team.b, "株式会社BBBのお客様")
    scene.request(team.db, other, team.bob, "working")
    team.db.commit()
    page = opened_at(opened(team.olga), "corporations")
    assert {"代理店"} <= {box.label for box in page.selectbox}

    page.selectbox(key="agency_id").set_value(team.b.id)
    page.run()

    assert [row["法人名"] for row in page.dataframe[0].value.to_dict("records")] == ["株式会社BBBのお客様"]
    assert "代理店" not in {box.label for box in opened_at(opened(team.alice), "corporations").selectbox}


def test_a_corporation_is_shown_with_its_card_as_four_digits(team: Scene, opened: Opened, company: Corporation) -> None:
    page = at(opened, team.alice, company)

    said = texts(page)
    assert "株式会社ABC" in said
    assert "123" in said
    assert "**** **** **** 1111".replace("*", "\\*") in said or "1111" in said
    assert NUMBER not in said
    assert not [button for button in page.button if button.key == f"{card_dialogs.KEY}.reveal"]


def test_another_agencys_corporation_is_not_there(team: Scene, opened: Opened, company: Corporation) -> None:
    page = opened_at(opened(team.bob), "corporation", id=str(company.id))

    assert "株式会社ABC" not in texts(page)


def test_an_edit_sends_what_was_changed_and_nothing_else(
    team: Scene, opened: Opened, company: Corporation, db: Session
) -> None:
    page = at(opened, team.alice, company)
    press(page, "agencies.corporation.edit")
    field(page, "city").input("港区").run()
    press(page, f"{corporation_edit.KEY}.save")

    assert not page.exception
    db.refresh(company)
    assert (company.city, company.version) == ("港区", 2)
    assert db.query(AuditEntry).order_by(AuditEntry.id.desc()).first().after == {"city": "港区"}  # type: ignore[union-attr]


def test_complaints_stand_below_their_fields(team: Scene, opened: Opened, company: Corporation) -> None:
    page = at(opened, team.alice, company)
    press(page, "agencies.corporation.edit")
    field(page, "phone1").input("12").run()
    field(page, "last_name_kana").input("漢字").run()
    press(page, f"{corporation_edit.KEY}.save")

    said = texts(page)
    assert "電話番号は0から始まる番号" in said
    assert "全角カタカナで入力してください" in said
    assert field(page, "phone1").value == "12"


def test_what_is_asked_follows_from_the_kind_of_customer(team: Scene, opened: Opened, company: Corporation) -> None:
    page = at(opened, team.alice, company)
    press(page, "agencies.corporation.edit")
    before = {str(one.key).rpartition(".")[2] for one in page.text_input}
    field(page, "customer_type", "radio").set_value("1").run()
    field(page, "payment_type", "radio").set_value("2").run()
    field(page, "billing_address_same", "radio").set_value(False).run()
    after = {str(one.key).rpartition(".")[2] for one in page.text_input}

    assert {"representative_last_name", "corporation_number", "number"} <= before
    assert not {"representative_last_name", "corporation_number", "number"} & after
    assert {"first_name", "billing_customer_name"} <= after - before
    assert "登録済みのカード情報は削除されます" in texts(page)


def test_of_two_tabs_the_later_one_chooses_field_by_field(
    team: Scene, opened: Opened, company: Corporation, db: Session
) -> None:
    page = at(opened, team.alice, company)
    press(page, "agencies.corporation.edit")
    field(page, "city").input("港区").run()
    field(page, "town").input("芝").run()
    other = CorporationChange(version=1, city="新宿区", street="9-9", town="高田馬場")
    actions.change(db, team.acting(team.anna), company.id, other)
    db.commit()

    press(page, f"{corporation_edit.KEY}.save")
    dialog = f"{corporation_edit.KEY}.conflict.2"
    assert "最新の内容: 新宿区" in str(page.radio(key=f"{dialog}.city").options)
    page.radio(key=f"{dialog}.town").set_value("最新の内容").run()
    press(page, f"{dialog}.go_on")

    assert [field(page, name).value for name in ("city", "town", "street")] == ["港区", "高田馬場", "9-9"]
    press(page, f"{corporation_edit.KEY}.save")
    db.refresh(company)
    assert (company.city, company.town, company.street) == ("港区", "高田馬場", "9-9")


def test_the_address_comes_by_a_button_and_not_by_itself(team: Scene, opened: Opened, company: Corporation) -> None:
    page = at(opened, team.alice, company)
    press(page, "agencies.corporation.edit")
    field(page, "zip_code").input("100-0014").run()
    untouched = field(page, "city").value
    press(page, f"{form(page)}.postal.button")

    assert untouched == "渋谷区"
    assert (field(page, "city").value, field(page, "town").value) == ("千代田区", "永田町")
    field(page, "zip_code").input("12").run()
    press(page, f"{form(page)}.postal.button")
    assert "郵便番号を7桁" in texts(page)


def test_a_reading_is_proposed_by_a_button_where_it_is_certain(
    team: Scene, opened: Opened, company: Corporation
) -> None:
    page = at(opened, team.alice, company)
    press(page, "agencies.corporation.edit")
    propose = f"{form(page)}.kana.button"
    field(page, "last_name").input("合同会社さくらABC").run()
    press(page, propose)
    assert "カナはすでに入力されています" in texts(page)

    field(page, "last_name_kana").input("").run()
    press(page, propose)
    assert field(page, "last_name_kana").value == "ゴウドウガイシャサクラエービーシー"

    field(page, "last_name").input("桜商事").run()
    field(page, "last_name_kana").input("").run()
    press(page, propose)
    assert field(page, "last_name_kana").value == ""
    assert "読みを判断できない文字" in texts(page)


def test_an_operator_sees_the_number_with_a_reason_and_only_for_a_while(
    team: Scene, opened: Opened, company: Corporation, db: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = at(opened, team.olga, company)
    press(page, f"{card_dialogs.KEY}.reveal")
    page.text_input(key=f"{card_dialogs.KEY}.why.{company.id}.reason.0").input("キャリア画面への投入")
    press(page, f"{card_dialogs.KEY}.why.{company.id}.submit")

    assert [code.value for code in page.code] == [NUMBER]
    assert db.query(AuditEntry).filter_by(action="reveal").one().after["reason"] == "キャリア画面への投入"  # type: ignore[index]

    monkeypatch.setattr(time, "monotonic", lambda: time.time() * 2)
    page.run()
    assert not page.code
    assert NUMBER not in texts(page)


def test_a_card_is_replaced_and_deleted_from_its_block(
    team: Scene, opened: Opened, company: Corporation, db: Session
) -> None:
    page = at(opened, team.alice, company)
    press(page, f"{card_dialogs.KEY}.replace")
    new = f"{card_dialogs.KEY}.new.{company.id}"
    for name, typed in {
        "number": "5555555555554444",
        "expire_month": "1",
        "expire_year": "31",
        "holder": "A B",
    }.items():
        page.text_input(key=f"{new}.card.{name}.0").input(typed)
    press(page, f"{new}.submit")
    assert "4444" in texts(page)

    press(page, f"{card_dialogs.KEY}.remove")
    page.text_area(key=f"{card_dialogs.KEY}.remove.{company.id}.reason").input("お客様の希望")
    press(page, f"{card_dialogs.KEY}.remove.{company.id}.confirm")
    assert "カード番号が登録されていません" in texts(page)


def test_f5_leads_back_to_the_edit_with_all_that_was_typed(
    team: Scene, opened: Opened, company: Corporation, db: Session
) -> None:
    page = at(opened, team.alice, company)
    press(page, "agencies.corporation.edit")
    field(page, "city").input("港区").run()
    field(page, "town").input("芝").run()
    assert page.query_params["edit"] in ("1", ["1"])

    again = opened_at(opened(team.alice), "corporation", id=str(company.id), edit="1")

    assert "前回の入力の続きです" in texts(again)
    assert [field(again, name).value for name in ("city", "town")] == ["港区", "芝"]
    press(again, f"{corporation_edit.KEY}.save")
    db.refresh(company)
    assert (company.city, company.town, company.version) == ("港区", "芝", 2)
    assert db.scalars(select(Draft)).all() == []
    assert "edit" not in again.query_params


def test_a_card_that_is_typed_into_the_edit_is_in_no_draft(
    team: Scene, opened: Opened, company: Corporation, db: Session
) -> None:
    page = at(opened, team.alice, company)
    press(page, "agencies.corporation.edit")
    field(page, "card.number").input("5555 5555 5555 4444").run()
    field(page, "city").input("港区").run()

    [draft] = db.scalars(select(Draft)).all()
    assert {*draft.values} == {"client_id", "city", "version"}


def test_a_draft_on_an_older_version_is_compared_when_it_is_saved(
    team: Scene, opened: Opened, company: Corporation, db: Session
) -> None:
    page = at(opened, team.alice, company)
    press(page, "agencies.corporation.edit")
    field(page, "city").input("港区").run()
    actions.change(db, team.acting(team.anna), company.id, CorporationChange(version=1, city="新宿区"))
    db.commit()

    again = opened_at(opened(team.alice), "corporation", id=str(company.id), edit="1")
    assert field(again, "city").value == "港区"
    press(again, f"{corporation_edit.KEY}.save")

    assert "最新の内容: 新宿区" in str(again.radio(key=f"{corporation_edit.KEY}.conflict.2.city").options)
    press(again, f"{corporation_edit.KEY}.conflict.2.go_on")
    press(again, f"{corporation_edit.KEY}.save")
    db.refresh(company)
    assert (company.city, company.version) == ("港区", 3)


def test_leaving_an_edit_asks_before_what_was_typed_is_lost(
    team: Scene, opened: Opened, company: Corporation, db: Session
) -> None:
    page = at(opened, team.alice, company)
    press(page, "agencies.corporation.edit")
    press(page, f"{corporation_edit.KEY}.leave")
    assert "法人詳細" in [title.value for title in page.title]

    press(page, "agencies.corporation.edit")
    field(page, "city").input("港区").run()
    press(page, f"{corporation_edit.KEY}.leave")
    assert "法人を編集する" in [title.value for title in page.title]
    press(page, f"drafting.corporation.{company.id}.discard.confirm")

    assert "法人詳細" in [title.value for title in page.title]
    assert db.scalars(select(Draft)).all() == []
    db.refresh(company)
    assert (company.city, company.version) == ("渋谷区", 1)


def test_who_may_not_edit_finds_no_form_at_its_address(team: Scene, opened: Opened, company: Corporation) -> None:
    page = opened_at(opened(team.bob), "corporation", id=str(company.id), edit="1")

    assert not page.exception
    assert "渋谷区" not in texts(page)
    assert not page.text_input


def test_a_corporation_of_another_agency_is_said_once_not_to_be_there(
    team: Scene, opened: Opened, company: Corporation
) -> None:
    page = at(opened, team.bob, company)

    [said] = page.error
    assert "指定された法人は見つかりません" in said.value
    assert "投入依頼" not in [title.value for title in page.subheader]


def test_a_company_is_called_by_one_name(team: Scene, opened: Opened, company: Corporation) -> None:
    said = texts(at(opened, team.alice, company))

    assert "会社名" in said
    assert "契約者名（姓）" not in said
    assert "契約者名（名）" not in said
