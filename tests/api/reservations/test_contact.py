"""The public form for questions: it arrives once, is acknowledged, and says nothing of what is known."""

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
TYPED = {
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
def world(db: Session) -> None:
    scene.fill(db)
    db.commit()


@pytest.fixture
def visitor(client: TestClient) -> TestClient:
    client.follow_redirects = False
    return client


def send(visitor: TestClient, **said: str) -> Response:
    """What a person does: opens the page, fills it in, and presses the button."""
    token = re.search(r'name="form_token" value="([^"]+)"', visitor.get(PAGE).text)
    assert token is not None
    return visitor.post(PAGE, data=TYPED | {"form_token": token[1]} | said)


def kept(db: Session) -> list[Enquiry]:
    db.expire_all()
    return list(db.scalars(select(Enquiry).order_by(Enquiry.id)))


def told(db: Session, topic: str) -> list[dict[str, Any]]:
    return [one.payload for one in db.scalars(select(OutboxMessage).where(OutboxMessage.topic == topic))]


def test_what_is_sent_is_kept_acknowledged_and_told(visitor: TestClient, db: Session) -> None:
    answer = send(visitor)
    assert (answer.status_code, answer.headers["location"]) == (303, "/contact/done")
    assert "お問い合わせを受け付けました" in visitor.get("/contact/done").text

    [enquiry] = kept(db)
    assert (enquiry.channel, enquiry.is_from_form, enquiry.status, enquiry.level) == ("mail", True, "received", "low")
    assert enquiry.content == "領収書は発行できますか。\n宛名も変えたいです。"
    [mail] = told(db, "mail")
    assert mail["to"] == ["aoki@example.jp"]
    assert "受け付けました（ENQ-" in mail["subject"]
    # To whatever address was typed goes nothing of what was typed.
    assert not any(said in mail["body"] for said in ("領収書", "青木"))
    assert "領収書について: 初回応答の目標は2031/1/8（水）12:00です。" in told(db, "slack")[-1]["text"]


def test_whether_a_reservation_exists_cannot_be_found_out(visitor: TestClient, db: Session) -> None:
    reservation = scene.ask(db)
    db.commit()

    answers = [
        send(visitor, reservation=code, content=f"{code}について") for code in (reservation.code, "QRV-NOPE00", "abc")
    ] + [send(visitor, shop=code, content=f"店舗{code}") for code in ("S001", "S999")]

    assert {(one.status_code, one.headers["location"], one.text) for one in answers} == {(303, "/contact/done", "")}
    assert [one.reservation_id for one in kept(db)[:3]] == [reservation.id, None, None]
    assert [one.reservation_given for one in kept(db)[:3]] == [reservation.code, "QRV-NOPE00", "abc"]
    assert [one.shop_id is not None for one in kept(db)[3:]] == [True, False]


def test_sent_twice_it_is_one(visitor: TestClient, db: Session) -> None:
    send(visitor)
    send(visitor)

    assert len(kept(db)) == len(told(db, "mail")) == 1


def test_what_has_to_be_corrected_is_said_and_what_was_typed_stays(visitor: TestClient, db: Session) -> None:
    answer = send(
        visitor, mail="aoki", sender_name=" ", category="", phone="12", topic="<script>alert(1)</script>", content=""
    )

    assert answer.status_code == 422
    assert "まだ送信されていません。5か所の入力を直して" in answer.text
    for said in ("メールアドレスの形式で", "日本の電話番号を", "選んでください。", "入力してください。"):
        assert said in answer.text
    assert 'value="aoki"' in answer.text
    assert "&lt;script&gt;" in answer.text
    assert "<script>alert" not in answer.text
    assert kept(db) == []
    assert send(visitor, content="a" * 4001).status_code == 422
    assert send(visitor, topic="a\x00b").status_code == 422


def test_a_form_of_nobody_is_refused(visitor: TestClient, db: Session) -> None:
    assert visitor.post(PAGE, data=TYPED).status_code == 403
    assert visitor.post(PAGE, data=TYPED | {"form_token": "9999999999.x"}).status_code == 403
    assert kept(db) == []


def test_a_program_that_fills_it_in_is_stopped(visitor: TestClient, db: Session) -> None:
    to_one = [send(visitor, content=f"質問{place}").status_code for place in range(6)]
    assert to_one == [303] * 5 + [429]
    from_one = [send(visitor, content=f"質問{place}", mail=f"a{place}@example.jp") for place in range(6)]
    assert [one.status_code for one in from_one] == [303] * 5 + [429]
    assert "お問い合わせの送信が続いたため" in from_one[-1].text
    assert len(kept(db)) == 10


def test_pages_lead_there_with_what_they_know(visitor: TestClient, db: Session) -> None:
    reservation = scene.confirmed(db)
    path = scene.link(db, reservation, "cancel")
    scene.set_clock(db, reservation.starts_at)
    db.commit()

    assert f'href="/contact?code={reservation.code}"' in visitor.get(path).text
    assert f'value="{reservation.code}"' in visitor.get(PAGE, params={"code": reservation.code}).text
    assert 'value="shop" selected' in visitor.get(PAGE, params={"shop": "S001"}).text
