"""予約一覧 and 予約詳細: the list filters, the page says in which state a reservation is, why, and what can be done."""

from __future__ import annotations

import re
from datetime import time, timedelta

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session
from streamlit.testing.v1 import AppTest

from dashboards.menu import page_for_subject
from dashboards.reservations import words
from dashboards.ui.status import Status
from service.core.database.clock import app_now
from service.core.database.session import Base
from service.core.values.times import TOKYO
from service.reservations.flow import actions as flow
from service.reservations.models import Reservation
from service.reservations.outgoing.models import Message, Payment, Refund
from service.reservations.state_machine import events as e
from service.reservations.state_machine.states import Answer, State
from tests import people
from tests.api.reservations import scene
from tests.dashboards.conftest import Network, open_address
from tests.dashboards.pages import (
    Screen,
    assert_survives_outage,
    fill,
    keys,
    press,
    rows,
    run,
    texts,
    titles,
    toasts,
    widget,
)

KEY, ACT, NEW, REPLAY = (
    "reservations.reservation",
    "reservations.act",
    "reservations.reservation.new",
    "reservations.replay",
)


@pytest.fixture(autouse=True)
def shops_and_services(db: Session) -> None:
    scene.fill(db)
    db.commit()


def vague_reservation(db: Session) -> Reservation:
    reservation = scene.create_reservation(db, customer_name="百瀬 桃", phone="090-8888-1234", wishes="白いバラで")
    scene.pass_time(db)
    call = scene.record_shop_answer(db, reservation, Answer.VAGUE)
    call.reading = {"why": "検討するとの回答", "quote": "検討します", "staff": "佐藤", "change": ""}
    call.transcript = [
        {"is_shop": False, "text": "ご予約をお願いできますか。"},
        *[{"is_shop": True, "text": "お待ちください。"}] * 60,
        {"is_shop": True, "text": "少し検討します。"},
    ]
    db.commit()
    return reservation


def open_list(screen: Screen, role: str = "operator", **query: str) -> AppTest:
    return open_address(screen(f"list-{role}", reservations=role), "reservations", **query)


def open_reservation(screen: Screen, reservation: Reservation | str, role: str = "operator") -> AppTest:
    code = reservation if isinstance(reservation, str) else reservation.code
    return open_address(screen("olivia", reservations=role), "reservation", code=code)


def state(db: Session, reservation: Reservation) -> str:
    db.expire_all()
    return reservation.state


def test_every_state_has_the_services_label() -> None:
    assert {code: status.label for code, status in words.STATE.items()} == State.labels()


@pytest.mark.parametrize(
    ("model", "labels"), [(Message, words.MESSAGE), (Payment, words.PAYMENT), (Refund, words.REFUND)]
)
def test_every_status_of_messages_and_money_has_its_label(model: type[Base], labels: dict[str, Status]) -> None:
    checks = [
        str(getattr(constraint, "sqltext", "")) for constraint in Base.metadata.tables[model.__tablename__].constraints
    ]
    allowed = next(text for text in checks if text.startswith("status IN"))

    assert set(re.findall(r"'(\w+)'", allowed)) == set(labels)


def test_without_reservations_and_without_a_known_code_the_pages_say_what_to_do(screen: Screen) -> None:
    page = open_list(screen)
    assert "まだ予約はありません。" in texts(page)
    assert "「予約を受け付ける」で登録した予約が並びます。" in texts(page)
    assert "予約一覧から選んでください。" in texts(open_address(page, "reservation"))
    unknown = open_address(page, "reservation", code="QRV-ZZZZZZ")
    assert "この予約は見つかりません。予約IDを確認してください。" in texts(unknown)


def test_the_list_has_a_summary_is_filtered_by_its_address_and_conditions_and_leads_to_each_page(
    screen: Screen, db: Session
) -> None:
    reservation = vague_reservation(db)
    scene.confirmed(db, service_code="cake", plan_code="5")
    scene.awaiting_payment(db, service_code="cake", plan_code="5")
    db.commit()
    page = open_list(screen)
    assert "店舗を探している予約が**1件**、決済を待つ予約が**1件**あります。" in texts(page)
    assert "確定している予約は1件で、うち今日が0件です。" in texts(page)
    assert "手動対応が必要な予約が1件" in texts(page)
    row = next(row for row in rows(page) if row["予約ID"] == reservation.code)
    assert (row["ステータス"], row["依頼者"], row["手動対応"]) == (["店舗の回答待ち"], "百瀬 桃", "1件")

    page = open_address(screen("oscar", reservations="operator"), "reservations", state="店舗の回答待ち")
    for condition in ({"state": "pending_shop_response"}, {"q": "8888"}, {"needs_people": "true"}):
        for key in ("q", "state", "needs_people"):
            widget(page, key).set_value(condition.get(key, "" if key == "q" else None))
        run(page)
        assert [row["予約ID"] for row in rows(page)] == [reservation.code], condition
        assert "該当 **1件**" in texts(page)

    page.session_state["reservations.reservations.list.clicked"] = ("詳細", {"code": reservation.code})
    run(page)
    assert titles(page) == ["予約詳細"]
    assert "百瀬 桃" in texts(page)


