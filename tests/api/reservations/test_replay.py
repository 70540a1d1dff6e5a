"""What 予約詳細 has next to the facts: why a reservation waits, its steps, and the counts of all reservations."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from service.core.database.clock import app_now
from service.core.values.times import TOKYO
from service.reservations.flow import actions as flow
from service.reservations.models import Reservation
from service.reservations.state_machine import events as e
from service.reservations.state_machine.states import Answer
from tests.api.reservations import scene

SignIn = Callable[..., TestClient]
RESERVATIONS = "/api/reservations/reservations"


@pytest.fixture(autouse=True)
def shops_and_services(db: Session) -> None:
    scene.fill(db)
    db.commit()


@pytest.fixture
def olivia(sign_in: SignIn) -> TestClient:
    return sign_in("olivia", reservations="operator")


def fetch(client: TestClient, path: str, status: int = 200) -> dict[str, Any]:
    response = client.get(f"{RESERVATIONS}/{path}")
    assert response.status_code == status, response.text
    body: dict[str, Any] = response.json()
    return body


def steps(client: TestClient, reservation: Reservation) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = fetch(client, f"{reservation.code}/steps")["items"]
    return items


def refunded_reservation(db: Session) -> Reservation:
    """Refused once, held, paid for, cancelled and refunded."""
    reservation = scene.create_reservation(db)
    scene.pass_time(db)
    scene.record_shop_answer(db, reservation, Answer.REFUSED)
    scene.pass_time(db, timedelta(minutes=1))
    scene.record_shop_answer(db, reservation, Answer.OK)
    ready = e.CheckoutReady(number=scene.case(db, reservation).checkouts, session="cs_1")
    flow.record_event(db, reservation.id, ready, source="stripe")
    flow.record_event(db, reservation.id, e.LinkSent(minutes=10), source="twilio")
    scene.pay(db, reservation, "pi_1")
    flow.record_event(db, reservation.id, e.CancelAsked(by="customer"), source="customer")
    flow.record_event(db, reservation.id, e.RefundDone(intent="pi_1", amount=5500), source="stripe")
    db.commit()
    return reservation


def test_every_step_is_replayed_as_it_was_decided(olivia: TestClient, db: Session) -> None:
    reservation = refunded_reservation(db)
    replayed = steps(olivia, reservation)

    timeline = fetch(olivia, reservation.code)["timeline"][::-1]
    assert [item["number"] for item in replayed] == [item["number"] for item in timeline]
    assert [item["state"] for item in replayed] == [item["state"] for item in timeline]
    assert [item["led_to"] for item in replayed] == [item["led_to"] for item in timeline]
    assert all(item["agrees"] for item in replayed)
    assert replayed[0]["state"] == "requested"
    assert replayed[-1]["state"] == "refunded"


def test_a_step_shows_the_state_at_that_time(olivia: TestClient, db: Session) -> None:
    by_title = {step["title"]: step for step in steps(olivia, refunded_reservation(db))}

    first = by_title["予約リクエストを受け付けました"]
    assert (first["shop_name"], first["paid"], first["calls"], first["pay_until"]) == (None, 0, 0, None)
    linked = by_title["決済リンクを送信しました"]
    assert linked["pay_until"] is not None
    assert linked["shop_name"] == "花工房みどり"
    paid = by_title["決済が完了しました"]
    assert (paid["paid"], paid["refunded"], paid["state_title"]) == (5500, 0, "予約確定")
    assert "予約が確定しています" in paid["progress"]
    assert by_title["返金が完了しました"]["refunded"] == 5500


def test_a_step_that_would_be_decided_differently_today_is_marked(olivia: TestClient, db: Session) -> None:
    reservation = scene.create_reservation(db)
    db.add(scene.contradicting_event(db, reservation))
    db.commit()

    assert [step["agrees"] for step in steps(olivia, reservation)] == [True, False]


def test_while_the_shops_are_closed_neither_steps_nor_timeline_show_a_call(olivia: TestClient, db: Session) -> None:
    scene.set_clock(db, datetime(2031, 1, 7, 22, 30, tzinfo=TOKYO))
    reservation = scene.create_reservation(db)
    scene.pass_time(db)
    db.commit()

    last, entry = steps(olivia, reservation)[-1], fetch(olivia, reservation.code)["timeline"][0]
    assert (last["state"], last["state_title"], entry["state_title"]) == ("calling", *["店舗への電話待ち"] * 2)
    assert last["waits_until"] == last["next_action_at"]
    scene.set_clock(db, datetime(2031, 1, 8, 9, 0, tzinfo=TOKYO))
    scene.pass_time(db)
    db.commit()
    called = steps(olivia, reservation)[-1]
    assert (called["state_title"], called["waits_until"]) == ("店舗に電話中", None)


def test_an_unlisted_shop_is_named_so(olivia: TestClient, db: Session) -> None:
    reservation = scene.create_reservation(db)
    scene.pass_time(db)
    scene.record_shop_answer(db, reservation, Answer.VAGUE)
    flow.record_event(db, reservation.id, e.ShopOk(shop=None, note="花の里 03-1234-5678"), source="operator")
    db.commit()

    last = steps(olivia, reservation)[-1]
    assert (last["shop_name"], last["agrees"]) == ("一覧にない店舗", True)


def test_steps_of_an_unknown_reservation_are_not_found(olivia: TestClient) -> None:
    assert fetch(olivia, "QRV-ZZZZZZ/steps", 404)["detail"] == "この予約は見つかりません。予約IDを確認してください。"


def test_the_detail_says_why_it_waits_as_the_customers_page_does(olivia: TestClient, db: Session) -> None:
    reservation = scene.create_reservation(db)
    scene.pass_time(db)
    scene.record_shop_answer(db, reservation, Answer.VAGUE)
    db.commit()

    detail = fetch(olivia, reservation.code)
    assert detail["progress"].startswith("お店が、その場では決められないと回答しました。")
    assert detail["progress_by"] == detail["next_action_at"] is not None


def test_the_counts_of_all_reservations(olivia: TestClient, db: Session) -> None:
    assert {value for name, value in fetch(olivia, "counts").items() if name != "as_of"} == {0}
    scene.awaiting_payment(db)
    scene.confirmed(db, starts_at=app_now(db) + timedelta(hours=8))
    scene.confirmed(db, starts_at=app_now(db) + timedelta(days=1))
    refunded_reservation(db)
    scene.pass_time(db, timedelta(minutes=1))
    waiting = scene.create_reservation(db, service_code="cake", plan_code="5")
    scene.pass_time(db)
    scene.record_shop_answer(db, waiting, Answer.VAGUE)
    db.commit()

    counts = fetch(olivia, "counts")
    del counts["as_of"]
    assert counts == {
        "total": 5,
        "seeking": 1,
        "paying": 1,
        "confirmed": 2,
        "today": 1,
        "refunding": 0,
        "needs_people": 1,
        "asked_today": 5,
    }
