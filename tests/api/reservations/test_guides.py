"""The guides: public ones are open to all visitors, the operators' ones to the area's users; a new shop is mailed
its own."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from html import unescape
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, func, select, update
from sqlalchemy.orm import Session

from service.core.audit import AuditEntry
from service.core.files.records import File
from service.core.outbox.records import OutboxMessage
from service.core.reports.render import content
from service.core.settings import settings as core_settings
from service.reservations.guides import actions, queries, rules
from service.reservations.guides.models import GuideFile, ShopManual
from service.reservations.guides.rules import GUIDES, PUBLIC_AUDIENCES, SHOP_GUIDES
from service.reservations.models import Plan, Shop
from service.reservations.settings import settings
from tests import pdfs
from tests.api.reservations import partners, scene
from tests.api.reservations.partners import SHOPS

SignIn = Callable[..., TestClient]
API = "/api/reservations/guides"
PUBLIC = [guide.name for guide in GUIDES.values() if guide.audience in PUBLIC_AUDIENCES]
INTERNAL = [guide.name for guide in GUIDES.values() if guide.audience not in PUBLIC_AUDIENCES]


@pytest.fixture(autouse=True)
def shops_and_services(db: Session) -> None:
    scene.fill(db)
    db.commit()


def article_text(page: str) -> str:
    """The text of a page's article, without white space."""
    article = re.search(r"<article.*</article>", page, re.S)
    assert article is not None
    return "".join(unescape(re.sub(r"<[^>]+>", "", article[0])).split())


def guide_texts(value: Any) -> Iterator[str]:
    """Every text of a guide."""
    if isinstance(value, list):
        for item in value:
            yield from guide_texts(item)
    elif isinstance(value, dict):
        yield from (value[name] for name in ("title", "who", "text") if isinstance(value.get(name), str))
        yield from guide_texts([item for item in value.values() if isinstance(item, list)])


def test_the_list_links_to_every_public_guide(client: TestClient) -> None:
    page = client.get("/guides/")

    assert page.status_code == 200
    linked = set(re.findall(r'href="/guides/([a-z-]+)"', page.text))
    assert linked == set(PUBLIC)
    assert {f"{name}.pdf" for name in PUBLIC} == set(re.findall(r'href="/guides/([a-z-]+\.pdf)"', page.text))
    client.follow_redirects = False
    assert client.get("/guides").headers["location"] == "/guides/"


@pytest.mark.parametrize("name", PUBLIC)
def test_a_page_and_its_pdf_say_the_same(client: TestClient, db: Session, name: str) -> None:
    page, pdf = client.get(f"/guides/{name}"), client.get(f"/guides/{name}.pdf")

    assert (page.status_code, pdf.status_code) == (200, 200)
    assert pdf.headers["content-type"] == "application/pdf"
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    page_text = article_text(page.text)
    printed = "".join("".join(pdfs.page_texts(pdf.content)).split())
    texts = [text for text in guide_texts(content(queries.guide_report(db, GUIDES[name]))["sections"]) if text.strip()]
    assert len(texts) > 10
    for text in texts:
        assert "".join(text.split()) in page_text, text
        # In the PDF a page break may split a long text.
        assert "".join(text.split())[:12] in printed or len(text) < 3, text


@pytest.mark.parametrize("name", [*INTERNAL, "nothing", "../rules"])
def test_guides_for_operators_are_not_public(client: TestClient, name: str) -> None:
    for path in (f"/guides/{name}", f"/guides/{name}.pdf"):
        refused = client.get(path)
        assert refused.status_code == 404
        assert "インシデント" not in refused.text
        assert "見つかりません" in refused.text


def test_the_faq_has_a_search_and_every_question_opens(client: TestClient) -> None:
    page = client.get("/guides/faq").text

    assert page.count("<details") > 20
    assert "data-search" in page
    assert re.search(r'src="/public/static/questions\.[0-9a-f]+\.js"', page)
    assert "data-search" not in client.get("/guides/cancel").text


