"""問い合わせ: what waits, the drawer with the next steps, how good support is, and the survey."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from streamlit.testing.v1 import AppTest

from service.core.database.clock import app_now
from service.core.outbox.records import OutboxMessage
from service.reservations.enquiries import actions, schemas
from service.reservations.enquiries.models import Enquiry
from service.reservations.operations.models import Operation
from service.reservations.surveys.models import Invitation, Survey
from tests import people
from tests.api.reservations import scene
from tests.dashboards.conftest import Network, open_address
from tests.dashboards.pages import (
    Screen,
    assert_survives_outage,
    choose_part,
    click_row_action,
    fill,
    keys,
    press,
    rows,
    run,
    texts,
)

LIST, KEY, SURVEYS = "reservations.enquiries.list", "reservations.enquiry", "reservations.surveys"


@pytest.fixture(autouse=True)
def shops_and_services(db: Session) -> None:
    scene.fill(db)
    db.commit()


def create_enquiry(db: Session, **values: Any) -> Enquiry:
    defaults = {
        "party": "customer",
        "channel": "mail",
        "sender_name": "青木 花子",
        "mail": "aoki@example.jp",
        "topic": "領収書について",
        "content": "領収書は発行できますか。",
        "category": "payment",
    }
    actor = people.create_actor(db, f"clerk{len(db.scalars(select(Enquiry.id)).all())}", reservations="support")
    enquiry = actions.register(db, actor, schemas.NewEnquiry.model_validate(defaults | values))
    db.commit()
    return enquiry


def open_enquiries(screen: Screen, role: str = "support") -> AppTest:
    return open_address(screen("sally", reservations=role), "enquiries")


def open_drawer(page: AppTest) -> AppTest:
    click_row_action(page, LIST, "対応する")
    return page


def buttons(page: AppTest) -> set[str]:
    return {str(button.key).removeprefix(f"{KEY}.") for button in page.button if str(button.key).startswith(f"{KEY}.")}


def test_the_page_says_that_nothing_is_to_be_answered_or_what_waits_and_until_when(
    screen: Screen, db: Session, network: Network
) -> None:
    page = open_enquiries(screen)
    assert "現在、未解決の問い合わせはありません。" in texts(page)
    assert "お問い合わせフォームから届くと" in texts(page)

    create_enquiry(db)
    page.run()
    assert "未解決の問い合わせが1件あります。担当者のいないものが1件です。" in texts(page)
    row = rows(page)[0]
    assert (row["件名"], row["次の目標"], row["担当"]) == ("領収書について", "初回応答 あと2時間（営業時間）", "なし")

    scene.set_clock(db, app_now(db) + timedelta(hours=2, minutes=5))
    db.commit()
    page.run()
    assert "目標時間を過ぎたものが1件" in texts(page)
    assert rows(page)[0]["次の目標"] == "初回応答 5分超過"
    assert_survives_outage(page, network)


def test_a_call_is_taken_down(screen: Screen, db: Session) -> None:
    page = open_enquiries(screen)
    press(page, "reservations.enquiries.new")
    press(page, f"{KEY}.create.submit")
    assert "選んでください。" in texts(page)

    values = {"sender_name": "青木 花子", "topic": "時間の変更", "phone": "090-1234-5678", "content": "15時に変えたい"}
    fill(page, f"{KEY}.create", channel="phone", category="booking", **values)
    press(page, f"{KEY}.create.submit")

    [enquiry] = db.scalars(select(Enquiry)).all()
    assert (enquiry.channel, enquiry.phone, enquiry.status, enquiry.faq) == (
        "phone",
        "+819012345678",
        "working",
        "none",
    )
    assert enquiry.first_response_at == app_now(db)


def test_an_answer_goes_out_by_mail_and_is_in_the_history(screen: Screen, db: Session) -> None:
    enquiry = create_enquiry(db)
    page = open_drawer(open_enquiries(screen))
    assert "領収書は発行できますか。" in [element.value for element in page.text]
    press(page, f"{KEY}.answer")
    form = f"{KEY}.answers.{enquiry.id}.1"
    text = page.text_area(key=f"{form}.text.0")
    assert str(text.value).startswith("青木 花子 様")
    text.input("発行できます。")
    fill(page, form, waits=True)
    press(page, f"{form}.submit")

    mail = db.scalars(select(OutboxMessage).where(OutboxMessage.topic == "mail")).one()
    assert mail.payload["body"].startswith("発行できます。")
    db.expire_all()
    assert (enquiry.status, enquiry.first_response_by) == ("waiting", "sally さん")
    assert "メールで回答しました（送信待ち）" in texts(page)


def test_it_becomes_a_manual_operation_of_its_reservation(screen: Screen, db: Session) -> None:
    reservation = scene.create_reservation(db)
    enquiry = create_enquiry(db, reservation=reservation.code)
    page = open_drawer(open_enquiries(screen))
    assert "連絡先が、予約に登録されたものと一致しません。" in texts(page)
    press(page, f"{KEY}.operation")
    press(page, f"{KEY}.operation.{enquiry.id}.1.submit")

    assert db.scalars(select(Operation.kind)).all() == ["customer_enquiry"]
    assert "**依頼者からの問い合わせ** の対応中です" in texts(page)
    assert "operation" not in buttons(page)


def test_it_is_resolved_with_how_it_was_answered(screen: Screen, db: Session) -> None:
    enquiry = create_enquiry(db)
    page = open_drawer(open_enquiries(screen))
    press(page, f"{KEY}.claim")
    db.expire_all()
    assert enquiry.status == "working"
    press(page, f"{KEY}.resolve")
    assert "まだ一度も回答していません。" in texts(page)
    form = f"{KEY}.resolution.{enquiry.id}.2"
    press(page, f"{form}.submit")
    assert "選んでください。" in texts(page)
    fill(page, form, way="faq", outcome="FAQのとおりに案内した", faq=True)
    press(page, f"{form}.submit")

    db.expire_all()
    assert (enquiry.status, enquiry.way, enquiry.faq) == ("resolved", "faq", "wanted")
    assert buttons(page) >= {"reopen", "edit"}
    assert "answer" not in buttons(page)


def test_an_enquiry_is_edited_and_a_concurrent_edit_is_compared(screen: Screen, db: Session) -> None:
    enquiry = create_enquiry(db, phone="090-1234-5678")
    page = open_drawer(open_enquiries(screen))
    press(page, f"{KEY}.edit")
    form = f"{KEY}.edit.{enquiry.id}.1.False"
    actor = people.create_actor(db, "other", reservations="support")
    actions.change(db, actor, enquiry.id, schemas.EnquiryChange.model_validate({"version": 1, "topic": "別の件名"}))
    db.commit()
    fill(page, form, category="other")
    press(page, f"{form}.submit")
    assert "開いたあとにほかの人が変更しました" in texts(page)
    db.expire_all()
    assert (enquiry.category, enquiry.phone) == ("payment", "+819012345678")


def test_an_operator_answers_and_cannot_resolve(screen: Screen, db: Session) -> None:
    create_enquiry(db)
    page = open_drawer(open_enquiries(screen, "operator"))

    assert {"answer", "call", "claim"} <= buttons(page)
    assert not {"resolve", "edit"} & buttons(page)
    assert "reservations.enquiries.new" not in keys(page)


def test_management_sees_figures_and_no_enquiry(screen: Screen, db: Session) -> None:
    enquiry = create_enquiry(db)
    actor = people.create_actor(db, "closer", reservations="support")
    actions.resolve(db, actor, enquiry.id, schemas.Resolution(version=1, way="faq", outcome="済み"))
    db.commit()
    page = open_enquiries(screen, "manager")
    assert "領収書について" not in texts(page)
    assert "今週は1件の問い合わせがありました。" in texts(page)
    assert rows(page)[0]["解決（Medium以下）・中央値"] == "100%（1件中1件）0分"

    page.session_state["by"] = "quarter"
    run(page)
    assert "今四半期は1件の問い合わせがありました。" in texts(page)
    choose_part(page, "満足度調査")
    assert "2030年10〜12月の満足度調査がまだです。" in texts(page)
    assert f"{SURVEYS}.new" not in keys(page)


def test_a_survey_is_prepared_sent_after_the_number_was_shown_and_its_answers_read(screen: Screen, db: Session) -> None:
    reservation = scene.create_reservation(db, mail="aoki@example.jp")
    reservation.state, reservation.closed_at = "completed", app_now(db) - timedelta(days=30)
    db.commit()
    page = open_enquiries(screen)
    choose_part(page, "満足度調査")
    press(page, f"{SURVEYS}.new")
    press(page, f"{SURVEYS}.create.submit")
    survey = db.scalars(select(Survey)).one()
    assert (survey.year, survey.quarter, survey.sent_at) == (2030, 4, None)

    click_row_action(page, f"{SURVEYS}.list", "開く")
    assert "送信先は **1人** です（メール 1人、SMS 0人）。" in texts(page)
    press(page, f"{SURVEYS}.send")
    assert "メール1通とSMS0通を送ります。送信は取り消せません。" in texts(page)
    press(page, f"{SURVEYS}.send.{survey.id}.1.confirm")
    db.expire_all()
    assert survey.sent_at is not None

    invitation = db.scalars(select(Invitation)).one()
    invitation.stars, invitation.comment, invitation.answered_at = 4, "早くて助かりました", app_now(db)
    db.commit()
    page.run()
    assert "1人が回答しました。" in texts(page)
    answers = rows(page, -1)
    assert [(row["評価"], row["コメント"]) for row in answers] == [("★★★★☆ やや満足", "早くて助かりました")]


def test_what_was_typed_into_one_part_of_a_page_filters_no_other_page(db: Session, screen: Screen) -> None:
    page = open_enquiries(screen)
    page.text_input(key="q").input("田中").run()
    choose_part(page, "サポート品質")
    open_address(page, "reservations")
    open_address(page, "enquiries")
    assert page.session_state["part"] == "サポート品質"

    open_address(page, "incidents")

    assert page.text_input(key="q").value == ""
