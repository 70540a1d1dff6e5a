"""案件詳細・明細入力: the form beside the statements, from the first site to 投入済, and two people at one site."""

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
from service.agencies.requests.models import Comment, Image, Request, Site
from service.agencies.rules import Status
from tests.api.agencies import scene
from tests.api.agencies.scene import Scene
from tests.dashboards.conftest import Line
from tests.dashboards.pages import Open, html, keys, press, rows, run, said, texts, widget

CASES = "/api/agencies/cases"


@pytest.fixture
def case(team: Scene) -> Request:
    made = scene.request(team.db, scene.corporation(team.db, team.a, "株式会社ABC"), team.alice, site_count=2)
    for _ in range(2):
        scene.image(team.db, made, team.alice)
    team.db.commit()
    return made


@pytest.fixture
def page(open_page: Open, team: Scene, case: Request) -> AppTest:
    opened = open_page(team.olga, "case", id=str(case.id))
    assert not opened.exception
    return opened


def key_of(page: AppTest, field: str) -> str:
    """The key of a site's field, or of what is written on the case, as it is drawn now."""
    drawn = (str(one.key) for one in page._tree if getattr(one, "key", None))
    return next(key for key in drawn if key.startswith("case.") and key.endswith(field))


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


def test_a_case_says_what_is_entered_that_nobody_has_begun_and_who_else_has_it_open(
    page: AppTest, case: Request, team: Scene, open_page: Open
) -> None:
    said = texts(page)
    assert "株式会社ABC" in said
    assert "**0/2** が投入済です。担当者は未定です。" in said
    assert "地点はまだありません" in said
    assert "明細は郵送します。" in said  # 営業担当者の備考
    assert "株式会社AAA代理店" in said

    adams = open_page(team.adam, "case", id=str(case.id))
    assert "olga さんさんもこの案件を開いています" in texts(adams)


