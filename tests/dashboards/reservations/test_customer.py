"""連絡先を訂正する on the page of a reservation and in 手動対応."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.reservations.flow import actions as flow
from service.reservations.outgoing.models import Message
from service.reservations.state_machine import events as e
from tests.api.reservations import scene
from tests.dashboards.conftest import open_address
from tests.dashboards.pages import Screen, click_row_action, fill, press, texts
from tests.dashboards.reservations.test_reservations import ACT, open_reservation

KEY = "reservations.customer"


@pytest.fixture(autouse=True)
def shops_and_services(db: Session) -> None:
    scene.fill(db)
    db.commit()


def test_a_wrong_number_is_corrected_on_the_page(screen: Screen, db: Session) -> None:
    reservation = scene.awaiting_payment(db)
    db.commit()
    page = open_reservation(screen, reservation)
    press(page, f"{KEY}.open")
    assert "決済リンクを作り直して新しい番号に送り" in texts(page)
    form = f"{ACT}.customer.{reservation.code}.{reservation.version}"
    fill(page, form, phone="12", reason="お電話で伺った")
    press(page, f"{form}.submit")
    assert "日本の携帯電話の番号を" in texts(page)

    fill(page, form, phone="090-5555-0001")
    press(page, f"{form}.submit")

    db.expire_all()
    assert reservation.phone == "+819055550001"
    assert "依頼者の連絡先を訂正しました" in texts(page)
    assert "理由: お電話で伺った" in texts(page)


def test_whose_sms_fail_is_helped_from_the_task(screen: Screen, db: Session) -> None:
    reservation = scene.create_reservation(db)
    flow.record_event(db, reservation.id, e.SmsFailed(purpose="request_received"), source="twilio")
    db.commit()
    page = open_address(screen("olivia", reservations="operator"), "operations")
    click_row_action(page, "reservations.operations.list", "対応する")
    press(page, f"{KEY}.open")
    form = f"{ACT}.customer.{reservation.code}.{reservation.version}"
    fill(page, form, phone="090-5555-0001", reason="書き間違い")
    press(page, f"{form}.submit")

    db.expire_all()
    assert [message.address for message in db.scalars(select(Message).order_by(Message.id))][-1] == "+819055550001"
