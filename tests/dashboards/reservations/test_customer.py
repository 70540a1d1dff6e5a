"""連絡先を訂正する on the page of a reservation and in 手動対応."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.reservations.events import rules as e
from service.reservations.flow import actions as flow
from service.reservations.flow.models import Letter
from tests.api.reservations import scene
from tests.dashboards.conftest import opened_at
from tests.dashboards.pages import Screen, press, texts
from tests.dashboards.reservations.test_reservations import ACT, keys, opened

KEY = "reservations.customer"


@pytest.fixture(autouse=True)
def world(db: Session) -> None:
    scene.fill(db)
    db.commit()


def test_a_wrong_number_is_put_right_on_the_page(screen: Screen, db: Session) -> None:
    reservation = scene.awaiting(db)
    db.commit()
    page = opened(screen, reservation)
    press(page, f"{KEY}.open")
    assert "決済リンクを作り直して新しい番号に送り" in texts(page)
    form = f"{ACT}.customer.{reservation.code}.{reservation.version}"
    page.text_input(key=f"{form}.phone.0").input("12")
    page.text_input(key=f"{form}.reason.0").input("お電話で伺った")
    press(page, f"{form}.submit")
    assert "日本の携帯電話の番号を" in texts(page)

    page.text_input(key=f"{form}.phone.0").input("090-5555-0001")
    press(page, f"{form}.submit")

    db.expire_all()
    assert reservation.phone == "+819055550001"
    assert "依頼者の連絡先を訂正しました" in texts(page)
    assert "理由: お電話で伺った" in texts(page)


def test_whose_sms_fail_is_helped_from_the_task(screen: Screen, db: Session) -> None:
    reservation = scene.ask(db)
    flow.happen(db, reservation.id, e.SmsFailed(purpose="request_received"), source="twilio")
    db.commit()
    page = opened_at(screen("olivia", reservations="operator"), "operations")
    page.session_state["reservations.operations.list.clicked"] = (
        "対応する",
        page.session_state["live.reservations.operations.list"].data["items"][0],
    )
    page.run()
    press(page, f"{KEY}.open")
    form = f"{ACT}.customer.{reservation.code}.{reservation.version}"
    page.text_input(key=f"{form}.phone.0").input("090-5555-0001")
    page.text_input(key=f"{form}.reason.0").input("書き間違い")
    press(page, f"{form}.submit")

    db.expire_all()
    assert [one.address for one in db.scalars(select(Letter).order_by(Letter.id))][-1] == "+819055550001"


def test_support_reads_and_corrects_nothing(screen: Screen, db: Session) -> None:
    reservation = scene.ask(db)
    db.commit()

    assert f"{KEY}.open" not in keys(opened(screen, reservation, "support"))