def test_who_reads_what_others_have_changed_since_is_offered_the_newest(
    page: AppTest, team: Scene, case: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "case.reload" not in keys(page)
    viewers = case_talk.viewers
    # The block looks by itself every half minute, the page does not: it was drawn with the version before.
    monkeypatch.setattr(case_talk, "viewers", lambda path, version: viewers(path, version - 1))
    run(page)
    assert "ほかの人がこの案件を更新しました" in texts(page)
    monkeypatch.undo()
    press(page, "case.reload")
    assert "ほかの人がこの案件を更新しました" not in texts(page)


def complaints(page: AppTest) -> list[str]:
    begin = ":red[:material/error: "
    return [line.value.removeprefix(begin).rstrip("]") for line in page.markdown if line.value.startswith(begin)]


def said_missing(page: AppTest) -> str:
    [one] = [error.value for error in page.error if "投入済にできません" in error.value]
    return str(one)


def test_a_site_is_added_filled_in_and_entered_after_one_question(page: AppTest, case: Request, db: Session) -> None:
    add_site(page)
    assert [one.site_id for one in db.scalars(select(Image).order_by(Image.id))] == [site_of(db, case).id, None]
    slot = f"case.site.{site_of(db, case).id}"

    press(page, f"{slot}.enter")
    assert "投入済にできません。次の項目が入力されていません: PPS番号、申込区分" in texts(page)
    assert {"入力してください。", "選んでください。"} <= {*complaints(page)}
    first = len(complaints(page))
    type_in(page, power_customer_location_number="03-0000-1111-2222-3333-4444")
    # What is filled in is no longer complained of.
    assert len(complaints(page)) == first - 1
    assert "供給地点特定番号" not in said_missing(page)

    type_in(page, **FILLED)
    press(page, f"{slot}.enter")

    # Saved, and asked once.
    assert site_of(db, case).power_plan_name == "従量電灯C"
    assert "キャリア管理画面への投入が終わった地点だけ" in texts(page)
    # Two were declared: with this one the request would be done.
    assert "申告は2地点ですが、登録した地点は1地点だけです" in texts(page)
    press(page, f"{slot}.entered.confirm")
    assert site_of(db, case).status == "entered"
    assert "**1/2** が投入済です" in texts(page)
    assert "残りの地点は「＋地点を追加」で続けて入力できます" in texts(page)
    assert db.scalars(select(Draft)).all() == []


def test_what_is_typed_stays_on_the_page_while_the_service_is_away(
    page: AppTest, case: Request, db: Session, line: Line
) -> None:
    add_site(page)
    slot = f"case.site.{site_of(db, case).id}"
    line.cut()
    type_in(page, power_branch_name="渋谷店")
    press(page, f"{slot}.save")
    assert page.text_input(key=key_of(page, ".power_branch_name")).value == "渋谷店"
    assert "最新の状態を取得できません" in texts(page)

    line.mend()
    press(page, f"{slot}.save")
    assert site_of(db, case).power_branch_name == "渋谷店"


def test_what_the_service_refuses_stands_below_its_field(page: AppTest, case: Request, db: Session) -> None:
    add_site(page)
    slot = f"case.site.{site_of(db, case).id}"
    type_in(page, power_zip_code="15", power_customer_name_kana="漢字")

    press(page, f"{slot}.save")

    said = texts(page)
    assert ":red[:material/error: 郵便番号は7桁の数字です。" in said
    assert ":red[:material/error: 全角カタカナで入力してください。" in said
    type_in(page, power_zip_code="150-0002", power_customer_name_kana="えーびーしー")
    press(page, f"{slot}.save")
    assert site_of(db, case).power_customer_name_kana == "エービーシー"
    assert "郵便番号は7桁" not in texts(page)


def test_a_stored_site_stands_as_its_statement_writes_it_and_its_sheet_is_copied_box_by_box(
    open_page: Open, team: Scene, case: Request
) -> None:
    site = scene.site(team.db, case, power_customer_location_number="0300001111222233334444", power_customer_number="9")
    team.db.commit()
    page = open_page(team.olga, "case", id=str(case.id))

    shown = {name: page.text_input(key=key_of(page, f".{name}")).value for name in ("power_zip_code", NUMBER)}

    assert shown == {"power_zip_code": "150-0002", NUMBER: "03-0000-1111-2222-3333-4444"}
    assert page.button(key=f"case.site.{site.id}.save").disabled  # The hyphens are no change.
    press(page, f"case.site.{site.id}.above.sheet")
    assert "9" in [one.value for one in page.code]
    assert "power_customer_number" in texts(page)
    for kind in ("csv", "xlsx"):
        assert f"/download{CASES}/{case.id}/sites/{site.id}/entry.{kind}" in html(page)


def test_the_month_options_and_gas_are_chosen_and_saved(page: AppTest, case: Request, db: Session) -> None:
    add_site(page)
    slot = f"case.site.{site_of(db, case).id}"
    month = page.selectbox(key=key_of(page, ".latest_date"))
    this = times.now().date()
    assert month.options[0] == f"{this.year}年{this.month}月"
    # The one before this, out of the list.
    month.select_index(1)
    options = [one for one in page.checkbox if ".option_plans." in (one.key or "")]
    assert len(options) == 11
    for one in options:
        if str(one.key).endswith(("OPT013234", "OPT061070")):
            one.check()
    assert not any("エコログガス用途分類" in one.label for one in page.selectbox)
    type_in(page, pps_business_number="G01")
    type_in(page, ecolog_gas_yoto="2")
    press(page, f"{slot}.save")

    site = site_of(db, case)
    before = date(this.year, this.month, 1) - timedelta(days=1)
    assert (site.latest_date, site.option_plans) == (f"{before:%Y-%m}", ["OPT013234", "OPT061070"])
    assert (site.service_type, site.ecolog_gas_yoto) == ("gas", "2")
    type_in(page, pps_business_number="E01")
    assert not any("エコログガス用途分類" in one.label for one in page.selectbox)
    press(page, f"{slot}.save")
    assert (site_of(db, case).service_type, site_of(db, case).ecolog_gas_yoto) == ("electricity", "")


def test_what_a_dialog_is_about_is_the_tab_pressed_right_before_and_the_next_site_begins_as_its_copy(
    page: AppTest, case: Request, team: Scene
) -> None:
    named = {"power_plan_name": "従量電灯C"}
    first, second = (scene.site(team.db, case, power_branch_name=name, **named) for name in ("渋谷店", "新宿店"))
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
    page: AppTest, case: Request, team: Scene, open_page: Open
) -> None:
    add_site(page)
    type_in(page, power_branch_name="渋谷店")
    assert [one.values["power_branch_name"] for one in team.db.scalars(select(Draft))] == ["渋谷店"]

    again = open_page(team.olga, "case", id=str(case.id))

    assert "前回の入力の続きです" in texts(again)
    assert again.text_input(key=key_of(again, ".power_branch_name")).value == "渋谷店"
    press(again, f"case.site.{site_of(team.db, case).id}.save")
    assert site_of(team.db, case).power_branch_name == "渋谷店"
    assert team.db.scalars(select(Draft)).all() == []


