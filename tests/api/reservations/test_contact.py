"""The public contact form: a question arrives once, is acknowledged, and discloses nothing that is stored."""

from __future__ import annotations

import re
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.outbox.records import OutboxMessage
from service.reservations.enquiries.models import Enquiry
from tests.api.reservations import scene

PAGE = "/contact"
FORM_DATA = {
    "party": "customer",
    "sender_name": "青木 花子",
    "mail": "aoki@example.jp",
    "phone": "",
    "category": "payment",
    "reservation": "",
    "shop": "",
    "topic": "領収書について",
    "content": "領収書は発行できますか。\r\n宛名も変えたいです。",
}


@pytest.fixture(autouse=True)
def shops_and_services(db: Session) -> None:
    scene.fill(db)
    db.commit()


@pytest.fixture
def visitor(client: TestClient) -> TestClient:
    client.follow_redirects = False
    return client


def send(visitor: TestClient, **fields: str) -> Response:
    """Opens the page, fills it in and sends it, as a visitor does."""
    token = re.search(r'name="form_token" value="([^"]+)"', visitor.get(PAGE).text)
    assert token is not None
    return visitor.post(PAGE, data=FORM_DATA | {"form_token": token[1]} | fields)


def stored_enquiries(db: Session) -> list[Enquiry]:
    db.expire_all()
    return list(db.scalars(select(Enquiry).order_by(Enquiry.id)))


def outbox_payloads(db: Session, topic: str) -> list[dict[str, Any]]:
    return [message.payload for message in db.scalars(select(OutboxMessage).where(OutboxMessage.topic == topic))]


def test_a_question_is_stored_acknowledged_and_notified(visitor: TestClient, db: Session) -> None:
    response = send(visitor)
    assert (response.status_code, response.headers["location"]) == (303, "/contact/done")
    assert "お問い合わせを受け付けました" in visitor.get("/contact/done").text

    [enquiry] = stored_enquiries(db)
    assert (enquiry.channel, enquiry.is_from_form, enquiry.status, enquiry.level) == ("mail", True, "received", "low")
    assert enquiry.content == "領収書は発行できますか。\n宛名も変えたいです。"
    [mail] = outbox_payloads(db, "mail")
    assert mail["to"] == ["aoki@example.jp"]
    assert "受け付けました（ENQ-" in mail["subject"]
    # The address is unverified: the mail repeats nothing that was typed.
    assert not any(text in mail["body"] for text in ("領収書", "青木"))
    assert "領収書について: 初回応答の目標は2031/1/8（水）12:00です。" in outbox_payloads(db, "slack")[-1]["text"]


def test_whether_a_reservation_exists_cannot_be_found_out(visitor: TestClient, db: Session) -> None:
    reservation = scene.create_reservation(db)
    db.commit()

    responses = [
        send(visitor, reservation=code, content=f"{code}について") for code in (reservation.code, "QRV-NOPE00", "abc")
    ] + [send(visitor, shop=code, content=f"店舗{code}") for code in ("S001", "S999")]

    assert {(response.status_code, response.headers["location"], response.text) for response in responses} == {
        (303, "/contact/done", "")
    }
    assert [enquiry.reservation_id for enquiry in stored_enquiries(db)[:3]] == [reservation.id, None, None]
    assert [enquiry.reservation_given for enquiry in stored_enquiries(db)[:3]] == [
        reservation.code,
        "QRV-NOPE00",
        "abc",
    ]
    assert [enquiry.shop_id is not None for enquiry in stored_enquiries(db)[3:]] == [True, False]


def test_a_repeated_question_is_stored_once(visitor: TestClient, db: Session) -> None:
    send(visitor)
    send(visitor)

    assert len(stored_enquiries(db)) == len(outbox_payloads(db, "mail")) == 1


def test_errors_are_shown_and_the_typed_values_stay(visitor: TestClient, db: Session) -> None:
    response = send(
        visitor, mail="aoki", sender_name=" ", category="", phone="12", topic="<script>alert(1)</script>", content=""
    )

    assert response.status_code == 422
    assert "まだ送信されていません。5か所の入力を直して" in response.text
    for message in ("メールアドレスの形式で", "日本の電話番号を", "選んでください。", "入力してください。"):
        assert message in response.text
    assert 'value="aoki"' in response.text
    assert "&lt;script&gt;" in response.text
    assert "<script>alert" not in response.text
    assert stored_enquiries(db) == []
    assert send(visitor, content="a" * 4001).status_code == 422
    assert send(visitor, topic="a\x00b").status_code == 422


def test_a_form_without_a_valid_token_is_refused(visitor: TestClient, db: Session) -> None:
    assert visitor.post(PAGE, data=FORM_DATA).status_code == 403
    assert visitor.post(PAGE, data=FORM_DATA | {"form_token": "9999999999.x"}).status_code == 403
    assert stored_enquiries(db) == []


def test_automated_questions_are_rate_limited(visitor: TestClient, db: Session) -> None:
    same_address = [send(visitor, content=f"質問{number}").status_code for number in range(6)]
    assert same_address == [303] * 5 + [429]
    same_client = [send(visitor, content=f"質問{number}", mail=f"a{number}@example.jp") for number in range(6)]
    assert [response.status_code for response in same_client] == [303] * 5 + [429]
    assert "お問い合わせの送信が続いたため" in same_client[-1].text
    assert len(stored_enquiries(db)) == 10


def test_pages_link_to_the_form_with_their_values(visitor: TestClient, db: Session) -> None:
    reservation = scene.confirmed(db)
    path = scene.link(db, reservation, "cancel")
    scene.set_clock(db, reservation.starts_at)
    db.commit()

    assert f'href="/contact?code={reservation.code}"' in visitor.get(path).text
    assert f'value="{reservation.code}"' in visitor.get(PAGE, params={"code": reservation.code}).text
    assert 'value="shop" selected' in visitor.get(PAGE, params={"shop": "S001"}).text
