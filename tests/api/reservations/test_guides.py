"""The guides: everybody's are open to everybody, the operators' to nobody else; and a new shop is mailed its own."""

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
from service.core.settings import settings as floor
from service.reservations.guides import actions, queries, rules
from service.reservations.guides.models import GuideFile, ShopManual
from service.reservations.guides.rules import GUIDES, PUBLIC_AUDIENCES, SHOP_GUIDES
from service.reservations.services.models import Plan
from service.reservations.settings import settings
from service.reservations.shops.models import Shop
from tests import paper
from tests.api.reservations import partners, scene
from tests.api.reservations.partners import SHOPS

SignIn = Callable[..., TestClient]
API = "/api/reservations/guides"
OPEN = [guide.name for guide in GUIDES.values() if guide.audience in PUBLIC_AUDIENCES]
INSIDE = [guide.name for guide in GUIDES.values() if guide.audience not in PUBLIC_AUDIENCES]


@pytest.fixture(autouse=True)
def world(db: Session) -> None:
    scene.fill(db)
    db.commit()


def shown(page: str) -> str:
    """What a page says, without the blanks of its making."""
    article = re.search(r"<article.*</article>", page, re.S)
    assert article is not None
    return "".join(unescape(re.sub(r"<[^>]+>", "", article[0])).split())


def words(value: Any) -> Iterator[str]:
    """Every text of a guide."""
    if isinstance(value, list):
        for one in value:
            yield from words(one)
    elif isinstance(value, dict):
        yield from (value[name] for name in ("title", "who", "text") if isinstance(value.get(name), str))
        yield from words([one for one in value.values() if isinstance(one, list)])


def test_the_list_leads_to_every_guide_that_is_everybodys(client: TestClient) -> None:
    page = client.get("/guides/")

    assert page.status_code == 200
    led = set(re.findall(r'href="/guides/([a-z-]+)"', page.text))
    assert led == set(OPEN)
    assert {f"{name}.pdf" for name in OPEN} == set(re.findall(r'href="/guides/([a-z-]+\.pdf)"', page.text))
    client.follow_redirects = False
    assert client.get("/guides").headers["location"] == "/guides/"


@pytest.mark.parametrize("name", OPEN)
def test_a_page_and_its_pdf_say_the_same(client: TestClient, db: Session, name: str) -> None:
    page, pdf = client.get(f"/guides/{name}"), client.get(f"/guides/{name}.pdf")

    assert (page.status_code, pdf.status_code) == (200, 200)
    assert pdf.headers["content-type"] == "application/pdf"
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    told = shown(page.text)
    printed = "".join("".join(paper.pages(pdf.content)).split())
    texts = [text for text in words(content(queries.guide_report(db, GUIDES[name]))["sections"]) if text.strip()]
    assert len(texts) > 10
    for text in texts:
        assert "".join(text.split()) in told, text
        # On paper a long one may be cut by the foot of a page.
        assert "".join(text.split())[:12] in printed or len(text) < 3, text


@pytest.mark.parametrize("name", [*INSIDE, "nothing", "../rules"])
def test_what_is_for_operators_is_no_page_for_everybody(client: TestClient, name: str) -> None:
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


def test_people_are_named_as_soon_as_they_can_be_reached(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    assert 'href="/contact"' in client.get("/guides/").text
    assert "tel:" not in client.get("/guides/").text

    monkeypatch.setattr(settings(), "support_phone", "03-1111-2222")
    monkeypatch.setattr(settings(), "support_mail", "help@qrv.example")
    for path in ("/guides/", "/guides/faq", "/guides/quick-start", "/guides/shop-trouble"):
        told = client.get(path).text
        assert "03-1111-2222" in told, path
        assert "help@qrv.example" in told, path


def test_a_price_that_changes_changes_page_and_paper(client: TestClient, db: Session) -> None:
    before = client.get("/guides/quick-start.pdf").content
    db.execute(update(Plan).where(Plan.price == 5500).values(price=5777))
    db.commit()

    assert "5,777円" in client.get("/guides/quick-start").text
    after = client.get("/guides/quick-start.pdf").content
    assert "5,777円" in "".join(paper.pages(after))
    assert "5,777円" not in "".join(paper.pages(before))
    # Asked again, it is not set anew.
    assert client.get("/guides/quick-start.pdf").content == after


@pytest.mark.parametrize("role", ["operator", "support", "manager", "admin"])
def test_everybody_of_the_area_reads_all_of_them(sign_in: SignIn, role: str) -> None:
    client = sign_in("olivia", reservations=role)

    items = client.get(API).json()["items"]
    assert [one["name"] for one in items] == [*GUIDES]
    assert {one["name"] for one in items if one["url"]} == set(OPEN)
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


def test_who_only_reads_sends_no_manual(sign_in: SignIn, db: Session) -> None:
    sam, shop = sign_in("sam", reservations="support"), db.scalars(select(Shop.id).limit(1)).one()

    assert sam.get(f"{SHOPS}/{shop}/manual").json()["state"] == "due"
    assert sam.post(f"{SHOPS}/{shop}/manual", json={"version": 1}).status_code == 403


def opener(db: Session) -> Callable[[], AbstractContextManager[Session]]:
    @contextmanager
    def opened() -> Iterator[Session]:
        yield db
        db.flush()

    return opened


def mails(db: Session) -> list[OutboxMessage]:
    found = select(OutboxMessage).where(OutboxMessage.topic == "mail", OutboxMessage.subject == "shop")
    return list(db.scalars(found.order_by(OutboxMessage.id)))


def send(db: Session) -> int:
    sent = actions.send_due(opener(db))
    db.commit()
    return sent


def state(client: TestClient, key: int) -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"{SHOPS}/{key}/manual").json()
    return found


