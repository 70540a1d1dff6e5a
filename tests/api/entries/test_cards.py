"""The parent card: a link is issued, mailed, printed, opened and revoked, each within its nursery and in the audit
log."""

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
from service.entries.models import Card, Child, Nursery, Parent
from tests import pdfs, people
from tests.api.entries.test_masters import sign_in_member

SignIn = Callable[..., TestClient]
OPEN = "/api/entries/cards/open"


def issue_card(client: TestClient, parent_id: int = 123456) -> str:
    """The link, as staff see it."""
    response = client.post("/api/entries/cards/issue", json={"parent_ids": [parent_id]})
    assert response.status_code == 200, response.text
    url: str = client.get(f"/api/entries/parents/{parent_id}/card").json()["url"]
    return url


def token(url: str) -> str:
    return url.partition("#")[2]


def test_a_link_opens_the_card_with_the_symbol_of_the_parents_number(
    db: Session, client: TestClient, sakura: Nursery
) -> None:
    url = issue_card(sign_in_member(db, client, sakura))
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
    for index, dark in enumerate(bars):
        if dark == "1":
            picture.paste(0, (index * 3, 0, index * 3 + 3, 150))
    [barcode] = zxingcpp.read_barcodes(picture)
    assert (barcode.format.name, barcode.text) == ("Code128", "123456")


def test_a_link_stays_the_same_until_it_is_revoked_and_the_next_one_is_another(
    db: Session, client: TestClient, sakura: Nursery
) -> None:
    sign_in_member(db, client, sakura)
    first, again = issue_card(client), issue_card(client)
    revoked = client.post("/api/entries/parents/123456/card/revoke")
    missing = client.get("/api/entries/parents/123456/card")
    second = issue_card(client)

    opened = [client.post(OPEN, json={"token": token(url)}).status_code for url in (first, second)]

    assert (first == again, first == second) == (True, False)
    assert (revoked.status_code, missing.status_code) == (204, 404)
    assert opened == [404, 200]


def test_every_invalid_link_gets_the_same_answer(
    db: Session, client: TestClient, sakura: Nursery, himawari: Nursery
) -> None:
    people.signed_in_client(db, client, people.create_user(db, "alice", entries="admin"))
    revoked, archived, of_archived_nursery = issue_card(client), issue_card(client, 1), issue_card(client, 223456)
    client.post("/api/entries/parents/123456/card/revoke")
    client.post("/api/entries/parents/1/archive")
    client.post(f"/api/entries/nurseries/{himawari.id}/archive")
    opened_once = [revoked, archived, of_archived_nursery]
    wrong = [*map(token, opened_once), "x" * 43, "é", token(revoked)[:-1]]

    responses = [client.post(OPEN, json={"token": value}) for value in wrong]

    assert {response.status_code for response in responses} == {404}
    assert {response.json()["detail"] for response in responses} == {rules.INVALID_LINK}


def test_guessing_is_rate_limited_and_families_behind_one_address_are_not(
    db: Session, client: TestClient, sakura: Nursery
) -> None:
    url = issue_card(sign_in_member(db, client, sakura))
    for _ in range(actions.WRONG_LINKS.most + 5):
        assert client.post(OPEN, json={"token": token(url)}).status_code == 200

    wrong = [client.post(OPEN, json={"token": "x" * 43}).status_code for _ in range(actions.WRONG_LINKS.most + 1)]

    assert wrong == [404] * actions.WRONG_LINKS.most + [429]


def test_mail_has_the_link_and_parents_without_an_address_are_named(
    db: Session, client: TestClient, sakura: Nursery
) -> None:
    sign_in_member(db, client, sakura)
    refused = client.post("/api/entries/cards/mail", json={"parent_ids": [123456]})
    db.get_one(Parent, 123456).mail = "hanako@example.com"
    db.commit()

    sent = client.post("/api/entries/cards/mail", json={"nursery_id": sakura.id})

    [message] = db.scalars(select(OutboxMessage).where(OutboxMessage.area == "entries"))
    assert refused.status_code == 409
    assert "山田花子さんのメールアドレスが登録されていません" in refused.json()["detail"]
    assert sent.json() == {"mailed": 1, "without_mail": 1}
    assert (message.payload["to"], message.tenant_id) == (["hanako@example.com"], sakura.id)
    assert issue_card(client) in message.payload["body"]
    assert message.title == "【さくら保育園】入退管理バーコードのご案内"