def test_an_operator_takes_a_reservation_its_complaints_stand_at_their_fields_and_an_odd_time_is_asked_about(
    screen: Screen, db: Session
) -> None:
    page = open_list(screen)
    press(page, "reservations.reservations.new")
    page.selectbox(key=f"{NEW}.service").select("bouquet").run()
    fill(page, NEW, plan="m", customer_name="電話 太郎", phone="12345")
    press(page, f"{NEW}.submit")
    assert "日本の携帯電話の番号を" in texts(page)

    fill(page, NEW, phone="090-1234-5678")
    for hour in (3, 4):
        fill(page, NEW, starts_at_time=time(hour))
        press(page, f"{NEW}.submit")
        assert "午前と午後の取り違えがないか" in texts(page)
        assert db.scalars(select(Reservation)).all() == []
    # Pressing again confirms that time.
    press(page, f"{NEW}.submit")
    reservation = db.scalars(select(Reservation)).one()
    assert (reservation.customer_name, reservation.price, reservation.phone) == ("電話 太郎", 5500, "+819012345678")
    assert reservation.starts_at.astimezone(TOKYO).hour == 4
    assert toasts(page) == [f"電話 太郎様の予約 {reservation.code} を受け付けました。"]
    assert rows(page)[0]["予約ID"] == reservation.code


def test_support_takes_no_reservations_corrects_nothing_and_notes_a_contact(screen: Screen, db: Session) -> None:
    reservation = vague_reservation(db)
    assert "reservations.reservations.new" not in keys(open_list(screen, "support"))
    page = open_reservation(screen, reservation, "support")
    assert not {key for key in keys(page) if key.startswith(ACT) or ".correct." in key}
    assert "reservations.customer.open" not in keys(page)

    press(page, f"{KEY}.contact")
    fill(page, f"{ACT}.contact.{reservation.code}", text="15時に折り返す")
    press(page, f"{ACT}.contact.{reservation.code}.submit")
    assert "15時に折り返す" in texts(page)


def test_the_page_says_why_it_waits_the_deciding_sentence_and_offers_exactly_what_is_possible(
    screen: Screen, db: Session, network: Network
) -> None:
    page = open_reservation(screen, vague_reservation(db))

    assert "百瀬 桃**様の" in texts(page)
    assert "店舗の回答待ち" in texts(page)
    assert "お店が、その場では決められないと回答しました。" in texts(page)
    assert "対応待ち" in [subheader.value for subheader in page.subheader]
    buttons = {key.removeprefix(f"{ACT}.") for key in keys(page) if key.startswith(f"{ACT}.")}
    assert buttons == {"shop_ok", "shop_refused", "rearrange", "cancel"}
    # However long the call was.
    assert ":orange-background[**少し検討します。**]" in texts(page)
    assert ":orange-background[**お待ちください" not in texts(page)

    scene.set_clock(db, app_now(db) + timedelta(minutes=75))
    db.commit()
    page.run()
    assert "期限を過ぎています" in texts(page)
    assert_survives_outage(page, network)
    assert "お店が、その場では決められないと回答しました。" in texts(page)


def test_what_was_misheard_is_corrected_on_the_page(screen: Screen, db: Session) -> None:
    reservation = vague_reservation(db)
    page = open_reservation(screen, reservation)
    press(page, f"{KEY}.correct.1")
    form = f"{ACT}.calls/1/answer.{reservation.code}.{reservation.version}"
    fill(page, form, answer="ok")
    press(page, f"{form}.submit")

    assert state(db, reservation) == "calling_success"
    assert "店舗OK（決済準備中）" in texts(page)
    assert "olivia さんが訂正しました（自動の判定: なし）" in texts(page)