def test_every_shop_is_mailed_its_manual_once_with_the_same_four_files(db: Session) -> None:
    assert send(db) == 6
    assert send(db) == 0

    listed = mails(db)
    assert len(listed) == 6
    assert len({tuple(one.payload["attachments"]) for one in listed}) == 1
    assert db.scalar(select(func.count()).select_from(GuideFile)) == 4
    files = [db.get_one(File, one) for one in listed[0].payload["attachments"]]
    assert [file.name for file in files] == [f"{guide.title}.pdf" for guide in SHOP_GUIDES]
    assert sum(file.size for file in files) < 2 * 1024 * 1024
    assert all(file.attached_at for file in files)
    ginza = next(one for one in listed if one.payload["to"] == ["ginza@flower.example"])
    assert ginza.payload["subject"] == "【QRV】提携店向けマニュアルをお送りします"
    assert ginza.payload["body"].startswith("フラワー銀座 御中\n佐藤 花 様\n")
    trail = db.scalars(select(AuditEntry).where(AuditEntry.subject == "shop", AuditEntry.actor == actions.JOB)).all()
    assert len(trail) == 6


def test_who_is_registered_imported_or_gets_an_address_later_is_mailed_then(sign_in: SignIn, db: Session) -> None:
    client = sign_in("olivia", reservations="operator")
    send(db)
    silent = partners.shop(client, "A1", name="花の里")
    stopped = partners.shop(client, "A2", mail="stopped@flower.example")
    assert client.post(f"{SHOPS}/{stopped}/blacklist", json={"reason": "苦情"}).status_code == 204
    gone = partners.shop(client, "A3", mail="gone@flower.example")
    assert client.post(f"{SHOPS}/{gone}/archive").status_code == 204
    assert [state(client, key)["state"] for key in (silent, stopped, gone)] == ["none", "none", "none"]
    assert send(db) == 0

    assert client.patch(f"{SHOPS}/{silent}", json={"version": 1, "mail": "sato@flower.example"}).status_code == 204
    assert state(client, silent)["state"] == "due"
    assert client.post(f"{SHOPS}/{stopped}/lift", json={"reason": "解決"}).status_code == 204
    assert send(db) == 2
    assert {one.payload["to"][0] for one in mails(db)[6:]} == {"sato@flower.example", "stopped@flower.example"}
    told = state(client, silent)
    assert (told["state"], told["sent_to"]) == ("waiting", "sato@flower.example")
    # Whoever edits the shop meanwhile has the newest version still.
    assert client.patch(f"{SHOPS}/{silent}", json={"version": 2, "note": "電話は午前中"}).status_code == 204


