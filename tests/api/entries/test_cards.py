"""The parent's card: a link is issued, mailed, printed, opened and revoked, each within its nursery and on record."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import zxingcpp
from fastapi.testclient import TestClient
from PIL import Image
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.audit import AuditEntry
from service.core.outbox.records import OutboxMessage
from service.core.settings import settings
from service.entries.cards import actions, rules
from service.entries.cards.models import Card
from service.entries.models import Child, Nursery, Parent
from tests import paper, people
from tests.api.entries.test_masters import manager

SignIn = Callable[..., TestClient]
OPEN = "/api/entries/cards/open"


def issued(client: TestClient, parent_id: int = 123456) -> str:
    """The link, as staff see it."""
    answer = client.post("/api/entries/cards/issue", json={"parent_ids": [parent_id]})
    assert answer.status_code == 200, answer.text
    url: str = client.get(f"/api/entries/parents/{parent_id}/card").json()["url"]
    return url


def token(url: str) -> str:
    return url.partition("#")[2]


def test_a_link_opens_the_card_with_the_symbol_of_the_parents_number(
    db: Session, client: TestClient, sakura: Nursery
) -> None:
    url = issued(manager(db, client, sakura))
    del client.headers["Authorization"]

    card = client.post(OPEN, json={"token": token(url)}).json()

    assert url.startswith(f"{settings().service_url}/parent-card#")
    assert {name: card[name] for name in ("parentId", "parentName", "nurseryName")} == {
        "parentId": 123456,
        "parentName": "山田花子",
        "nurseryName": "さくら保育園",
    }
    bars = "0" * 10 + card["modules"] + "0" * 10
    picture = Image.new("L", (len(bars) * 3, 150), 255)
    for place, dark in enumerate(bars):
        if dark == "1":
            picture.paste(0, (place * 3, 0, place * 3 + 3, 150))
    [found] = zxingcpp.read_barcodes(picture)
    assert (found.format.name, found.text) == ("Code128", "123456")


def test_a_link_stays_the_same_until_it_is_revoked_and_the_next_one_is_another(
    db: Session, client: TestClient, sakura: Nursery
) -> None:
    manager(db, client, sakura)
    first, again = issued(client), issued(client)
    revoked = client.post("/api/entries/parents/123456/card/revoke")
    none = client.get("/api/entries/parents/123456/card")
    second = issued(client)

    opened = [client.post(OPEN, json={"token": token(url)}).status_code for url in (first, second)]

    assert (first == again, first == second) == (True, False)
    assert (revoked.status_code, none.status_code) == (204, 404)
    assert opened == [404, 200]


def test_whatever_is_wrong_with_a_link_the_answer_is_one(
    db: Session, client: TestClient, sakura: Nursery, himawari: Nursery
) -> None:
    people.signed_in(db, client, people.person(db, "alice", entries="admin"))
    revoked, archived, of_archived_nursery = issued(client), issued(client, 1), issued(client, 223456)
    client.post("/api/entries/parents/123456/card/revoke")
    client.post("/api/entries/parents/1/archive")
    client.post(f"/api/entries/nurseries/{himawari.id}/archive")
    opened_once = [revoked, archived, of_archived_nursery]
    wrong = [*map(token, opened_once), "x" * 43, "é", token(revoked)[:-1]]

    answers = [client.post(OPEN, json={"token": given}) for given in wrong]

    assert {answer.status_code for answer in answers} == {404}
    assert {answer.json()["detail"] for answer in answers} == {rules.INVALID_LINK}


def test_guessing_is_stopped_and_families_behind_one_address_are_not(
    db: Session, client: TestClient, sakura: Nursery
) -> None:
    url = issued(manager(db, client, sakura))
    for _ in range(actions.WRONG_LINKS.most + 5):
        assert client.post(OPEN, json={"token": token(url)}).status_code == 200

    wrong = [client.post(OPEN, json={"token": "x" * 43}).status_code for _ in range(actions.WRONG_LINKS.most + 1)]

    assert wrong == [404] * actions.WRONG_LINKS.most + [429]


def test_mail_carries_the_link_and_says_who_has_no_address(db: Session, client: TestClient, sakura: Nursery) -> None:
    manager(db, client, sakura)
    nobody = client.post("/api/entries/cards/mail", json={"parent_ids": [123456]})
    db.get_one(Parent, 123456).mail = "hanako@example.com"
    db.commit()

    sent = client.post("/api/entries/cards/mail", json={"nursery_id": sakura.id})

    [message] = db.scalars(select(OutboxMessage).where(OutboxMessage.area == "entries"))
    assert nobody.status_code == 409
    assert "山田花子さんのメールアドレスが登録されていません" in nobody.json()["detail"]
    assert sent.json() == {"mailed": 1, "without_mail": 1}
    assert (message.payload["to"], message.tenant_id) == (["hanako@example.com"], sakura.id)
    assert issued(client) in message.payload["body"]
    assert message.title == "【さくら保育園】入退管理バーコードのご案内"


def test_paper_cards_are_read_at_the_documents_size_and_lead_to_the_phone(
    db: Session, client: TestClient, sakura: Nursery
) -> None:
    manager(db, client, sakura)
    url = issued(client)

    pdf = client.get("/api/entries/cards/sheet.pdf", params={"nursery_id": sakura.id})

    [found] = paper.codes(pdf.content)
    assert paper.sizes(pdf.content) == {(210, 297)}
    assert sorted((kind, text) for kind, text, _, _ in found) == [
        ("Code128", "1"),
        ("Code128", "123456"),
        ("QRCode", url),
    ]
    [words] = paper.pages(pdf.content)
    for said in ("山田花子 様", "佐藤太郎 様", "123456", "さくら保育園", "使い方"):
        assert said in words
    assert rules.HOW_TO in words.replace(" ", "")


def test_a_class_is_its_childrens_parents(db: Session, client: TestClient, sakura: Nursery) -> None:
    manager(db, client, sakura)
    db.scalars(select(Child).where(Child.name == "佐藤次郎")).one().class_name = "うさぎ組"
    db.commit()

    made = client.post("/api/entries/cards/issue", json={"class_name": "うさぎ組"})
    nobody = client.post("/api/entries/cards/issue", json={"class_name": "ぞう組"})

    assert made.json() == {"issued": 1, "there": 0}
    assert db.scalars(select(Card.parent_id)).all() == [1]
    assert (nobody.status_code, "保護者がいません" in nobody.json()["detail"]) == (422, True)


def test_what_is_done_with_cards_is_on_record(db: Session, client: TestClient, sakura: Nursery) -> None:
    manager(db, client, sakura)
    db.get_one(Parent, 123456).mail = "hanako@example.com"
    db.commit()
    issued(client)
    client.post("/api/entries/cards/mail", json={"parent_ids": [123456]})
    client.get("/api/entries/cards/sheet.pdf", params={"parent_ids": [123456]})
    client.post("/api/entries/parents/123456/card/revoke")

    told = db.execute(
        select(AuditEntry.action, AuditEntry.after).where(AuditEntry.subject == "card").order_by(AuditEntry.id)
    ).all()

    assert [(action, after.get("parent_id"), after.get("sent_to")) for action, after in told] == [
        ("create", 123456, None),
        ("update", 123456, "hanako@example.com"),
        ("export", None, None),
        ("status_change", 123456, None),
    ]


@pytest.mark.parametrize("role", ["nursery_admin", "staff"])
def test_others_cards_are_nobodys_and_staff_issue_none(
    db: Session, client: TestClient, sakura: Nursery, himawari: Nursery, role: str
) -> None:
    issued(manager(db, client, himawari), 223456)
    manager(db, client, sakura, role)

    answers = [
        client.get("/api/entries/parents/223456/card"),
        client.post("/api/entries/parents/223456/card/revoke"),
        client.post("/api/entries/cards/issue", json={"parent_ids": [223456]}),
        client.post("/api/entries/cards/issue", json={"nursery_id": himawari.id}),
        client.post("/api/entries/cards/mail", json={"parent_ids": [123456, 223456]}),
        client.get("/api/entries/cards/sheet.pdf", params={"parent_ids": [223456]}),
    ]

    assert {answer.status_code for answer in answers} == {404 if role == "nursery_admin" else 403}
    assert db.scalars(select(Card.revoked_at)).all() == [None]


def test_the_page_and_its_files_are_there_for_everybody(client: TestClient) -> None:
    page = client.get("/parent-card")
    worker = client.get("/parent-card/worker.js")

    assert (page.status_code, worker.status_code) == (200, 200)
    assert "unsafe" not in page.headers["content-security-policy"]
    assert worker.headers["service-worker-allowed"] == "/parent-card"
    assert "/parent-card/card.js" in worker.text.splitlines()[0]
    assert client.get("/parent-card/card.html").status_code == 404
