"""法人検索 and 法人詳細: a corporation is found, read and edited, and its card number is shown briefly with a
reason."""

from __future__ import annotations

import time
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
from tests.api.agencies import scene
from tests.api.agencies.scene import Scene
from tests.api.agencies.test_corporations import CARD, COMPANY
from tests.dashboards.pages import OpenPage, fill, keys, press, rows, run, texts, titles

NUMBER = "4111111111111111"
EDIT, DIALOGS = corporation_edit.KEY, card_dialogs.KEY


@pytest.fixture
def company(team: Scene, db: Session) -> Corporation:
    new = NewCorporation.model_validate(COMPANY | {"payment_type": "1", "card": CARD})
    corporation = actions.create(db, team.acting(team.alice), team.a.id, new)
    db.commit()
    return corporation


@pytest.fixture
def page(open_page: OpenPage, team: Scene, company: Corporation) -> AppTest:
    opened = open_page(team.alice, "corporation", id=str(company.id))
    assert not opened.exception
    return opened


@pytest.fixture
def edit_page(page: AppTest) -> AppTest:
    press(page, "agencies.corporation.edit")
    return page


def field(page: AppTest, name: str, kind: str = "text_input") -> Any:
    return getattr(page, kind)(key=f"{form(page)}.{name}")


def form(page: AppTest) -> str:
    """The prefix of the keys of the edited corporation's fields."""
    corporation_id = page.session_state[EDIT]["id"]
    return f"{EDIT}.{corporation_id}.{page.session_state[f'drafting.corporation.{corporation_id}'].name}"


def type_in(page: AppTest, **values: str) -> None:
    for name, value in values.items():
        field(page, name).input(value)
    run(page)


def test_the_search_lists_the_agencys_corporations_and_a_user_of_several_agencies_chooses_one(
    team: Scene, open_page: OpenPage, company: Corporation
) -> None:
    scene.request(team.db, company, team.alice, "working")
    other = scene.corporation(team.db, team.b, "株式会社BBBのお客様")
    scene.request(team.db, other, team.bob, "working")
    team.db.commit()

    page = open_page(team.alice, "corporations")
    assert not page.exception
    assert titles(page) == ["法人検索"]
    assert [row["法人名"] for row in rows(page)] == ["株式会社ABC"]
    assert "代理店" not in {box.label for box in page.selectbox}

    page = open_page(team.olga, "corporations")
    page.selectbox(key="agency_id").set_value(team.b.id).run()
    assert [row["法人名"] for row in rows(page)] == ["株式会社BBBのお客様"]


def test_a_corporation_is_shown_by_one_name_with_its_card_as_four_digits(page: AppTest) -> None:
    text = texts(page)

    assert "株式会社ABC" in text
    assert "会社名" in text
    assert "契約者名（姓）" not in text
    assert "契約者名（名）" not in text
    assert "**** **** **** 1111" in text
    assert NUMBER not in text
    assert f"{DIALOGS}.reveal" not in keys(page)


def test_a_corporation_of_another_agency_is_not_found_and_cannot_be_edited(
    team: Scene, open_page: OpenPage, company: Corporation
) -> None:
    page = open_page(team.bob, "corporation", id=str(company.id))
    [error] = page.error
    assert "指定された法人は見つかりません" in error.value
    assert "投入依頼" not in [title.value for title in page.subheader]
    assert "株式会社ABC" not in texts(page)

    page = open_page(team.bob, "corporation", id=str(company.id), edit="1")
    assert not page.exception
    assert "渋谷区" not in texts(page)
    assert not page.text_input


def test_an_edit_sends_only_what_was_changed_once_its_errors_are_corrected(
    edit_page: AppTest, company: Corporation, db: Session
) -> None:
    before = {name: field(edit_page, name).value for name in ("phone1", "last_name_kana")}
    type_in(edit_page, city="港区", phone1="12", last_name_kana="漢字")
    press(edit_page, f"{EDIT}.save")
    assert "電話番号は0から始まる番号" in texts(edit_page)
    assert "全角カタカナで入力してください" in texts(edit_page)
    assert field(edit_page, "phone1").value == "12"

    type_in(edit_page, **before)
    press(edit_page, f"{EDIT}.save")
    db.refresh(company)
    assert (company.city, company.version) == ("港区", 2)
    assert db.scalars(select(AuditEntry).order_by(AuditEntry.id.desc())).first().after == {"city": "港区"}  # type: ignore[union-attr]


def test_the_fields_depend_on_the_kind_of_customer(edit_page: AppTest) -> None:
    before = {str(box.key).rpartition(".")[2] for box in edit_page.text_input}
    field(edit_page, "customer_type", "radio").set_value("1")
    field(edit_page, "payment_type", "radio").set_value("2")
    field(edit_page, "billing_address_same", "radio").set_value(False)
    run(edit_page)
    after = {str(box.key).rpartition(".")[2] for box in edit_page.text_input}

    assert {"representative_last_name", "corporation_number", "number"} <= before
    assert not {"representative_last_name", "corporation_number", "number"} & after
    assert {"first_name", "billing_customer_name"} <= after - before
    assert "登録済みのカード情報は削除されます" in texts(edit_page)


