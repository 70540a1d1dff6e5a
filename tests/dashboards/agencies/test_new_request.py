"""新規投入依頼 and 既存法人に地点追加: from an empty form to what was sent, and whatever comes between."""

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
from service.agencies.requests.models import Image, Request
from service.core.access.identity import UserSession
from service.core.database.clock import real_now
from tests.api.agencies import scene
from tests.api.agencies.scene import Scene
from tests.dashboards.conftest import Line, forget_sessions
from tests.dashboards.pages import Open, html, keys, press, said, texts, titles

FORM = "new_request"
CARD = "4111 1111 1111 1111"


def box(page: AppTest, field: str) -> Any:
    name = page.session_state["drafting.new_request.-"].name
    boxes = [*page.text_input, *page.selectbox, *page.radio, *page.text_area, *page.date_input]
    return next(one for one in boxes if one.key in (f"{FORM}.{name}.{field}", f"sending.{name}.{field}"))


def draft_of(db: Session) -> dict[str, Any]:
    db.expire_all()
    return dict(db.scalars(select(Draft)).one().values)


def a_person(page: AppTest) -> None:
    """A 個人 needs the least."""
    box(page, "customer_type").set_value("1").run()
    typed = {
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
    for field, value in typed.items():
        box(page, field).set_value(value)
    box(page, "prefecture").set_value("東京都")
    box(page, "birthday").set_value("1980-05-05")
    box(page, "sales_channel_id").set_value("1").run()


@pytest.fixture
def page(open_page: Open, team: Scene) -> AppTest:
    return open_page(team.alice, "new-request")


def above(page: AppTest) -> list[str]:
    """Words and labels, from the top to the bottom."""
    return [str(getattr(one, "value" if one.type == "markdown" else "label", "")) for one in page.main]


def test_sections_stand_in_the_documents_order_and_before_a_card_is_typed_it_is_said_that_no_draft_keeps_it(
    page: AppTest,
) -> None:
    assert not page.exception
    order = ["契約者区分", "契約者名", "代表者名", "住所", "連絡先", "生年月日", "業種", "支払方法", "営業チャネル"]
    order += ["明細画像", "備考"]

    def sections() -> list[str]:
        found = [re.match(r"\*\*(.+?)\*\*", text) for text in above(page)]
        return [one[1] for one in found if one and one[1] in order]

    assert sections() == order
    box(page, "customer_type").set_value("1").run()
    # Of a person there is one birthday, which needs no title above its label.
    assert sections() == [title for title in order if title not in ("代表者名", "生年月日")]

    assert "カード情報のほかは、入力するたびに下書きに保存されます。" in texts(page)
    box(page, "payment_type").set_value("1").run()
    [told] = [place for place, text in enumerate(above(page)) if "カード情報は下書きに残りません。" in text]
    [number] = [place for place, text in enumerate(above(page)) if text.startswith("カード番号 ")]
    assert told < number


def test_what_is_chosen_while_the_page_is_drawn_anew_is_not_put_back(page: AppTest) -> None:
    """A list that nothing was chosen in yet is given no value: it would take the place of a choice just made."""
    box(page, "birthday").set_value("1980-05-05").run()

    assert not box(page, "sales_channel_id").proto.set_value


def test_a_request_is_corrected_confirmed_gone_back_to_and_sent_and_its_draft_is_gone(
    page: AppTest, db: Session, team: Scene
) -> None:
    a_person(page)
    box(page, "zip_code").set_value("12")
    box(page, "remarks").set_value("")
    press(page, f"sending.{FORM}.check")
    assert "赤字の項目を直して" in said(page.error)
    assert "明細画像を追加してください。" in texts(page)
    box(page, "remarks").set_value("お客様番号 12345")
    press(page, f"sending.{FORM}.check")
    assert "郵便番号は7桁の数字です。" in texts(page)
    assert "直す項目: **郵便番号**" in said(page.error)

    box(page, "zip_code").set_value("150-0002")
    press(page, f"sending.{FORM}.check")
    assert "まだ送信されていません。" in texts(page)
    assert "花子" in texts(page)
    press(page, f"sending.{FORM}.back")
    assert (box(page, "last_name").value, box(page, "remarks").value) == ("青空", "お客様番号 12345")
    press(page, f"sending.{FORM}.check")
    assert db.scalars(select(Request)).all() == []
    press(page, f"sending.{FORM}.send")

    made = db.scalars(select(Request)).one()
    assert f"依頼IDは **{made.id}** です。" in said(page.success)
    assert (made.requested_by, made.remarks, made.site_count) == (team.alice.id, "お客様番号 12345", 1)
    assert db.scalars(select(Draft)).all() == []
    press(page, f"sending.{FORM}.again")
    assert box(page, "last_name").value == ""


def test_f5_loses_nothing(page: AppTest, open_page: Open, team: Scene, db: Session) -> None:
    a_person(page)
    image = scene.upload(db, team.alice)
    known = db.scalars(select(Draft)).one()
    file = {"id": str(image.id), "name": image.name, "size": image.size, "content_type": "image/jpeg"}
    images = [file | {"url": f"/files/{image.id}"}]
    db.execute(update(Draft).where(Draft.id == known.id).values(values={**known.values, "images": images}))

    again = open_page(team.alice, "new-request")

    assert "前回の入力の続きです" in texts(again)
    assert (box(again, "last_name").value, box(again, "prefecture").value) == ("青空", "東京都")
    assert box(again, "remarks").value == "お客様番号 12345"
    assert box(again, "birthday").value.isoformat() == "1980-05-05"
    press(again, f"sending.{FORM}.check")
    press(again, f"sending.{FORM}.send")
    assert db.scalars(select(Image.file_id)).all() == [image.id]


def test_while_the_service_is_away_nothing_is_lost_and_nothing_is_stored_twice(
    page: AppTest, db: Session, line: Line
) -> None:
    a_person(page)
    press(page, f"sending.{FORM}.check")
    line.cut()
    press(page, f"sending.{FORM}.send")
    line.mend()
    page.run()
    line.lose_answers()
    press(page, f"sending.{FORM}.send")
    line.mend()
    page.run()
    assert "送信されたかどうかわかりません" in said(page.error)
    press(page, f"sending.{FORM}.send")
    assert "投入依頼を送信しました。" in said(page.success)
    assert len(db.scalars(select(Request)).all()) == 1


def test_the_end_of_a_session_keeps_the_draft(page: AppTest, open_page: Open, team: Scene, db: Session) -> None:
    a_person(page)
    press(page, f"sending.{FORM}.check")
    db.execute(update(UserSession).values(revoked_at=real_now()))
    db.commit()
    forget_sessions()
    press(page, f"sending.{FORM}.send")
    assert "ログインし直してください" in titles(page)
    assert db.scalars(select(Request)).all() == []
    assert box(open_page(team.alice, "new-request"), "last_name").value == "青空"


def test_the_confirmation_has_four_digits_of_a_card_that_no_draft_has_and_points_out_who_is_there_already(
    page: AppTest, db: Session, team: Scene
) -> None:
    known = scene.corporation(db, team.a, "青空", first_name="花子", phone1="03-1234-5678")
    db.commit()
    a_person(page)
    box(page, "payment_type").set_value("1").run()
    typed = {"number": CARD, "expire_month": "12", "expire_year": "2031", "holder": "HANAKO AOZORA"}
    for part, value in typed.items():
        box(page, f"card.{part}").set_value(value)
    press(page, f"sending.{FORM}.check")

    assert "card" not in draft_of(db)
    assert CARD[:9] not in str(draft_of(db))
    assert CARD.replace(" ", "")[:8] not in str(draft_of(db))
    assert "**** **** **** 1111" in texts(page)
    assert CARD not in texts(page)
    assert "同じ法人がすでに登録されている可能性があります。" in texts(page)
    assert f"/add-site?corporation_id={known.id}" in html(page)
    press(page, f"sending.{FORM}.send")
    assert "投入依頼を送信しました。" in said(page.success)
    assert CARD not in str(page.session_state._state._state.filtered_state)


def test_an_administrator_chooses_for_whom(open_page: Open, team: Scene, db: Session) -> None:
    page = open_page(team.adam, "new-request")
    a_person(page)
    press(page, f"sending.{FORM}.check")
    assert "代理店を選んでください。" in texts(page)
    box(page, "requested_by").set_value(team.bob.id)
    press(page, f"sending.{FORM}.check")
    press(page, f"sending.{FORM}.send")
    made = db.scalars(select(Request)).one()
    assert (made.requested_by, made.agency_id) == (team.bob.id, team.b.id)


@pytest.fixture
def known(team: Scene, db: Session) -> Corporation:
    scene.corporation(db, team.b, "株式会社青空よそ")
    made = scene.corporation(db, team.a, "株式会社青空")
    db.commit()
    return made


def test_the_corporations_registered_last_are_offered_and_one_that_is_sought_gets_a_site(
    open_page: Open, team: Scene, known: Corporation, db: Session
) -> None:
    page = open_page(team.alice, "add-site")
    assert "最近登録した法人" in texts(page)
    assert {key for key in keys(page) if key.startswith("add_site.")} == {f"add_site.{known.id}"}
    page.text_input(key="add_site.q").set_value("どこにもない").run()
    assert "当てはまる法人はありません" in said(page.warning)
    page.text_input(key="add_site.q").set_value("青空").run()
    assert "**1件**見つかりました。" in texts(page)
    press(page, f"add_site.{known.id}")
    assert "**株式会社青空** に地点を追加します。" in texts(page)
    assert "渋谷区" in texts(page)
    name = page.session_state[f"drafting.add_site.{known.id}"].name
    page.text_area(key=f"sending.{name}.remarks").set_value("お客様番号 777")
    press(page, f"sending.add_site.{known.id}.check")
    press(page, f"sending.add_site.{known.id}.send")
    made = db.scalars(select(Request)).one()
    assert (made.corporation_id, made.remarks) == (known.id, "お客様番号 777")
    assert db.scalars(select(Draft)).all() == []


def test_statements_of_one_corporation_are_not_sent_for_another_and_one_of_another_agency_is_not_there(
    open_page: Open, team: Scene, known: Corporation, db: Session
) -> None:
    other = scene.corporation(db, team.a, "株式会社ほか")
    db.commit()
    page = open_page(team.alice, "add-site", corporation_id=str(known.id))
    assert not page.warning
    name = page.session_state[f"drafting.add_site.{known.id}"].name
    page.text_area(key=f"sending.{name}.remarks").set_value("青空の明細").run()
    page = open_page(team.alice, "add-site", corporation_id=str(other.id))
    assert [area.value for area in page.text_area] == [""]
    page = open_page(team.alice, "add-site", corporation_id=str(known.id))
    assert [area.value for area in page.text_area] == ["青空の明細"]

    page = open_page(team.bob, "add-site", corporation_id=str(known.id))
    assert "見つかりません" in said(page.warning)


def test_what_is_typed_stays_on_the_page_while_the_service_is_away(page: AppTest, line: Line, db: Session) -> None:
    box(page, "last_name").set_value("株式会社青空").run()
    line.cut()
    box(page, "street").set_value("1-2-3").run()
    assert (box(page, "last_name").value, box(page, "street").value) == ("株式会社青空", "1-2-3")
    assert "下書きを保存できていません。" in said(page.warning)

    # Longer than anything is kept from before.
    later = time.monotonic() + cache.CACHE_SECONDS + 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "monotonic", lambda: later)
        box(page, "city").set_value("渋谷区").run()
    assert (box(page, "street").value, box(page, "city").value) == ("1-2-3", "渋谷区")

    line.mend()
    press(page, "drafting.new_request.-.again")
    assert draft_of(db) | {"street": "1-2-3", "city": "渋谷区"} == draft_of(db)
