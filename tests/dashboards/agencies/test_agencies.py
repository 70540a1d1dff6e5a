"""代理店管理 (3.5) and マスタ管理: the document's columns and fields, and what happens when a button is pressed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from streamlit.testing.v1 import AppTest

from dashboards.agencies.records import PPS_HELP
from service.agencies.masters.models import CarrierField, Choice, Option
from service.agencies.models import Agency
from service.core.access.identity import open_session
from service.core.database.clock import app_now
from service.demo import fill as fill_demo
from tests.api.agencies import scene
from tests.dashboards.conftest import open_address
from tests.dashboards.pages import Screen, choose_part, click_row_action, fill, keys, press, rows, texts, toasts

TABLE = "agencies.agencies"


@pytest.fixture
def aaa(db: Session) -> Agency:
    agency = scene.agency(
        db, "株式会社AAA代理店", "AAA", contact_name="佐藤 一郎", referral_shop_code="SHP0001", phone="03-1234-5678"
    )
    alice = scene.sales(db, "alice", agency)
    open_session(db, alice, "testclient", timedelta(hours=1))
    db.commit()
    return agency


@pytest.fixture
def page(screen: Screen, aaa: Agency) -> AppTest:
    return open_address(screen("adam", agencies="admin"), "agencies")


@pytest.fixture
def masters(screen: Screen) -> AppTest:
    return open_address(screen("adam", agencies="admin"), "agencies-masters")


def choices(masters: AppTest, name: str) -> AppTest:
    """The page with the choices of one list."""
    masters.selectbox(key="list").select(name).run()
    assert not masters.exception
    return masters


def labels(page: AppTest) -> list[str]:
    return [field.label for field in page.text_input if field.label not in ("キーワード", "表示の番号")]


def test_the_list_has_the_documents_columns_and_the_drawer_every_field_of_the_agency(page: AppTest) -> None:
    [row] = rows(page)
    assert [*row][:5] == ["代理店名", "代理店コード", "担当者名", "所属営業担当数", "ステータス"]
    assert [*row.values()][:4] == ["株式会社AAA代理店", "AAA", "佐藤 一郎", 1]
    assert row["ステータス"] == ["有効"]
    assert "有効な代理店は1件です。営業担当者と紹介店コードは、すべて登録されています。" in texts(page)

    click_row_action(page, TABLE, "詳細")
    for label in ("SHP0001", "03-1234-5678", "佐藤 一郎", "1人", "紹介店名", "作成日時", "更新日時", "代理店ID"):
        assert label in texts(page), label


def test_what_an_agency_lacks_is_said_first(screen: Screen, db: Session, aaa: Agency) -> None:
    scene.agency(db, "個人 田中代理店", "TANAKA")
    scene.agency(db, "旧代理店", "OLD", archived_at=app_now(db))
    db.commit()

    page = open_address(screen("adam", agencies="admin"), "agencies")

    assert "営業担当者がいない代理店が**1件**、紹介店コードが未登録の代理店が**1件**あります。" in texts(page)
    assert "ほかに無効の代理店が1件あります。" in texts(page)


def test_an_agency_is_registered_and_its_complaints_stand_at_their_fields(page: AppTest, db: Session) -> None:
    new = "agencies.agency.new"
    press(page, "agencies.agency.add")
    assert labels(page) == [
        "代理店名 :red-badge[必須]",
        "代理店コード :red-badge[必須]",
        "担当者名（任意）",
        "電話番号（任意）",
        "メールアドレス（任意）",
        "紹介店コード（任意）",
        "紹介店名（任意）",
    ]
    press(page, f"{new}.submit")
    assert texts(page).count("入力してください。") >= 2

    fill(page, new, name="株式会社BBB代理店", code="AAA", mail_address="sato")
    press(page, f"{new}.submit")
    assert "メールアドレスを、半角の英数字と @ で入力してください（例: hanako@example.jp）。" in texts(page)

    fill(page, new, mail_address="sato@example.com")
    press(page, f"{new}.submit")
    assert "代理店コード「AAA」はすでに登録されています。" in texts(page)

    fill(page, new, code="BBB")
    press(page, f"{new}.submit")
    agency = db.scalars(select(Agency).where(Agency.code == "BBB")).one()
    assert (agency.name, agency.mail_address) == ("株式会社BBB代理店", "sato@example.com")
    text = "代理店「株式会社BBB代理店」を登録しました。営業担当者は「ユーザー管理」で登録してください。"
    assert toasts(page) == [text]


def test_an_agency_is_edited_and_who_comes_too_late_sees_both_sides(page: AppTest, db: Session, aaa: Agency) -> None:
    click_row_action(page, TABLE, "編集")
    aaa.contact_name, aaa.version = "鈴木 二郎", 2
    db.commit()
    key = f"agencies.agency.edit.{aaa.id}.1.False"
    fill(page, key, contact_name="高橋 三郎")
    press(page, f"{key}.submit")

    assert "開いたあとにほかの人が変更しました" in texts(page)
    assert "鈴木 二郎" in texts(page)
    press(page, "agencies.agency.conflict.keep")
    press(page, f"agencies.agency.edit.{aaa.id}.2.True.submit")
    db.expire_all()
    assert (aaa.contact_name, aaa.version) == ("高橋 三郎", 3)


def test_an_agency_is_deactivated_once_the_consequence_was_named_and_brought_back(
    page: AppTest, db: Session, aaa: Agency
) -> None:
    click_row_action(page, TABLE, "無効化")
    assert "所属する営業担当者1人は、すぐにログアウトされ、ログインできなくなります。" in texts(page)
    assert "提出済みの投入依頼と獲得案件はそのまま残り" in texts(page)
    db.expire_all()
    assert aaa.archived_at is None

    press(page, f"agencies.agency.deactivate.{aaa.id}.confirm")
    assert toasts(page) == ["代理店「株式会社AAA代理店」を無効にしました。ログイン中だった1件を終了しました。"]
    assert [row["ステータス"] for row in rows(page)] == [["無効"]]
    for label in ("編集", "無効化"):
        click_row_action(page, TABLE, label)
        assert f"agencies.agency.activate.{aaa.id}.confirm" in keys(page)
    press(page, f"agencies.agency.activate.{aaa.id}.confirm")
    assert toasts(page) == ["代理店「株式会社AAA代理店」を有効に戻しました。"]
    db.expire_all()
    assert aaa.archived_at is None


def test_the_demos_agencies_are_the_documents_with_their_users(screen: Screen, db: Session) -> None:
    fill_demo(db, ["agencies"])
    db.commit()

    page = open_address(screen("adam", agencies="admin"), "agencies")

    columns = ("代理店名", "代理店コード", "所属営業担当数", "ステータス")
    assert {tuple(str(row[name]) for name in columns) for row in rows(page)} == {
        ("株式会社AAA代理店", "AAA", "2", "['有効']"),
        ("株式会社BBB代理店", "BBB", "1", "['有効']"),
        ("個人 田中代理店", "TANAKA", "1", "['有効']"),
    }


def test_the_masters_say_what_they_hold_and_which_values_are_examples(masters: AppTest) -> None:
    assert "選択肢は16種類" in texts(masters)
    assert "オプションサービスは11件です。" in texts(masters)
    assert "「例」の値があります" in texts(masters)
    assert [*rows(masters)[0]][:5] == ["名称", "選択肢の種類", "コード", "例", "表示順"]
    choose_part(masters, "オプションサービス")
    first = rows(masters)[0]
    assert [*first][:4] == ["オプション名", "コード", "料金", "サポートパック"]
    assert [*first.values()][:3] == ["トラブル解決レスキューforBiz_年額", "OPT001002", "5,500円/年(税込)"]
    choose_part(masters, "元フィールド")
    assert rows(masters)[0]["元フィールド"] == "referral_shop_code"


def name_of(page: AppTest) -> Any:
    return next(field for field in page.text_input if field.label.startswith("名称"))


def test_a_choice_is_added_to_the_list_that_is_open_and_made_inactive(masters: AppTest, db: Session) -> None:
    page = choices(masters, "job_type")
    assert {row["選択肢の種類"] for row in rows(page)} == {"業種"}

    press(page, "agencies.masters.new")
    assert name_of(page).help == ""
    fill(page, "agencies.choice.new.job_type", code="12", name="医療")
    press(page, "agencies.choice.new.job_type.submit")
    choice = db.scalars(select(Choice).where(Choice.list == "job_type", Choice.code == "12")).one()
    assert (choice.name, choice.position) == ("医療", 12)
    assert toasts(page) == ["業種に「医療」を追加しました。"]
    _, cached = page.session_state["cached_answer.agencies.masters"]  # what the forms offer
    assert "12" in [item["code"] for item in cached["choices"]["job_type"]]

    click_row_action(page, "agencies.masters.choices", "詳細", 11)
    press(page, "agencies.choice.archive")
    assert "すでに選ばれている依頼・法人・地点の表示は変わりません。" in texts(page)
    press(page, f"agencies.choice.archive.{choice.id}.confirm")
    db.expire_all()
    assert choice.archived_at is not None


def test_an_example_is_confirmed_by_removing_its_mark_and_a_fixed_list_stays_as_it_is(
    masters: AppTest, db: Session
) -> None:
    page = choices(masters, "pps")
    choice = db.scalars(select(Choice).where(Choice.list == "pps").order_by(Choice.position).limit(1)).one()
    click_row_action(page, "agencies.masters.choices", "詳細")
    press(page, "agencies.choice.edit")
    key = f"agencies.choice.edit.{choice.id}.1.False"
    assert name_of(page).help == PPS_HELP
    fill(page, key, is_example=False)
    press(page, f"{key}.submit")
    db.expire_all()
    assert (choice.is_example, choice.version) == (False, 2)

    choices(page, "customer_type")
    click_row_action(page, "agencies.masters.choices", "詳細")
    assert "名称と表示順は変更できますが、追加・無効化はできません。" in texts(page)
    assert "agencies.choice.archive" not in keys(page)


def test_an_option_and_a_carrier_field_are_added(masters: AppTest, db: Session) -> None:
    page = masters
    choose_part(page, "オプションサービス")
    press(page, "agencies.masters.new")
    fill(page, "agencies.option.new", code="OPT099999", name="新しいオプション", price="100円/月(税込)")
    press(page, "agencies.option.new.submit")
    assert db.scalars(select(Option.price).where(Option.code == "OPT099999")).one() == "100円/月(税込)"

    choose_part(page, "元フィールド")
    press(page, "agencies.masters.new")
    new = "agencies.carrier_field.new"
    # Fields with and without a 元フィールド.
    assert {"地点：使用場所番地", "地点：電力供給エリア"} <= {*page.selectbox(key=f"{new}.field.0").options}
    values = {"part": "second", "page": "5page", "carrier_field": "power_street_number_2"}
    fill(page, new, field=("site", "power_street"), **values)
    press(page, f"{new}.submit")
    carrier_field = db.scalars(select(CarrierField).where(CarrierField.carrier_field == "power_street_number_2")).one()
    assert (carrier_field.record, carrier_field.field, carrier_field.part) == ("site", "power_street", "second")