def test_the_address_and_the_kana_come_by_a_button_where_they_are_certain_and_not_by_themselves(
    edit_page: AppTest,
) -> None:
    type_in(edit_page, zip_code="100-0014", last_name="合同会社さくらABC")
    assert field(edit_page, "city").value == "渋谷区"
    press(edit_page, f"{form(edit_page)}.postal.button")
    assert (field(edit_page, "city").value, field(edit_page, "town").value) == ("千代田区", "永田町")
    assert not [choice for choice in edit_page.selectbox if "住所の候補" in choice.label]
    field(edit_page, "zip_code").input("12")
    press(edit_page, f"{form(edit_page)}.postal.button")
    assert "郵便番号を7桁" in texts(edit_page)

    propose = f"{form(edit_page)}.kana.button"
    press(edit_page, propose)
    assert "カナはすでに入力されています" in texts(edit_page)
    field(edit_page, "last_name_kana").input("")
    press(edit_page, propose)
    assert field(edit_page, "last_name_kana").value == "ゴウドウガイシャサクラエービーシー"
    field(edit_page, "last_name").input("桜商事")
    field(edit_page, "last_name_kana").input("")
    press(edit_page, propose)
    assert field(edit_page, "last_name_kana").value == ""
    assert "読みを判断できない文字" in texts(edit_page)


def test_an_operator_sees_the_card_number_with_a_reason_and_only_for_a_short_time(
    team: Scene, open_page: OpenPage, company: Corporation, db: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = open_page(team.olga, "corporation", id=str(company.id))
    press(page, f"{DIALOGS}.reveal")
    fill(page, f"{DIALOGS}.why.{company.id}", reason="キャリア画面への投入")
    press(page, f"{DIALOGS}.why.{company.id}.submit")

    assert [code.value for code in page.code] == [NUMBER]
    assert db.query(AuditEntry).filter_by(action="reveal").one().after["reason"] == "キャリア画面への投入"  # type: ignore[index]

    monkeypatch.setattr(time, "monotonic", lambda: time.time() * 2)
    page.run()
    assert not page.code
    assert NUMBER not in texts(page)


def test_a_card_is_replaced_and_deleted_from_its_block(page: AppTest, company: Corporation) -> None:
    press(page, f"{DIALOGS}.replace")
    new = f"{DIALOGS}.new.{company.id}"
    fill(page, f"{new}.card", number="5555555555554444", expire_month="1", expire_year="31", holder="A B")
    press(page, f"{new}.submit")
    assert "4444" in texts(page)

    press(page, f"{DIALOGS}.remove")
    page.text_area(key=f"{DIALOGS}.remove.{company.id}.reason").input("お客様の希望")
    press(page, f"{DIALOGS}.remove.{company.id}.confirm")
    assert "カード番号が登録されていません" in texts(page)


def test_f5_leads_back_to_the_edit_and_what_others_changed_meanwhile_is_chosen_field_by_field(
    team: Scene, open_page: OpenPage, edit_page: AppTest, company: Corporation, db: Session
) -> None:
    field(edit_page, "card.number").input("5555 5555 5555 4444")
    type_in(edit_page, city="港区", town="芝")
    assert edit_page.query_params["edit"] in ("1", ["1"])
    [draft] = db.scalars(select(Draft)).all()
    assert {*draft.values} == {"client_id", "city", "town", "version"}  # without the card's number
    other = CorporationChange.model_validate({"version": 1, "city": "新宿区", "street": "9-9", "town": "高田馬場"})
    actions.CORPORATIONS.change(db, team.acting(team.anna), company.id, other)
    db.commit()

    reloaded = open_page(team.alice, "corporation", id=str(company.id), edit="1")
    assert "前回の入力の続きです" in texts(reloaded)
    assert [field(reloaded, name).value for name in ("city", "town")] == ["港区", "芝"]
    press(reloaded, f"{EDIT}.save")
    assert "最新の内容: 新宿区" in str(reloaded.radio(key=f"{EDIT}.conflict.2.city").options)
    reloaded.radio(key=f"{EDIT}.conflict.2.town").set_value("最新の内容")
    press(reloaded, f"{EDIT}.conflict.2.go_on")

    assert [field(reloaded, name).value for name in ("city", "town", "street")] == ["港区", "高田馬場", "9-9"]
    press(reloaded, f"{EDIT}.save")
    db.refresh(company)
    assert (company.city, company.town, company.street, company.version) == ("港区", "高田馬場", "9-9", 3)
    assert db.scalars(select(Draft)).all() == []
    assert "edit" not in reloaded.query_params


def test_leaving_an_edit_asks_before_what_was_typed_is_lost(
    edit_page: AppTest, company: Corporation, db: Session
) -> None:
    press(edit_page, f"{EDIT}.leave")
    assert titles(edit_page) == ["法人詳細"]

    press(edit_page, "agencies.corporation.edit")
    type_in(edit_page, city="港区")
    press(edit_page, f"{EDIT}.leave")
    assert "法人を編集する" in titles(edit_page)
    press(edit_page, f"drafting.corporation.{company.id}.discard.confirm")

    assert titles(edit_page) == ["法人詳細"]
    assert db.scalars(select(Draft)).all() == []
    db.refresh(company)
    assert (company.city, company.version) == ("渋谷区", 1)