def test_paper_cards_are_read_at_the_documents_size_and_lead_to_the_phone(
    db: Session, client: TestClient, sakura: Nursery
) -> None:
    sign_in_member(db, client, sakura)
    url = issue_card(client)

    pdf = client.get("/api/entries/cards/sheet.pdf", params={"nursery_id": sakura.id})

    [codes] = pdfs.barcodes(pdf.content)
    assert pdfs.page_sizes(pdf.content) == {(210, 297)}
    assert sorted((kind, text) for kind, text, _, _ in codes) == [
        ("Code128", "1"),
        ("Code128", "123456"),
        ("QRCode", url),
    ]
    [page] = pdfs.page_texts(pdf.content)
    for label in ("山田花子 様", "佐藤太郎 様", "123456", "さくら保育園", "使い方"):
        assert label in page
    assert rules.HOW_TO in page.replace(" ", "")


def test_a_class_is_its_childrens_parents(db: Session, client: TestClient, sakura: Nursery) -> None:
    sign_in_member(db, client, sakura)
    db.scalars(select(Child).where(Child.name == "佐藤次郎")).one().class_name = "うさぎ組"
    db.commit()

    created = client.post("/api/entries/cards/issue", json={"class_name": "うさぎ組"})
    refused = client.post("/api/entries/cards/issue", json={"class_name": "ぞう組"})

    assert created.json() == {"issued": 1, "there": 0}
    assert db.scalars(select(Card.parent_id)).all() == [1]
    assert (refused.status_code, "保護者がいません" in refused.json()["detail"]) == (422, True)


def test_what_is_done_with_cards_is_in_the_audit_log(db: Session, client: TestClient, sakura: Nursery) -> None:
    sign_in_member(db, client, sakura)
    db.get_one(Parent, 123456).mail = "hanako@example.com"
    db.commit()
    issue_card(client)
    client.post("/api/entries/cards/mail", json={"parent_ids": [123456]})
    client.get("/api/entries/cards/sheet.pdf", params={"parent_ids": [123456]})
    client.post("/api/entries/parents/123456/card/revoke")

    entries = db.execute(
        select(AuditEntry.action, AuditEntry.after).where(AuditEntry.subject == "card").order_by(AuditEntry.id)
    ).all()

    assert [(action, after.get("parent_id"), after.get("sent_to")) for action, after in entries] == [
        ("create", 123456, None),
        ("update", 123456, "hanako@example.com"),
        ("export", None, None),
        ("status_change", 123456, None),
    ]


@pytest.mark.parametrize("role", ["nursery_admin", "staff"])
def test_another_nurserys_cards_are_not_found_and_staff_issue_none(
    db: Session, client: TestClient, sakura: Nursery, himawari: Nursery, role: str
) -> None:
    issue_card(sign_in_member(db, client, himawari), 223456)
    sign_in_member(db, client, sakura, role)

    responses = [
        client.get("/api/entries/parents/223456/card"),
        client.post("/api/entries/parents/223456/card/revoke"),
        client.post("/api/entries/cards/issue", json={"parent_ids": [223456]}),
        client.post("/api/entries/cards/issue", json={"nursery_id": himawari.id}),
        client.post("/api/entries/cards/mail", json={"parent_ids": [123456, 223456]}),
        client.get("/api/entries/cards/sheet.pdf", params={"parent_ids": [223456]}),
    ]

    assert {response.status_code for response in responses} == {404 if role == "nursery_admin" else 403}
    assert db.scalars(select(Card.revoked_at)).all() == [None]


def test_the_page_and_its_files_are_public(client: TestClient) -> None:
    page = client.get("/parent-card")
    worker = client.get("/parent-card/worker.js")

    assert (page.status_code, worker.status_code) == (200, 200)
    assert "unsafe" not in page.headers["content-security-policy"]
    assert worker.headers["service-worker-allowed"] == "/parent-card"
    assert "/parent-card/card.js" in worker.text.splitlines()[0]
    assert client.get("/parent-card/card.html").status_code == 404
