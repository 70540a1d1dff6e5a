"""新規投入依頼 and 既存法人に地点追加: from an empty form to the sent request, with every interruption in between."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session
from streamlit.testing.v1 import AppTest

from dashboards.ui import cache
from service.agencies.corporations.models import Corporation
from service.agencies.drafts.models import Draft
from service.agencies.models import Request
from service.agencies.requests.models import Image
from service.core.access.identity import UserSession
from service.core.database.clock import real_now
from tests.api.agencies import scene
from tests.api.agencies.scene import Scene
from tests.dashboards.conftest import Network, clear_session_cache
from tests.dashboards.pages import OpenPage, html, keys, press, text_of, texts, titles

FORM = "new_request"
CARD = "4111 1111 1111 1111"


def box(page: AppTest, field: str) -> Any:
    name = page.session_state["drafting.new_request.-"].name
    widgets = [*page.text_input, *page.selectbox, *page.radio, *page.text_area, *page.date_input]
    return next(widget for widget in widgets if widget.key in (f"{FORM}.{name}.{field}", f"sending.{name}.{field}"))


def draft_of(db: Session) -> dict[str, Any]:
    db.expire_all()
    return dict(db.scalars(select(Draft)).one().values)


def fill_in_person(page: AppTest) -> None:
    """A 個人 has the fewest required fields."""
    box(page, "customer_type").set_value("1").run()
    values = {
        "last_name": "青空",
        "first_name": "花子",
        "last_name_kana": "アオゾラ",
        "first_name_kana": "ハナコ",
        "zip_code": "150-0002",
        "city": "渋谷区",
        "street": "1-2-3",
        "phone1": "03-1234-5678",
        "remarks": "お客様番号 12345",
    }
    for field, value in values.items():
        box(page, field).set_value(value)
    box(page, "prefecture").set_value("東京都")
    box(page, "birthday").set_value("1980-05-05")
    box(page, "sales_channel_id").set_value("1").run()


@pytest.fixture
def page(open_page: OpenPage, team: Scene) -> AppTest:
    return open_page(team.alice, "new-request")


def texts_and_labels(page: AppTest) -> list[str]:
    """The texts and labels of the page, from top to bottom."""
    return [str(getattr(element, "value" if element.type == "markdown" else "label", "")) for element in page.main]


def test_sections_stand_in_the_documents_order_and_before_a_card_is_typed_it_is_said_that_no_draft_keeps_it(
    page: AppTest,
) -> None:
    assert not page.exception
    order = ["契約者区分", "契約者名", "代表者名", "住所", "連絡先", "生年月日", "業種", "支払方法", "営業チャネル"]
    order += ["明細画像", "備考"]

    def sections() -> list[str]:
        matches = [re.match(r"\*\*(.+?)\*\*", text) for text in texts_and_labels(page)]
        return [match[1] for match in matches if match and match[1] in order]

    assert sections() == order
    box(page, "customer_type").set_value("1").run()
    # A 個人 has only one birthday, which needs no title above its label.
    assert sections() == [title for title in order if title not in ("代表者名", "生年月日")]

    assert "カード情報のほかは、入力するたびに下書きに保存されます。" in texts(page)
    box(page, "payment_type").set_value("1").run()
    [notice] = [
        index for index, text in enumerate(texts_and_labels(page)) if "カード情報は下書きに残りません。" in text
    ]
    [card_number] = [index for index, text in enumerate(texts_and_labels(page)) if text.startswith("カード番号 ")]
    assert notice < card_number


def test_a_choice_made_during_a_rerun_is_not_reset(page: AppTest) -> None:
    """A list without a choice is given no value: the value would replace a choice just made."""
    box(page, "birthday").set_value("1980-05-05").run()

    assert not box(page, "sales_channel_id").proto.set_value


def test_a_request_is_corrected_confirmed_gone_back_to_and_sent_and_its_draft_is_gone(
    page: AppTest, db: Session, team: Scene
) -> None:
    fill_in_person(page)
    box(page, "zip_code").set_value("12")
    box(page, "remarks").set_value("")
    press(page, f"sending.{FORM}.check")
    assert "赤字の項目を直して" in text_of(page.error)
    assert "明細画像を追加してください。" in texts(page)
    box(page, "remarks").set_value("お客様番号 12345")
    press(page, f"sending.{FORM}.check")
    assert "郵便番号は7桁の数字です。" in texts(page)
    assert "直す項目: **郵便番号**" in text_of(page.error)

    box(page, "zip_code").set_value("150-0002")
    press(page, f"sending.{FORM}.check")
    assert "まだ送信されていません。" in texts(page)
    assert "花子" in texts(page)
    press(page, f"sending.{FORM}.back")
    assert (box(page, "last_name").value, box(page, "remarks").value) == ("青空", "お客様番号 12345")
    press(page, f"sending.{FORM}.check")
    assert db.scalars(select(Request)).all() == []
    press(page, f"sending.{FORM}.send")

    request = db.scalars(select(Request)).one()
    assert f"依頼IDは **{request.id}** です。" in text_of(page.success)
    assert (request.requested_by, request.remarks, request.site_count) == (team.alice.id, "お客様番号 12345", 1)
    assert db.scalars(select(Draft)).all() == []
    press(page, f"sending.{FORM}.again")
    assert box(page, "last_name").value == ""


def test_f5_loses_nothing(page: AppTest, open_page: OpenPage, team: Scene, db: Session) -> None:
    fill_in_person(page)
    image = scene.upload(db, team.alice)
    draft = db.scalars(select(Draft)).one()
    file = {"id": str(image.id), "name": image.name, "size": image.size, "content_type": "image/jpeg"}
    images = [file | {"url": f"/files/{image.id}"}]
    db.execute(update(Draft).where(Draft.id == draft.id).values(values={**draft.values, "images": images}))

    reloaded = open_page(team.alice, "new-request")

    assert "前回の入力の続きです" in texts(reloaded)
    assert (box(reloaded, "last_name").value, box(reloaded, "prefecture").value) == ("青空", "東京都")
    assert box(reloaded, "remarks").value == "お客様番号 12345"
    assert box(reloaded, "birthday").value.isoformat() == "1980-05-05"
    press(reloaded, f"sending.{FORM}.check")
    press(reloaded, f"sending.{FORM}.send")
    assert db.scalars(select(Image.file_id)).all() == [image.id]


def test_while_the_service_is_away_nothing_is_lost_and_nothing_is_stored_twice(
    page: AppTest, db: Session, network: Network
) -> None:
    fill_in_person(page)
    press(page, f"sending.{FORM}.check")
    network.cut()
    press(page, f"sending.{FORM}.send")
    network.restore()
    page.run()
    network.lose_answers()
    press(page, f"sending.{FORM}.send")
    network.restore()
    page.run()
    assert "送信されたかどうかわかりません" in text_of(page.error)
    press(page, f"sending.{FORM}.send")
    assert "投入依頼を送信しました。" in text_of(page.success)
    assert len(db.scalars(select(Request)).all()) == 1


def test_the_end_of_a_session_keeps_the_draft(page: AppTest, open_page: OpenPage, team: Scene, db: Session) -> None:
    fill_in_person(page)
    press(page, f"sending.{FORM}.check")
    db.execute(update(UserSession).values(revoked_at=real_now()))
    db.commit()
    clear_session_cache()
    press(page, f"sending.{FORM}.send")
    assert "ログインし直してください" in titles(page)
    assert db.scalars(select(Request)).all() == []
    assert box(open_page(team.alice, "new-request"), "last_name").value == "青空"


def test_the_confirmation_has_four_digits_of_a_card_that_no_draft_has_and_points_out_an_existing_corporation(
    page: AppTest, db: Session, team: Scene
) -> None:
    existing = scene.corporation(db, team.a, "青空", first_name="花子", phone1="03-1234-5678")
    db.commit()
    fill_in_person(page)
    box(page, "payment_type").set_value("1").run()
    values = {"number": CARD, "expire_month": "12", "expire_year": "2031", "holder": "HANAKO AOZORA"}
    for part, value in values.items():
        box(page, f"card.{part}").set_value(value)
    press(page, f"sending.{FORM}.check")

    assert "card" not in draft_of(db)
    assert CARD[:9] not in str(draft_of(db))
    assert CARD.replace(" ", "")[:8] not in str(draft_of(db))
    assert "**** **** **** 1111" in texts(page)
    assert CARD not in texts(page)
    assert "同じ法人がすでに登録されている可能性があります。" in texts(page)
    assert f"/add-site?corporation_id={existing.id}" in html(page)
    press(page, f"sending.{FORM}.send")
    assert "投入依頼を送信しました。" in text_of(page.success)
    assert CARD not in str(page.session_state._state._state.filtered_state)


def test_an_administrator_chooses_the_user_of_the_agency(open_page: OpenPage, team: Scene, db: Session) -> None:
    page = open_page(team.adam, "new-request")
    fill_in_person(page)
    press(page, f"sending.{FORM}.check")
    assert "代理店を選んでください。" in texts(page)
    box(page, "requested_by").set_value(team.bob.id)
    press(page, f"sending.{FORM}.check")
    press(page, f"sending.{FORM}.send")
    request = db.scalars(select(Request)).one()
    assert (request.requested_by, request.agency_id) == (team.bob.id, team.b.id)


@pytest.fixture
def corporation(team: Scene, db: Session) -> Corporation:
    scene.corporation(db, team.b, "株式会社青空よそ")
    corporation = scene.corporation(db, team.a, "株式会社青空")
    db.commit()
    return corporation


def test_the_corporations_registered_last_are_offered_and_one_that_is_sought_gets_a_site(
    open_page: OpenPage, team: Scene, corporation: Corporation, db: Session
) -> None:
    page = open_page(team.alice, "add-site")
    assert "最近登録した法人" in texts(page)
    assert {key for key in keys(page) if key.startswith("add_site.")} == {f"add_site.{corporation.id}"}
    page.text_input(key="add_site.q").set_value("どこにもない").run()
    assert "当てはまる法人はありません" in text_of(page.warning)
    page.text_input(key="add_site.q").set_value("青空").run()
    assert "**1件**見つかりました。" in texts(page)
    press(page, f"add_site.{corporation.id}")
    assert "**株式会社青空** に地点を追加します。" in texts(page)
    assert "渋谷区" in texts(page)
    name = page.session_state[f"drafting.add_site.{corporation.id}"].name
    page.text_area(key=f"sending.{name}.remarks").set_value("お客様番号 777")
    press(page, f"sending.add_site.{corporation.id}.check")
    press(page, f"sending.add_site.{corporation.id}.send")
    request = db.scalars(select(Request)).one()
    assert (request.corporation_id, request.remarks) == (corporation.id, "お客様番号 777")
    assert db.scalars(select(Draft)).all() == []


def test_statements_of_one_corporation_are_not_sent_for_another_and_another_agencys_corporation_is_not_found(
    open_page: OpenPage, team: Scene, corporation: Corporation, db: Session
) -> None:
    other = scene.corporation(db, team.a, "株式会社ほか")
    db.commit()
    page = open_page(team.alice, "add-site", corporation_id=str(corporation.id))
    assert not page.warning
    name = page.session_state[f"drafting.add_site.{corporation.id}"].name
    page.text_area(key=f"sending.{name}.remarks").set_value("青空の明細").run()
    page = open_page(team.alice, "add-site", corporation_id=str(other.id))
    assert [area.value for area in page.text_area] == [""]
    page = open_page(team.alice, "add-site", corporation_id=str(corporation.id))
    assert [area.value for area in page.text_area] == ["青空の明細"]

    page = open_page(team.bob, "add-site", corporation_id=str(corporation.id))
    assert "見つかりません" in text_of(page.warning)


def test_what_is_typed_stays_on_the_page_while_the_service_is_away(
    page: AppTest, network: Network, db: Session
) -> None:
    box(page, "last_name").set_value("株式会社青空").run()
    network.cut()
    box(page, "street").set_value("1-2-3").run()
    assert (box(page, "last_name").value, box(page, "street").value) == ("株式会社青空", "1-2-3")
    assert "下書きを保存できていません。" in text_of(page.warning)

    # Longer than any answer is cached.
    later = time.monotonic() + cache.CACHE_SECONDS + 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "monotonic", lambda: later)
        box(page, "city").set_value("渋谷区").run()
    assert (box(page, "street").value, box(page, "city").value) == ("1-2-3", "渋谷区")

    network.restore()
    press(page, "drafting.new_request.-.again")
    assert draft_of(db) | {"street": "1-2-3", "city": "渋谷区"} == draft_of(db)