def test_a_manual_is_sent_again_on_a_persons_word_and_says_how_it_stands(sign_in: SignIn, db: Session) -> None:
    client = sign_in("olivia", reservations="operator")
    send(db)
    key = db.scalars(select(Shop.id).where(Shop.code == "S001")).one()
    mail = next(one for one in mails(db) if one.payload["to"] == ["ginza@flower.example"])
    assert state(client, key)["state"] == "waiting"
    mail.sent_at = func.now()
    db.commit()
    assert state(client, key) | {"sent_at": None} == {
        "state": "sent",
        "sent_at": None,
        "sent_to": "ginza@flower.example",
        "error": None,
        "titles": [guide.title for guide in SHOP_GUIDES],
    }

    assert client.post(f"{SHOPS}/{key}/manual", json={"version": 1}).status_code == 204
    again = client.post(f"{SHOPS}/{key}/manual", json={"version": 2})
    assert (again.status_code, "まもなく" in again.json()["detail"]) == (409, True)
    assert state(client, key)["state"] == "due"
    assert send(db) == 1
    assert len(mails(db)) == 7
    assert db.scalar(select(func.count()).select_from(GuideFile)) == 4

    newest = mails(db)[-1]
    newest.dead_at, newest.last_error = func.now(), "宛先を拒否されました（550）"
    db.commit()
    assert (state(client, key)["state"], state(client, key)["error"]) == ("failed", "宛先を拒否されました（550）")
    history = partners.history(client, SHOPS, key)
    assert [change["after"] for one in history for change in one["changes"] if change["field"] == "manual"] == [
        "送付",
        "再送を依頼",
        "送付",
    ]


def test_what_cannot_be_sent_again_is_refused_in_words(sign_in: SignIn, db: Session) -> None:
    client = sign_in("olivia", reservations="operator")
    silent = partners.shop(client, "A1")
    stopped = partners.shop(client, "A2", mail="stopped@flower.example")
    client.post(f"{SHOPS}/{stopped}/blacklist", json={"reason": "苦情"})

    for key, version, said in (
        (silent, 1, "メールアドレス"),
        (stopped, 2, "利用停止中"),
        (silent, 9, "ほかの人が先に"),
    ):
        refused = client.post(f"{SHOPS}/{key}/manual", json={"version": version})
        assert refused.status_code == 409
        assert said in refused.json()["detail"]
    assert client.post(f"{SHOPS}/999999/manual", json={"version": 1}).status_code == 404
    assert client.get(f"{SHOPS}/999999/manual").status_code == 404


@pytest.mark.parametrize(("room", "attached"), [(0, 4), (-1, 0)])
def test_guides_are_attached_where_they_are_not_too_large_for_a_mail(
    db: Session, monkeypatch: pytest.MonkeyPatch, room: int, attached: int
) -> None:
    send(db)
    sizes = [db.get_one(File, one).size for one in mails(db)[0].payload["attachments"]]
    monkeypatch.setattr(rules, "MAX_ATTACHED_BYTES", sum(sizes) + room)
    db.execute(update(Shop).where(Shop.code == "S001").values(manual_sent_at=None))
    db.commit()

    assert send(db) == 1
    assert len(mails(db)[-1].payload["attachments"]) == attached


def test_a_guide_that_says_something_new_is_another_file_and_the_old_one_stays(
    db: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(db)
    first = mails(db)[0].payload["attachments"]
    monkeypatch.setattr(settings(), "call_minutes", 9)
    db.execute(update(Shop).where(Shop.code == "S001").values(manual_sent_at=None))
    db.commit()
    assert send(db) == 1

    second = mails(db)[-1].payload["attachments"]
    # The call's length stands in the manual alone.
    assert [old == new for old, new in zip(first, second, strict=True)] == [False, True, True, True]
    assert db.get_one(File, first[0]).attached_at is not None
    kept = db.scalars(select(ShopManual).order_by(ShopManual.id.desc())).first()
    assert kept is not None
    assert [str(one) for one in kept.files] == second


def test_two_senders_at_once_mail_each_shop_once(several: Engine) -> None:
    @contextmanager
    def opened() -> Iterator[Session]:
        with Session(several) as db, db.begin():
            yield db

    sent: list[int] = []
    started = threading.Barrier(4)

    def run() -> None:
        started.wait()
        sent.append(actions.send_due(opened))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with Session(several) as db:
        assert sum(sent) == 6
        assert len(sent) == 4
        assert sorted(one.payload["to"][0] for one in mails(db)) == sorted(db.scalars(select(Shop.mail)))
        assert db.scalar(select(func.count()).select_from(GuideFile)) == 4
        assert db.scalar(select(func.count()).select_from(File).where(File.purpose == "reservations.guide")) == 4


def test_letters_and_pages_lead_to_the_guides(client: TestClient, db: Session) -> None:
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
    for led in re.findall(r'href="(/guides/[^"]*)"', page):
        assert client.get(led).status_code == 200
    assert 'href="/guides/cancel"' in page
    assert 'href="/guides/faq"' in page


def test_guides_name_the_address_under_which_people_find_them(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(floor(), "mode", "production")
    monkeypatch.setattr(floor(), "public_base_url", "https://qrv.example/")

    assert "https://qrv.example/mcp" in client.get("/guides/connect").text
    assert "https://qrv.example/guides/faq" in client.get("/guides/quick-start").text