def change_meanwhile(team: Scene, case: Request, **values: Any) -> None:
    """As another operator would, whose own session does not touch ours."""
    site = site_of(team.db, case)
    for name, value in values.items():
        setattr(site, name, value)
    site.version += 1
    team.db.commit()


def test_what_only_one_side_changed_is_taken_over_and_what_both_did_is_asked_field_by_field(
    page: AppTest, case: Request, team: Scene
) -> None:
    add_site(page)
    slot = f"case.site.{site_of(team.db, case).id}"
    type_in(page, power_branch_name="渋谷店")
    change_meanwhile(team, case, power_plan_name="動力プラン")
    press(page, f"{slot}.save")
    site = site_of(team.db, case)
    assert (site.power_branch_name, site.power_plan_name) == ("渋谷店", "動力プラン")
    assert "ほかの人の変更（契約プラン）も取り込みました。" in said(page.toast)

    type_in(page, power_branch_name="新宿店", power_city="新宿区", power_street="1-2-3")
    change_meanwhile(team, case, power_branch_name="本店", power_city="港区", power_plan_name="従量電灯C")
    press(page, f"{slot}.save")
    dialog = f"{slot}.conflict.{site_of(team.db, case).version}"
    asked = {one.label: one for one in page.radio if str(one.key).startswith(dialog)}
    assert {*asked} == {"店舗名", "市区町村"}
    assert asked["店舗名"].options == ["あなたの入力: 新宿店", "最新の内容: 本店"]
    assert site_of(team.db, case).power_branch_name == "本店"
    asked["店舗名"].set_value(conflict.YOURS)
    asked["市区町村"].set_value(conflict.NEWEST)
    run(page)
    press(page, f"{dialog}.go_on")
    press(page, f"{slot}.save")
    site = site_of(team.db, case)
    assert (site.power_branch_name, site.power_city) == ("新宿店", "港区")
    assert (site.power_street, site.power_plan_name) == ("1-2-3", "従量電灯C")


def test_images_are_tied_where_they_are_seen_and_free_again_without_their_site(
    page: AppTest, case: Request, team: Scene
) -> None:
    add_site(page)
    site = site_of(team.db, case)
    second = team.db.scalars(select(Image).order_by(Image.id.desc())).first()
    assert second is not None

    linked = next(one for one in page.selectbox if str(one.key).startswith(f"case.link.{second.id}."))
    linked.set_value(site.id)
    run(page)
    team.db.expire_all()
    assert second.site_id == site.id

    press(page, f"case.site.{site.id}.above.remove")
    assert "紐づけた明細画像2枚は、未紐づけに戻ります。" in texts(page)
    press(page, f"case.site.{site.id}.remove.confirm")
    assert "地点はまだありません" in texts(page)


def send_back(page: AppTest, why: str) -> None:
    page.text_area(key=key_of(page, "deficiency.form.message.0")).set_value(why)
    press(page, "case.deficiency.form.submit")


def test_a_site_goes_back_with_its_reason_and_on_by_telephone(page: AppTest, case: Request, team: Scene) -> None:
    add_site(page)
    slot = f"case.site.{site_of(team.db, case).id}"
    press(page, f"{slot}.enter")
    press(page, "case.deficient")
    send_back(page, "明細が読めません。")

    assert site_of(team.db, case).status == "deficient"
    assert "不備: 明細が読めません。" in texts(page)
    # What 投入済 was refused for is nothing to be told of one that is sent back.
    assert "投入済にできません" not in texts(page)
    press(page, f"{slot}.above.go_on")
    press(page, f"{slot}.go_on.confirm")
    assert site_of(team.db, case).status == "working"


def test_without_a_site_a_case_is_claimed_talked_about_sent_back_and_released(
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
    said = team.db.scalars(select(Comment.message).order_by(Comment.id)).all()
    assert said == ["明細を追加しました。", "確認します。"]

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


def test_the_list_has_conditions_and_leads_to_the_case(open_page: Open, team: Scene, case: Request) -> None:
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
