"""手動対応: the queue says what is due, the drawer what the document says to do, and offers what is possible now."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from streamlit.testing.v1 import AppTest

from service.core.database.clock import app_now
from service.core.values.times import TOKYO
from service.reservations.flow import actions as flow
from service.reservations.models import Reservation
from service.reservations.operations import actions as operations
from service.reservations.operations.models import Operation
from service.reservations.roster.models import Shift
from service.reservations.state_machine import events as e
from service.reservations.state_machine.states import Answer, Task
from tests import people
from tests.api.reservations import scene
from tests.dashboards.conftest import Network, open_address
from tests.dashboards.pages import (
    Screen,
    assert_survives_outage,
    choose_part,
    click_row_action,
    fill,
    html,
    keys,
    overlays,
    press,
    rows,
    texts,
)

LIST, KEY, ACT, ROSTER = (
    "reservations.operations.list",
    "reservations.operation",
    "reservations.act",
    "reservations.roster",
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
        {"is_shop": True, "text": "少し検討します。"},
    ]
    db.commit()
    return reservation


def open_operations(screen: Screen, role: str = "operator", name: str = "olivia") -> AppTest:
    return open_address(screen(name, reservations=role), "operations")


def open_drawer(page: AppTest) -> AppTest:
    click_row_action(page, LIST, "対応する")
    return page


def buttons(page: AppTest) -> set[str]:
    return {str(button.key).removeprefix(f"{ACT}.") for button in page.button if str(button.key).startswith(f"{ACT}.")}


def state(db: Session, reservation: Reservation) -> str:
    db.expire_all()
    return reservation.state


def test_with_nothing_to_do_the_page_says_so(screen: Screen) -> None:
    page = open_operations(screen)

    assert "現在、手動対応が必要な予約はありません。" in texts(page)
    assert "手動対応が必要な予約はありません" in texts(page)


def test_the_page_says_what_is_late_and_what_has_no_owner(screen: Screen, db: Session, network: Network) -> None:
    reservation = vague_reservation(db)
    page = open_operations(screen)
    assert "手動対応が1件あります。担当者のいないものが1件です。" in texts(page)
    row = rows(page)[0]
    assert (row["内容"], row["予約ID"], row["担当"]) == ("曖昧な回答", reservation.code, "なし")
    assert row["残り時間"] == "あと1時間（営業時間）"

    scene.set_clock(db, app_now(db) + timedelta(minutes=75))
    db.commit()
    page.run()
    assert "期限を過ぎたものが1件" in texts(page)
    assert rows(page)[0]["残り時間"] == "15分超過"
    assert_survives_outage(page, network)


def test_the_drawer_has_the_procedure_the_call_and_what_is_possible_and_the_task_is_taken_and_given_back(
    screen: Screen, db: Session
) -> None:
    reservation = vague_reservation(db)
    page = open_drawer(open_operations(screen))

    text = texts(page)
    assert "1. 該当の提携店に電話で確認します（1時間以内）。" in text
    assert "百瀬 桃" in text
    assert "白いバラで" in text
    assert ":orange-background[**少し検討します。**]" in text
    assert f"/reservation?code={reservation.code}" in html(page)
    assert {"shop_ok", "shop_refused", "rearrange", "cancel"} <= buttons(page)
    assert not {"accept_change", "mail_link", "retry_refund", "cancel_late"} & buttons(page)
    assert f"{KEY}.correct.1" in keys(page)
    assert not [key for key in keys(page) if f"{KEY}.resolution" in key]

    press(page, f"{KEY}.claim")
    assert db.scalars(select(Operation.owner_id)).one() is not None
    assert "担当 olivia さん" in texts(page)
    assert overlays(page)[-2:] == ["dialog", "toast"]
    press(page, f"{KEY}.release")
    assert db.scalars(select(Operation.owner_id)).one() is None


def test_the_shops_answer_is_recorded_and_a_second_operator_sees_a_message_until_it_is_closed(
    screen: Screen, db: Session
) -> None:
    reservation = vague_reservation(db)
    first, second = (open_drawer(open_operations(screen, name=name)) for name in ("olivia", "oscar"))
    form = f"{ACT}.shop-agreed.{reservation.code}.{reservation.version}"
    for page in (first, second):
        press(page, f"{ACT}.shop_ok")
        assert "決済リンクをSMSで送ります" in texts(page)
        assert page.selectbox(key=f"{form}.shop_id.0").value is not None
        press(page, f"{form}.submit")
    assert state(db, reservation) == "calling_success"
    assert "店舗OK（決済準備中）" in texts(first)
    assert "期限内に完了" in texts(first)

    message = "この予約は、画面を開いたあとに変わりました"
    assert message in texts(second)
    second.run()  # The page around it refreshes.
    assert message in texts(second)


def test_a_refusal_is_confirmed_before_the_next_shop_is_called(screen: Screen, db: Session) -> None:
    reservation = vague_reservation(db)
    page = open_drawer(open_operations(screen))
    press(page, f"{ACT}.shop_refused")
    assert "次の提携店への電話を再開します。" in texts(page)
    assert state(db, reservation) == "pending_shop_response"
    press(page, f"{ACT}.shop-refused.{reservation.code}.{reservation.version}.confirm")

    assert state(db, reservation) == "calling"


def test_a_change_needs_the_customers_consent(screen: Screen, db: Session) -> None:
    reservation = scene.create_reservation(db)
    scene.pass_time(db)
    scene.record_shop_answer(db, reservation, Answer.CHANGE_REQUESTED)
    db.commit()
    page = open_drawer(open_operations(screen))
    press(page, f"{ACT}.accept_change")
    form = f"{ACT}.change-accepted.{reservation.code}.{reservation.version}"
    fill(page, form, plan="s")
    press(page, f"{form}.submit")
    assert state(db, reservation) == "change_requested"

    fill(page, form, consented=True)
    press(page, f"{form}.submit")
    assert (state(db, reservation), reservation.price) == ("calling_success", 3300)


def test_a_link_goes_by_mail_to_a_customer_who_gets_no_sms(screen: Screen, db: Session) -> None:
    reservation = scene.awaiting_payment(db)
    flow.record_event(db, reservation.id, e.SmsFailed(purpose="payment_link"), source="twilio")
    db.commit()
    page = open_drawer(open_operations(screen))
    assert "send_link" not in buttons(page)
    press(page, f"{ACT}.mail_link")
    form = f"{ACT}.link-by-mail.{reservation.code}.{reservation.version}"
    fill(page, form, mail="hanako@mail.example")
    press(page, f"{form}.submit")

    db.expire_all()
    assert reservation.mail == "hanako@mail.example"


def test_a_late_cancellation_says_what_is_refunded_and_asks_for_the_shops_consent(screen: Screen, db: Session) -> None:
    reservation = scene.confirmed(db)
    scene.set_clock(db, reservation.starts_at - timedelta(hours=40))
    flow.record_event(db, reservation.id, e.LateCancelAsked(), source="customer", note="入院しました")
    db.commit()
    page = open_drawer(open_operations(screen))
    assert "入院しました" in texts(page)
    press(page, f"{ACT}.cancel_late")
    assert "決済済みの¥5,500を全額返金します。" in texts(page)
    form = f"{ACT}.cancel.{reservation.code}.{reservation.version}"
    fill(page, form, reason="入院のため")
    press(page, f"{form}.submit")
    assert "提携店の承諾を得てから" in texts(page)

    fill(page, form, shop_agreed=True)
    press(page, f"{form}.submit")
    assert state(db, reservation) == "refund_pending"


def test_an_operation_without_a_step_of_the_reservation_is_resolved_with_an_outcome(
    screen: Screen, db: Session
) -> None:
    reservation = scene.create_reservation(db)
    operation = operations.open_operation(db, reservation.id, reservation.code, Task.CUSTOMER_ENQUIRY)
    db.commit()
    page = open_drawer(open_operations(screen))
    fill(page, f"{KEY}.resolution.{operation.id}", outcome="説明した")
    press(page, f"{KEY}.resolution.{operation.id}.submit")

    db.expire_all()
    assert operation.outcome == "説明した"


def test_support_reads_and_notes_contacts_and_has_no_other_button(screen: Screen, db: Session) -> None:
    reservation = vague_reservation(db)
    page = open_drawer(open_operations(screen, "support"))
    assert buttons(page) - {f"contact.{reservation.code}.submit"} == set()
    fill(page, f"{ACT}.contact.{reservation.code}", text="15時に折り返す")
    press(page, f"{ACT}.contact.{reservation.code}.submit")

    assert "15時に折り返す" in texts(page)


def test_a_shift_is_added_to_the_roster_and_removed(screen: Screen, db: Session) -> None:
    oscar = people.create_user(db, "oscar", reservations="operator")
    db.commit()
    page = open_operations(screen)
    choose_part(page, "オンコール当番")
    press(page, f"{ROSTER}.new")
    fill(page, f"{ROSTER}.create", user_id=str(oscar.id), phone="090-7777-0001")
    press(page, f"{ROSTER}.create.submit")
    shift = db.scalars(select(Shift)).one()
    assert (shift.user_id, shift.phone) == (oscar.id, "+819077770001")
    assert shift.starts_at == datetime(2031, 1, 8, 18, tzinfo=TOKYO)
    assert rows(page)[0]["電話番号"] == "090-7777-0001"

    click_row_action(page, f"{ROSTER}.list", "外す")
    assert "誰にもSMSを送りません" in texts(page)
    press(page, f"{ROSTER}.remove.{shift.id}.confirm")
    db.expire_all()
    assert shift.archived_at is not None
