"""案件詳細・明細入力: the form next to the statements, from the first site to 投入済, and two users at one site."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from streamlit.testing.v1 import AppTest

from dashboards.agencies import case_talk
from dashboards.ui import conflict, times
from service.agencies.drafts.models import Draft
from service.agencies.models import Request, Site
from service.agencies.requests.models import Comment, Image
from service.agencies.rules import Status
from tests.api.agencies import scene
from tests.api.agencies.scene import Scene
from tests.dashboards.conftest import Network
from tests.dashboards.pages import OpenPage, html, keys, press, rows, run, text_of, texts, widget

CASES = "/api/agencies/cases"


@pytest.fixture
def case(team: Scene) -> Request:
    request = scene.request(team.db, scene.corporation(team.db, team.a, "株式会社ABC"), team.alice, site_count=2)
    for _ in range(2):
        scene.image(team.db, request, team.alice)
    team.db.commit()
    return request


@pytest.fixture
def page(open_page: OpenPage, team: Scene, case: Request) -> AppTest:
    opened = open_page(team.olga, "case", id=str(case.id))
    assert not opened.exception
    return opened


def key_of(page: AppTest, field: str) -> str:
    """The current key of a field of the site, or of a text of the case."""
    drawn_keys = (str(element.key) for element in page._tree if getattr(element, "key", None))
    return next(key for key in drawn_keys if key.startswith("case.") and key.endswith(field))


def type_in(page: AppTest, **values: Any) -> None:
    for field, value in values.items():
        widget(page, key_of(page, f".{field}")).set_value(value)
    run(page)


def add_site(page: AppTest) -> None:
    press(page, "case.add")
    press(page, "case.add.confirm")


def site_of(db: Session, case: Request) -> Site:
    db.expire_all()
    return db.scalars(select(Site).where(Site.request_id == case.id).order_by(Site.id.desc())).first() or Site()


NUMBER = "power_customer_location_number"
FILLED = {
    "pps_business_number": "E01",
    "application_type": "1",
    "power_area": "03",
    "power_supplier_type": "03",
    "power_customer_number": "123456",
    "power_customer_location_number": "0300001111222233334444",
    "power_zip_code": "1500002",
    "power_prefecture": "東京都",
    "power_city": "渋谷区",
    "power_street": "1-2-3",
    "power_customer_name": "株式会社ABC",
    "power_customer_name_kana": "エービーシー",
    "power_plan_name": "従量電灯C",
}


def test_a_case_shows_what_is_entered_that_it_has_no_owner_and_who_else_has_it_open(
    page: AppTest, case: Request, team: Scene, open_page: OpenPage
) -> None:
    text = texts(page)
    assert "株式会社ABC" in text
    assert "**0/2** が投入済です。担当者は未定です。" in text
    assert "地点はまだありません" in text
    assert "明細は郵送します。" in text  # 営業担当者の備考
    assert "株式会社AAA代理店" in text

    other_page = open_page(team.adam, "case", id=str(case.id))
    assert "olga さんさんもこの案件を開いています" in texts(other_page)


def test_a_page_of_an_older_version_offers_to_load_the_newest(
    page: AppTest, team: Scene, case: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "case.reload" not in keys(page)
    viewers = case_talk.viewers
    # The block polls every half minute, the page does not: it was drawn with the version before.
    monkeypatch.setattr(case_talk, "viewers", lambda path, version: viewers(path, version - 1))
    run(page)
    assert "ほかの人がこの案件を更新しました" in texts(page)
    monkeypatch.undo()
    press(page, "case.reload")
    assert "ほかの人がこの案件を更新しました" not in texts(page)


def field_errors(page: AppTest) -> list[str]:
    start = ":red[:material/error: "
    return [
        element.value.removeprefix(start).rstrip("]") for element in page.markdown if element.value.startswith(start)
    ]


def missing_fields_error(page: AppTest) -> str:
    [message] = [error.value for error in page.error if "投入済にできません" in error.value]
    return str(message)


def test_a_site_is_added_filled_in_and_entered_after_one_question(page: AppTest, case: Request, db: Session) -> None:
    add_site(page)
    assert [image.site_id for image in db.scalars(select(Image).order_by(Image.id))] == [site_of(db, case).id, None]
    prefix = f"case.site.{site_of(db, case).id}"

    press(page, f"{prefix}.enter")
    assert "投入済にできません。次の項目が入力されていません: PPS番号、申込区分" in texts(page)
    assert {"入力してください。", "選んでください。"} <= {*field_errors(page)}
    error_count = len(field_errors(page))
    type_in(page, power_customer_location_number="03-0000-1111-2222-3333-4444")
    # A field that is filled in has no error any more.
    assert len(field_errors(page)) == error_count - 1
    assert "供給地点特定番号" not in missing_fields_error(page)

    type_in(page, **FILLED)
    press(page, f"{prefix}.enter")

    # The site is saved, and the user has to confirm.
    assert site_of(db, case).power_plan_name == "従量電灯C"
    assert "キャリア管理画面への投入が終わった地点だけ" in texts(page)
    # The request declares two sites: with this one it would be done.
    assert "申告は2地点ですが、登録した地点は1地点だけです" in texts(page)
    press(page, f"{prefix}.entered.confirm")
    assert site_of(db, case).status == "entered"
    assert "**1/2** が投入済です" in texts(page)
    assert "残りの地点は「＋地点を追加」で続けて入力できます" in texts(page)
    assert db.scalars(select(Draft)).all() == []


def test_what_is_typed_stays_on_the_page_while_the_service_is_away(
    page: AppTest, case: Request, db: Session, network: Network
) -> None:
    add_site(page)
    prefix = f"case.site.{site_of(db, case).id}"
    network.cut()
    type_in(page, power_branch_name="渋谷店")
    press(page, f"{prefix}.save")
    assert page.text_input(key=key_of(page, ".power_branch_name")).value == "渋谷店"
    assert "最新の状態を取得できません" in texts(page)

    network.restore()
    press(page, f"{prefix}.save")
    assert site_of(db, case).power_branch_name == "渋谷店"


def test_what_the_service_refuses_is_shown_below_its_field(page: AppTest, case: Request, db: Session) -> None:
    add_site(page)
    prefix = f"case.site.{site_of(db, case).id}"
    type_in(page, power_zip_code="15", power_customer_name_kana="漢字")

    press(page, f"{prefix}.save")

    text = texts(page)
    assert ":red[:material/error: 郵便番号は7桁の数字です。" in text
    assert ":red[:material/error: 全角カタカナで入力してください。" in text
    type_in(page, power_zip_code="150-0002", power_customer_name_kana="えーびーしー")
    press(page, f"{prefix}.save")
    assert site_of(db, case).power_customer_name_kana == "エービーシー"
    assert "郵便番号は7桁" not in texts(page)


def test_a_stored_site_is_written_as_in_its_statement_and_its_sheet_is_copied_field_by_field(
    open_page: OpenPage, team: Scene, case: Request
) -> None:
    site = scene.site(team.db, case, power_customer_location_number="0300001111222233334444", power_customer_number="9")
    team.db.commit()
    page = open_page(team.olga, "case", id=str(case.id))

    values = {name: page.text_input(key=key_of(page, f".{name}")).value for name in ("power_zip_code", NUMBER)}

    assert values == {"power_zip_code": "150-0002", NUMBER: "03-0000-1111-2222-3333-4444"}
    assert page.button(key=f"case.site.{site.id}.save").disabled  # The hyphens are no change.
    press(page, f"case.site.{site.id}.above.sheet")
    assert "9" in [block.value for block in page.code]
    assert "power_customer_number" in texts(page)
    for kind in ("csv", "xlsx"):
        assert f"/download{CASES}/{case.id}/sites/{site.id}/entry.{kind}" in html(page)


def test_the_month_options_and_gas_are_chosen_and_saved(page: AppTest, case: Request, db: Session) -> None:
    add_site(page)
    prefix = f"case.site.{site_of(db, case).id}"
    month = page.selectbox(key=key_of(page, ".latest_date"))
    today = times.now().date()
    assert month.options[0] == f"{today.year}年{today.month}月"
    # Last month, chosen from the list.
    month.select_index(1)
    options = [box for box in page.checkbox if ".option_plans." in (box.key or "")]
    assert len(options) == 11
    for box in options:
        if str(box.key).endswith(("OPT013234", "OPT061070")):
            box.check()
    assert not any("エコログガス用途分類" in box.label for box in page.selectbox)
    type_in(page, pps_business_number="G01")
    type_in(page, ecolog_gas_yoto="2")
    press(page, f"{prefix}.save")

    site = site_of(db, case)
    last_month = date(today.year, today.month, 1) - timedelta(days=1)
    assert (site.latest_date, site.option_plans) == (f"{last_month:%Y-%m}", ["OPT013234", "OPT061070"])
    assert (site.service_type, site.ecolog_gas_yoto) == ("gas", "2")
    type_in(page, pps_business_number="E01")
    assert not any("エコログガス用途分類" in box.label for box in page.selectbox)
    press(page, f"{prefix}.save")
    assert (site_of(db, case).service_type, site_of(db, case).ecolog_gas_yoto) == ("electricity", "")


def test_a_dialog_is_about_the_tab_pressed_right_before_and_the_next_site_begins_as_its_copy(
    page: AppTest, case: Request, team: Scene
) -> None:
    values = {"power_plan_name": "従量電灯C"}
    first, second = (scene.site(team.db, case, power_branch_name=name, **values) for name in ("渋谷店", "新宿店"))
    team.db.commit()
    page.run()

    # No run in between: the buttons are those that were drawn with the first site.
    page.button_group(key="case.site").set_value(second.id)
    press(page, "case.deficient")
    assert page.multiselect(key="case.deficiency.sites").value == [second.id]

    page.button_group(key="case.site").set_value(first.id)
    press(page, "case.add")
    source = page.selectbox(key="case.add.source")
    assert (source.value, source.options[-2:]) == (first.id, ["地点2 新宿店", "地点1 渋谷店"])
    page.checkbox(key="case.add.address").check()
    press(page, "case.add.confirm")
    copy = site_of(team.db, case)
    assert (copy.power_plan_name, copy.power_branch_name, copy.power_street) == ("従量電灯C", "", "1-2-3")


def test_what_was_typed_is_there_again_after_another_tab_was_opened(
    page: AppTest, case: Request, team: Scene, open_page: OpenPage
) -> None:
    add_site(page)
    type_in(page, power_branch_name="渋谷店")
    assert [draft.values["power_branch_name"] for draft in team.db.scalars(select(Draft))] == ["渋谷店"]

    reloaded = open_page(team.olga, "case", id=str(case.id))

    assert "前回の入力の続きです" in texts(reloaded)
    assert reloaded.text_input(key=key_of(reloaded, ".power_branch_name")).value == "渋谷店"
    press(reloaded, f"case.site.{site_of(team.db, case).id}.save")
    assert site_of(team.db, case).power_branch_name == "渋谷店"
    assert team.db.scalars(select(Draft)).all() == []


def change_meanwhile(team: Scene, case: Request, **values: Any) -> None:
    """Changes the site as another operator, in a session of their own."""
    site = site_of(team.db, case)
    for name, value in values.items():
        setattr(site, name, value)
    site.version += 1
    team.db.commit()


def test_what_only_one_side_changed_is_taken_over_and_what_both_did_is_asked_field_by_field(
    page: AppTest, case: Request, team: Scene
) -> None:
    add_site(page)
    prefix = f"case.site.{site_of(team.db, case).id}"
    type_in(page, power_branch_name="渋谷店")
    change_meanwhile(team, case, power_plan_name="動力プラン")
    press(page, f"{prefix}.save")
    site = site_of(team.db, case)
    assert (site.power_branch_name, site.power_plan_name) == ("渋谷店", "動力プラン")
    assert "ほかの人の変更（契約プラン）も取り込みました。" in text_of(page.toast)

    type_in(page, power_branch_name="新宿店", power_city="新宿区", power_street="1-2-3")
    change_meanwhile(team, case, power_branch_name="本店", power_city="港区", power_plan_name="従量電灯C")
    press(page, f"{prefix}.save")
    dialog = f"{prefix}.conflict.{site_of(team.db, case).version}"
    questions = {radio.label: radio for radio in page.radio if str(radio.key).startswith(dialog)}
    assert {*questions} == {"店舗名", "市区町村"}
    assert questions["店舗名"].options == ["あなたの入力: 新宿店", "最新の内容: 本店"]
    assert site_of(team.db, case).power_branch_name == "本店"
    questions["店舗名"].set_value(conflict.YOURS)
    questions["市区町村"].set_value(conflict.NEWEST)
    run(page)
    press(page, f"{dialog}.go_on")
    press(page, f"{prefix}.save")
    site = site_of(team.db, case)
    assert (site.power_branch_name, site.power_city) == ("新宿店", "港区")
    assert (site.power_street, site.power_plan_name) == ("1-2-3", "従量電灯C")


def test_images_are_linked_to_a_site_and_unlinked_when_it_is_removed(page: AppTest, case: Request, team: Scene) -> None:
    add_site(page)
    site = site_of(team.db, case)
    second = team.db.scalars(select(Image).order_by(Image.id.desc())).first()
    assert second is not None

    linked = next(selectbox for selectbox in page.selectbox if str(selectbox.key).startswith(f"case.link.{second.id}."))
    linked.set_value(site.id)
    run(page)
    team.db.expire_all()
    assert second.site_id == site.id

    press(page, f"case.site.{site.id}.above.remove")
    assert "紐づけた明細画像2枚は、未紐づけに戻ります。" in texts(page)
    press(page, f"case.site.{site.id}.remove.confirm")
    assert "地点はまだありません" in texts(page)


def send_back(page: AppTest, message: str) -> None:
    page.text_area(key=key_of(page, "deficiency.form.message.0")).set_value(message)
    press(page, "case.deficiency.form.submit")


def test_a_site_is_sent_back_with_its_reason_and_continued_after_a_telephone_call(
    page: AppTest, case: Request, team: Scene
) -> None:
    add_site(page)
    prefix = f"case.site.{site_of(team.db, case).id}"
    press(page, f"{prefix}.enter")
    press(page, "case.deficient")
    send_back(page, "明細が読めません。")

    assert site_of(team.db, case).status == "deficient"
    assert "不備: 明細が読めません。" in texts(page)
    # A site that is sent back does not show why 投入済 was refused.
    assert "投入済にできません" not in texts(page)
    press(page, f"{prefix}.above.go_on")
    press(page, f"{prefix}.go_on.confirm")
    assert site_of(team.db, case).status == "working"


def test_without_a_site_a_case_is_claimed_commented_sent_back_and_released(
    page: AppTest, case: Request, team: Scene
) -> None:
    press(page, "case.claim")
    assert "担当は**olga さん**さんです。" in texts(page)
    scene.comment(team.db, case, team.alice, "明細を追加しました。")
    team.db.commit()
    page.run()
    assert "明細を追加しました。" in texts(page)
    press(page, "case.read")
    assert "case.read" not in keys(page)
    page.text_area(key=key_of(page, "comment.message.0")).set_value("確認します。")
    press(page, "case.comment.submit")
    messages = team.db.scalars(select(Comment.message).order_by(Comment.id)).all()
    assert messages == ["明細を追加しました。", "確認します。"]

    press(page, "case.deficient")
    press(page, "case.deficiency.form.submit")
    assert "入力してください。" in texts(page)
    send_back(page, "明細がありません。")
    assert "依頼全体の不備: 明細がありません。" in texts(page)
    press(page, "case.put_right")
    page.text_area(key="case.put_right.ask.reason").set_value("電話で確認しました。")
    press(page, "case.put_right.ask.confirm")
    assert "依頼全体の不備" not in texts(page)
    press(page, "case.release")
    assert "担当者は未定です。" in texts(page)


def test_the_list_has_conditions_and_leads_to_the_case(open_page: OpenPage, team: Scene, case: Request) -> None:
    scene.site(team.db, case, Status.ENTERED)
    scene.comment(team.db, case, team.alice)
    scene.request(team.db, scene.corporation(team.db, team.b, "有限会社みなと"), team.bob, Status.ENTERED)
    team.db.commit()
    page = open_page(team.olga, "cases")
    assert "投入待ち・対応中の案件が**1件**あります。" in texts(page)
    assert "未読のコメントがある案件が**1件**" in texts(page)
    [row] = rows(page)
    assert (row["法人名"], row["地点数"], row["営業担当者"]) == ("株式会社ABC", "1/2", "alice さん")

    page.selectbox(key="status").set_value("all").run()
    assert [row["法人名"] for row in rows(page)] == ["株式会社ABC", "有限会社みなと"]
    page.selectbox(key="agency_id").set_value(team.b.id).run()
    assert [row["法人名"] for row in rows(page)] == ["有限会社みなと"]
    page.text_input(key="q").set_value("どこにもない").run()
    assert "条件に合うものはありません" in texts(page)

    page.session_state["agencies.cases.clicked"] = ("開く", {"id": case.id})
    run(page)
    assert "**1/2** が投入済です" in texts(page)