def test_a_correction_that_is_too_late_shows_a_message_and_changes_nothing(
    screen: Screen, db: Session, network: Network
) -> None:
    reservation = vague_reservation(db)
    page = open_reservation(screen, reservation)
    other_operator = people.signed_in_client(
        db, TestClient(network.service.app), people.create_user(db, "oscar", reservations="operator")
    )
    press(page, f"{KEY}.correct.1")
    version = reservation.version
    other_operator.post(
        f"/api/reservations/reservations/{reservation.code}/cancel", json={"version": version, "reason": "希望"}
    )
    form = f"{ACT}.calls/1/answer.{reservation.code}.{version}"
    fill(page, form, answer="ok")
    press(page, f"{form}.submit")

    assert "画面を開いたあとに変わりました（今は「キャンセル」です）" in texts(page)
    assert state(db, reservation) == "cancelled"


def test_the_timeline_is_followed_from_its_first_event_to_its_last(screen: Screen, db: Session) -> None:
    reservation = scene.confirmed(db)
    db.commit()
    page = open_reservation(screen, reservation)
    last = len(scene.timeline(db, reservation))
    slider = page.slider(key=f"{REPLAY}.{reservation.code}")
    assert (slider.value, slider.max) == (last, last)
    assert "決済が完了しました" in texts(page)

    slider.set_value(1).run()
    assert f"1 / {last}" in texts(page)
    assert page.button(key=f"{REPLAY}.previous").disabled
    assert "これから、お店に順番に電話をかけて確認します。" in texts(page)

    press(page, f"{REPLAY}.next")
    assert f"2 / {last}" in texts(page)
    assert "お店に電話をかけて、予約できるか確認しています。" in texts(page)


def test_a_new_reservation_has_neither_calls_nor_money_yet_and_a_decision_that_would_differ_today_is_marked(
    screen: Screen, db: Session
) -> None:
    reservation = scene.create_reservation(db)
    db.commit()
    page = open_reservation(screen, reservation)
    assert "まだ電話をかけていません" in texts(page)
    assert "まだ決済はありません" in texts(page)
    assert "対応待ち" not in [subheader.value for subheader in page.subheader]
    assert f"{REPLAY}.{reservation.code}" not in {str(slider.key) for slider in page.slider}

    db.add(scene.contradicting_event(db, reservation))
    db.commit()
    run(page)
    assert "記録された経過のうち1件は、今の規則で計算し直すと当時と違う結果になります。" in texts(page)
    assert "当時の判断とは異なります。" in texts(page)


def test_a_failed_refund_is_shown_with_its_error_and_its_button(screen: Screen, db: Session) -> None:
    reservation = scene.confirmed(db)
    flow.record_event(db, reservation.id, e.CancelAsked(by="customer"), source="customer")
    flow.record_event(
        db, reservation.id, e.RefundFailed(intent=f"pi_{reservation.code}"), source="stripe", note="口座なし"
    )
    db.commit()
    page = open_reservation(screen, reservation)

    assert "5,500円の返金が完了していないため、担当者が確認しています。" in texts(page)
    assert "返金 1回目" in texts(page)
    assert f"{ACT}.retry_refund" in keys(page)

    page.button(key=f"{ACT}.refunded_otherwise").click().run()
    next(area for area in page.text_area if ".how." in str(area.key)).set_value("口座へ振込")
    next(button for button in page.button if button.label == "返金済みにする").click().run()

    db.refresh(reservation)
    assert (reservation.state, reservation.refunded) == ("refunded", 5500)


def test_messages_say_whether_they_arrived_and_hide_the_customers_keys(screen: Screen, db: Session) -> None:
    reservation = scene.awaiting_payment(db)
    link = scene.link(db, reservation, "pay")
    message = db.scalars(select(Message).where(Message.purpose == "payment_link", Message.channel == "sms")).one()
    message.status, message.error = "undelivered", "番号が使われていません"
    db.commit()
    page = open_reservation(screen, reservation)

    labels = [expander.label for expander in page.expander]
    assert any("不達" in label and "決済リンク" in label for label in labels)
    assert "番号が使われていません" in texts(page)
    bodies = [element.value for element in page.text]
    assert any("/pay/…" in body for body in bodies)
    assert not any(link in body for body in bodies)


def test_a_notification_about_a_reservation_leads_to_it() -> None:
    page = page_for_subject("reservations", "reservation")

    assert page is not None
    assert page.address("QRV-ABC234") == "/reservation?code=QRV-ABC234"
    assert page.address(None) == "/reservation"