def test_contacts_are_shown_as_soon_as_they_are_set(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    assert 'href="/contact"' in client.get("/guides/").text
    assert "tel:" not in client.get("/guides/").text

    monkeypatch.setattr(settings(), "support_phone", "03-1111-2222")
    monkeypatch.setattr(settings(), "support_mail", "help@qrv.example")
    for path in ("/guides/", "/guides/faq", "/guides/quick-start", "/guides/shop-trouble"):
        text = client.get(path).text
        assert "03-1111-2222" in text, path
        assert "help@qrv.example" in text, path


def test_a_price_that_changes_changes_page_and_pdf(client: TestClient, db: Session) -> None:
    before = client.get("/guides/quick-start.pdf").content
    db.execute(update(Plan).where(Plan.price == 5500).values(price=5777))
    db.commit()

    assert "5,777円" in client.get("/guides/quick-start").text
    after = client.get("/guides/quick-start.pdf").content
    assert "5,777円" in "".join(pdfs.page_texts(after))
    assert "5,777円" not in "".join(pdfs.page_texts(before))
    # The second request does not render it again.
    assert client.get("/guides/quick-start.pdf").content == after


@pytest.mark.parametrize("role", ["operator", "support", "manager", "admin"])
def test_all_roles_of_the_area_read_all_guides(sign_in: SignIn, role: str) -> None:
    client = sign_in("olivia", reservations=role)

    items = client.get(API).json()["items"]
    assert [item["name"] for item in items] == [*GUIDES]
    assert {item["name"] for item in items if item["url"]} == set(PUBLIC)
    manual = client.get(f"{API}/operations").json()
    assert manual["title"] == "運用マニュアル"
    assert "手動対応の進め方" in [section["title"] for section in manual["sections"]]
    assert client.get(f"{API}/operations.pdf").headers["content-type"] == "application/pdf"


def test_charlie_of_another_area_reads_none_of_them(sign_in: SignIn, client: TestClient, db: Session) -> None:
    charlie = sign_in("charlie", fleet="admin")
    shop = db.scalars(select(Shop.id).limit(1)).one()

    for path in (API, f"{API}/operations", f"{API}/operations.pdf", f"{SHOPS}/{shop}/manual"):
        assert charlie.get(path).status_code == 403
    assert charlie.post(f"{SHOPS}/{shop}/manual", json={"version": 1}).status_code == 403


def test_readers_cannot_send_a_manual(sign_in: SignIn, db: Session) -> None:
    sam, shop = sign_in("sam", reservations="support"), db.scalars(select(Shop.id).limit(1)).one()

    assert sam.get(f"{SHOPS}/{shop}/manual").json()["state"] == "due"
    assert sam.post(f"{SHOPS}/{shop}/manual", json={"version": 1}).status_code == 403


def session_opener(db: Session) -> Callable[[], AbstractContextManager[Session]]:
    @contextmanager
    def open_session() -> Iterator[Session]:
        yield db
        db.flush()

    return open_session


def mails(db: Session) -> list[OutboxMessage]:
    query = select(OutboxMessage).where(OutboxMessage.topic == "mail", OutboxMessage.subject == "shop")
    return list(db.scalars(query.order_by(OutboxMessage.id)))


def send_manuals(db: Session) -> int:
    sent = actions.send_due(session_opener(db))
    db.commit()
    return sent


def manual_state(client: TestClient, key: int) -> dict[str, Any]:
    manual: dict[str, Any] = client.get(f"{SHOPS}/{key}/manual").json()
    return manual


def test_every_shop_is_mailed_its_manual_once_with_the_same_four_files(db: Session) -> None:
    assert send_manuals(db) == 6
    assert send_manuals(db) == 0

    sent = mails(db)
    assert len(sent) == 6
    assert len({tuple(mail.payload["attachments"]) for mail in sent}) == 1
    assert db.scalar(select(func.count()).select_from(GuideFile)) == 4
    files = [db.get_one(File, file_id) for file_id in sent[0].payload["attachments"]]
    assert [file.name for file in files] == [f"{guide.title}.pdf" for guide in SHOP_GUIDES]
    assert sum(file.size for file in files) < 2 * 1024 * 1024
    assert all(file.attached_at for file in files)
    ginza = next(mail for mail in sent if mail.payload["to"] == ["ginza@flower.example"])
    assert ginza.payload["subject"] == "【QRV】提携店向けマニュアルをお送りします"
    assert ginza.payload["body"].startswith("フラワー銀座 御中\n佐藤 花 様\n")
    entries = db.scalars(select(AuditEntry).where(AuditEntry.subject == "shop", AuditEntry.actor == actions.JOB)).all()
    assert len(entries) == 6


def test_a_shop_that_is_new_lifted_or_gets_an_address_is_mailed_then(sign_in: SignIn, db: Session) -> None:
    client = sign_in("olivia", reservations="operator")
    send_manuals(db)
    without_mail = partners.create_shop(client, "A1", name="花の里")
    stopped = partners.create_shop(client, "A2", mail="stopped@flower.example")
    assert client.post(f"{SHOPS}/{stopped}/blacklist", json={"reason": "苦情"}).status_code == 204
    archived = partners.create_shop(client, "A3", mail="gone@flower.example")
    assert client.post(f"{SHOPS}/{archived}/archive").status_code == 204
    assert [manual_state(client, key)["state"] for key in (without_mail, stopped, archived)] == ["none", "none", "none"]
    assert send_manuals(db) == 0

    assert (
        client.patch(f"{SHOPS}/{without_mail}", json={"version": 1, "mail": "sato@flower.example"}).status_code == 204
    )
    assert manual_state(client, without_mail)["state"] == "due"
    assert client.post(f"{SHOPS}/{stopped}/lift", json={"reason": "解決"}).status_code == 204
    assert send_manuals(db) == 2
    assert {mail.payload["to"][0] for mail in mails(db)[6:]} == {"sato@flower.example", "stopped@flower.example"}
    manual = manual_state(client, without_mail)
    assert (manual["state"], manual["sent_to"]) == ("waiting", "sato@flower.example")
    # Sending does not change the shop's version: an edit is not stale.
    assert client.patch(f"{SHOPS}/{without_mail}", json={"version": 2, "note": "電話は午前中"}).status_code == 204


def test_a_manual_is_sent_again_on_request_and_shows_its_state(sign_in: SignIn, db: Session) -> None:
    client = sign_in("olivia", reservations="operator")
    send_manuals(db)
    key = db.scalars(select(Shop.id).where(Shop.code == "S001")).one()
    mail = next(message for message in mails(db) if message.payload["to"] == ["ginza@flower.example"])
    assert manual_state(client, key)["state"] == "waiting"
    mail.sent_at = func.now()
    db.commit()
    assert manual_state(client, key) | {"sent_at": None} == {
        "state": "sent",
        "sent_at": None,
        "sent_to": "ginza@flower.example",
        "error": None,
        "titles": [guide.title for guide in SHOP_GUIDES],
    }

    assert client.post(f"{SHOPS}/{key}/manual", json={"version": 1}).status_code == 204
    again = client.post(f"{SHOPS}/{key}/manual", json={"version": 2})
    assert (again.status_code, "まもなく" in again.json()["detail"]) == (409, True)
    assert manual_state(client, key)["state"] == "due"
    assert send_manuals(db) == 1
    assert len(mails(db)) == 7
    assert db.scalar(select(func.count()).select_from(GuideFile)) == 4

    newest = mails(db)[-1]
    newest.dead_at, newest.last_error = func.now(), "宛先を拒否されました（550）"
    db.commit()
    assert (manual_state(client, key)["state"], manual_state(client, key)["error"]) == (
        "failed",
        "宛先を拒否されました（550）",
    )
    history = partners.history(client, SHOPS, key)
    assert [change["after"] for entry in history for change in entry["changes"] if change["field"] == "manual"] == [
        "送付",
        "再送を依頼",
        "送付",
    ]


def test_what_cannot_be_sent_again_is_refused_with_a_reason(sign_in: SignIn, db: Session) -> None:
    client = sign_in("olivia", reservations="operator")
    without_mail = partners.create_shop(client, "A1")
    stopped = partners.create_shop(client, "A2", mail="stopped@flower.example")
    client.post(f"{SHOPS}/{stopped}/blacklist", json={"reason": "苦情"})

    for key, version, message in (
        (without_mail, 1, "メールアドレス"),
        (stopped, 2, "利用停止中"),
        (without_mail, 9, "ほかの人が先に"),
    ):
        refused = client.post(f"{SHOPS}/{key}/manual", json={"version": version})
        assert refused.status_code == 409
        assert message in refused.json()["detail"]
    assert client.post(f"{SHOPS}/999999/manual", json={"version": 1}).status_code == 404
    assert client.get(f"{SHOPS}/999999/manual").status_code == 404


@pytest.mark.parametrize(("room", "attached"), [(0, 4), (-1, 0)])
def test_guides_are_attached_where_they_are_not_too_large_for_a_mail(
    db: Session, monkeypatch: pytest.MonkeyPatch, room: int, attached: int
) -> None:
    send_manuals(db)
    sizes = [db.get_one(File, file_id).size for file_id in mails(db)[0].payload["attachments"]]
    monkeypatch.setattr(rules, "MAX_ATTACHED_BYTES", sum(sizes) + room)
    db.execute(update(Shop).where(Shop.code == "S001").values(manual_sent_at=None))
    db.commit()

    assert send_manuals(db) == 1
    assert len(mails(db)[-1].payload.get("attachments", [])) == attached


def test_a_changed_guide_is_another_file_and_the_old_one_stays(db: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    send_manuals(db)
    first = mails(db)[0].payload["attachments"]
    monkeypatch.setattr(settings(), "call_minutes", 9)
    db.execute(update(Shop).where(Shop.code == "S001").values(manual_sent_at=None))
    db.commit()
    assert send_manuals(db) == 1

    second = mails(db)[-1].payload["attachments"]
    # Only the manual names the length of a call.
    assert [old == new for old, new in zip(first, second, strict=True)] == [False, True, True, True]
    assert db.get_one(File, first[0]).attached_at is not None
    manual = db.scalars(select(ShopManual).order_by(ShopManual.id.desc())).first()
    assert manual is not None
    assert [str(file_id) for file_id in manual.files] == second


def test_two_senders_at_once_mail_each_shop_once(pooled_engine: Engine) -> None:
    @contextmanager
    def open_session() -> Iterator[Session]:
        with Session(pooled_engine) as db, db.begin():
            yield db

    sent: list[int] = []
    barrier = threading.Barrier(4)

    def run() -> None:
        barrier.wait()
        sent.append(actions.send_due(open_session))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with Session(pooled_engine) as db:
        assert sum(sent) == 6
        assert len(sent) == 4
        assert sorted(mail.payload["to"][0] for mail in mails(db)) == sorted(db.scalars(select(Shop.mail)))
        assert db.scalar(select(func.count()).select_from(GuideFile)) == 4
        assert db.scalar(select(func.count()).select_from(File).where(File.purpose == "reservations.guide")) == 4


def test_messages_and_pages_link_to_the_guides(client: TestClient, db: Session) -> None:
    reservation = scene.confirmed(db, mail="hanako@mail.example")
    path = scene.link(db, reservation, "cancel")
    db.commit()
    address = queries.current_facts(db).address

    bodies = db.scalars(
        select(OutboxMessage.payload["body"].astext).where(
            OutboxMessage.topic == "mail", OutboxMessage.subject == "reservation"
        )
    ).all()
    assert any(f"よくある質問: {address}/guides/faq" in body for body in bodies)
    assert any(f"提携店向けマニュアル: {address}/guides/shop-manual" in body for body in bodies)
    page = client.get(path).text
    for url in re.findall(r'href="(/guides/[^"]*)"', page):
        assert client.get(url).status_code == 200
    assert 'href="/guides/cancel"' in page
    assert 'href="/guides/faq"' in page


def test_guides_name_the_public_address(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core_settings(), "mode", "production")
    monkeypatch.setattr(core_settings(), "public_base_url", "https://qrv.example/")

    assert "https://qrv.example/mcp" in client.get("/guides/connect").text
    assert "https://qrv.example/guides/faq" in client.get("/guides/quick-start").text
