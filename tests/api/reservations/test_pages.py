"""The customers' pages: a link shows how it stands, a form changes something, and neither more than its own."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.database.clock import app_now
from service.core.values import phones
from service.reservations.events import rules as e
from service.reservations.flow import actions
from service.reservations.flow.models import Payment, Refund, Reservation
from service.reservations.operations.models import Operation
from service.reservations.outgoing.models import Message
from service.reservations.shops.models import Shop
from tests.api.reservations import scene

AT_STRIPE = "https://stripe.example/c/pay"


@pytest.fixture
def visitor(client: TestClient) -> TestClient:
    client.follow_redirects = False
    return client


def title(page: Response) -> str:
    found = re.search(r"<h1>(.+?)</h1>", page.text)
    assert found is not None
    return found[1]


def form(page: Response) -> tuple[str, dict[str, str]]:
    """Where the page's form goes, and what it carries."""
    action, token = re.search(
        r'action="([^"]+)">\s*<input type="hidden" name="form_token" value="([^"]+)"', page.text
    ).groups()  # type: ignore[union-attr]
    return action, {"form_token": token}


def send(visitor: TestClient, path: str, **more: str) -> Response:
    """What a person does: opens the page, and presses its button."""
    action, hidden = form(visitor.get(path))
    return visitor.post(action, data=hidden | more)


def to_pay(db: Session, **said: Any) -> tuple[Reservation, str]:
    reservation = scene.awaiting(db, **said)
    scene.page_at_stripe(db, reservation, AT_STRIPE)
    path = scene.link(db, reservation, "pay")
    db.commit()
    return reservation, path


def events(db: Session, reservation: Reservation) -> list[str]:
    return [one.kind for one in scene.timeline(db, reservation)]


def test_who_pays_in_time_is_led_to_stripe_and_nowhere_else(stage: Session, visitor: TestClient) -> None:
    _, path = to_pay(stage)

    page = visitor.get(path)
    sent = send(visitor, path)

    assert title(page) == "お支払い"
    for told in ("5,500円", "花束 M（約20本）", "2031/1/15（水）14:00", "10分0秒"):
        assert told in page.text
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["cache-control"] == "no-store"
    assert "form-action 'self' https://stripe.example;" in page.headers["content-security-policy"]
    assert "stripe.example" not in page.text
    assert (sent.status_code, sent.headers["location"]) == (303, AT_STRIPE)


def test_whoever_pays_hears_before_whether_it_can_be_cancelled_after(stage: Session, visitor: TestClient) -> None:
    _, path = to_pay(stage)
    assert "お支払いのあとも、2031/1/13（月）14:00までは全額返金でキャンセルできます。" in visitor.get(path).text

    _, tomorrow = to_pay(stage, starts_at=app_now(stage) + timedelta(hours=47))
    assert "を過ぎているため、お支払いのあとはキャンセルできません。" in visitor.get(tomorrow).text


def test_whoever_pays_knows_which_shop_keeps_it_and_after_that_its_telephone(
    stage: Session, visitor: TestClient
) -> None:
    reservation, path = to_pay(stage)
    shop = stage.get_one(Shop, reservation.shop_id)

    before = visitor.get(path).text
    scene.pay(stage, reservation)
    stage.commit()
    after = visitor.get(path).text

    assert f"<dt>店舗</dt><dd>{shop.name}</dd>" in before
    number = phones.format_phone(shop.phone)
    assert number not in before
    assert f'<dt>店舗の電話</dt><dd><a href="tel:{number}">{number}</a></dd>' in after


def test_customers_pages_are_headed_by_the_name_that_stands_in_their_sms(stage: Session, visitor: TestClient) -> None:
    reservation, path = to_pay(stage)
    headed = (path, scene.link(stage, reservation, "cancel"), "/contact", "/contact/done", "/guides/", "/guides/faq")
    # What was never there, and a link that opens nothing.
    for page in (*headed, "/pay/nothing", "/survey/nothing", "/guides/nothing"):
        text = visitor.get(page).text
        assert '<p class="brand"><span>予約代行サービス QRV</span></p>' in text, page
        assert "｜予約代行サービス QRV</title>" in text, page
        assert "Genba" not in text, page
    assert "｜Genba（現場）</title>" in visitor.get("/payments").text


def test_looking_changes_nothing_however_often(stage: Session, visitor: TestClient) -> None:
    reservation, path = to_pay(stage)
    cancel = scene.link(stage, reservation, "cancel")
    before = (scene.case(stage, reservation), events(stage, reservation), reservation.version)

    for looked_at in (path, cancel, f"{path}/done") * 3:
        assert visitor.get(looked_at).status_code == 200
        assert visitor.head(looked_at).status_code in (200, 405)

    assert (scene.case(stage, reservation), events(stage, reservation), reservation.version) == before


def test_after_the_deadline_nobody_is_led_to_stripe(stage: Session, visitor: TestClient) -> None:
    _, path = to_pay(stage)
    action, hidden = form(visitor.get(path))
    scene.set_clock(stage, app_now(stage) + timedelta(minutes=10))
    stage.commit()

    late = visitor.post(action, data=hidden)
    page = visitor.get(path)

    assert (late.status_code, late.headers["location"]) == (303, path)
    assert title(page) == "お支払いの受付を締め切りました"
    assert "<form" not in page.text
    assert 'http-equiv="refresh"' in page.text


def test_the_last_second_is_still_in_time(stage: Session, visitor: TestClient) -> None:
    _, path = to_pay(stage)
    scene.set_clock(stage, app_now(stage) + timedelta(minutes=9, seconds=59))
    stage.commit()

    assert send(visitor, path).headers["location"] == AT_STRIPE


def test_the_page_says_how_it_ended(stage: Session, visitor: TestClient) -> None:
    reservation, path = to_pay(stage)
    session = scene.case(stage, reservation).session or ""
    scene.pass_time(stage, timedelta(minutes=10))
    actions.record_event(stage, reservation.id, e.SessionClosed(session=session), source="stripe")
    stage.commit()

    page = visitor.get(path)

    assert title(page) == "決済期限が切れました"
    assert "決済期限が切れました。再度予約をお願いします" in page.text
    assert "<form" not in page.text


def test_back_from_stripe_the_page_waits_and_asks_stripe_at_once(stage: Session, visitor: TestClient) -> None:
    reservation, path = to_pay(stage)
    payment = stage.scalars(select(Payment).where(Payment.reservation_id == reservation.id)).one()
    due = app_now(stage) + timedelta(days=36500)
    payment.look_at = due
    stage.commit()

    waiting = visitor.get(f"{path}/done")
    stage.refresh(payment)
    scene.pay(stage, reservation)
    stage.commit()
    paid = visitor.get(f"{path}/done")

    assert title(waiting) == "お支払いを確認しています"
    assert 'http-equiv="refresh"' in waiting.text
    assert payment.look_at is not None
    assert payment.look_at < due
    assert title(paid) == "予約が確定しました"
    assert "<dd>フラワー銀座</dd>" in paid.text
    assert '<a href="tel:03-1234-0001">03-1234-0001</a>' in paid.text


def test_cancelling_takes_a_form_and_happens_once(stage: Session, visitor: TestClient) -> None:
    reservation = scene.confirmed(stage)
    path = scene.link(stage, reservation, "cancel")
    stage.commit()

    page = visitor.get(path)
    action, hidden = form(page)
    answers = [visitor.post(action, data=hidden) for _ in range(2)]

    assert "お支払いの5,500円は、全額返金します。" in page.text
    assert [(one.status_code, one.headers["location"]) for one in answers] == [(303, path)] * 2
    stage.refresh(reservation)
    assert reservation.state == "refund_pending"
    assert len(stage.scalars(select(Refund)).all()) == 1
    told = [one.ignored for one in scene.timeline(stage, reservation) if one.kind == "cancel_asked"]
    assert told == [None, "この予約はすでに終わっています。"]
    assert title(visitor.get(path)) == "返金の手続きをしています"


def test_a_form_of_another_page_or_of_nobody_is_refused(stage: Session, visitor: TestClient) -> None:
    mine, theirs = scene.confirmed(stage), scene.confirmed(stage)
    my_path, their_path = scene.link(stage, mine, "cancel"), scene.link(stage, theirs, "cancel")
    stage.commit()
    _, hidden = form(visitor.get(my_path))

    refused = [
        visitor.post(their_path, data=hidden),
        visitor.post(my_path, data={"form_token": "1.x"}),
        visitor.post(my_path),
        TestClient(visitor.app).post(my_path, data=hidden, follow_redirects=False),
    ]

    assert [one.status_code for one in refused] == [403] * 4
    assert "前の画面に戻って読み込み直し" in refused[0].text
    for reservation in (mine, theirs):
        stage.refresh(reservation)
        assert reservation.state == "confirmed"


def test_a_link_opens_what_it_was_made_for_and_that_reservation_only(stage: Session, visitor: TestClient) -> None:
    mine, theirs = scene.confirmed(stage), scene.confirmed(stage)
    paths = {one.code: scene.link(stage, one, "cancel") for one in (mine, theirs)}
    stage.commit()

    for code, path in paths.items():
        page = visitor.get(path).text
        assert [known for known in paths if known in page] == [code]
    assert visitor.get(paths[mine.code].replace("/cancel/", "/pay/")).status_code == 404


def test_every_page_of_a_reservation_leads_to_people_once(stage: Session, visitor: TestClient) -> None:
    asked, waiting, confirmed = scene.ask(stage), scene.awaiting(stage), scene.confirmed(stage)
    ways = [(asked, "cancel"), (waiting, "pay"), (waiting, "cancel"), (confirmed, "pay"), (confirmed, "cancel")]
    paths = [(one.code, scene.link(stage, one, what)) for one, what in ways]
    stage.commit()
    for code, path in paths:
        assert visitor.get(path).text.count(f'href="/contact?code={code}"') == 1, path

    scene.set_clock(stage, confirmed.starts_at - timedelta(hours=1))
    stage.commit()
    assert visitor.get(paths[-1][1]).text.count(f'href="/contact?code={confirmed.code}"') == 1


def test_unknown_and_outdated_links_are_one_friendly_page(stage: Session, visitor: TestClient) -> None:
    reservation = scene.confirmed(stage)
    path = scene.link(stage, reservation, "pay")
    scene.set_clock(stage, app_now(stage) + timedelta(days=8))
    stage.commit()

    pages = [
        visitor.get(one) for one in (path, "/pay/x", "/cancel/x", f"/pay/{'x' * 500}", "/pay/%E2%82", "/pay/x/done")
    ]

    assert [page.status_code for page in pages] == [404] * len(pages)
    assert len({page.text for page in pages}) == 1
    assert "SMSやメールのリンクをもう一度開くか、カスタマーサポート" in pages[0].text
    assert '<a href="/contact">お問い合わせフォームを開く</a>' in pages[0].text


def test_too_late_to_cancel_the_page_says_so_and_people_hear_of_it(stage: Session, visitor: TestClient) -> None:
    reservation = scene.confirmed(stage, starts_at=app_now(stage) + timedelta(hours=49))
    path = scene.link(stage, reservation, "cancel")
    stage.commit()
    action, hidden = form(visitor.get(path))
    scene.set_clock(stage, reservation.starts_at - timedelta(hours=48) + timedelta(seconds=1))
    stage.commit()

    # From a page that was opened in time, and then as the page now offers it.
    visitor.post(action, data=hidden)
    page = visitor.get(path)
    asked = send(visitor, path, note="急な病気のためです")

    assert "キャンセル期限を過ぎています。カスタマーサポートまでご連絡ください" in page.text
    assert (asked.status_code, asked.headers["location"]) == (303, path)
    stage.refresh(reservation)
    assert reservation.state == "confirmed"
    [task] = stage.scalars(select(Operation)).all()
    assert (task.kind, task.priority, task.detail) == ("late_cancel", "medium", "急な病気のためです")
    assert scene.timeline(stage, reservation)[-1].note == "急な病気のためです"
    again = visitor.get(path)
    assert title(again) == "キャンセルのご相談"
    assert "<form" not in again.text


def test_48_hours_before_is_still_in_time(stage: Session, visitor: TestClient) -> None:
    reservation = scene.confirmed(stage)
    path = scene.link(stage, reservation, "cancel")
    scene.set_clock(stage, reservation.starts_at - timedelta(hours=48, seconds=30))
    stage.commit()

    send(visitor, path)

    stage.refresh(reservation)
    assert reservation.state == "refund_pending"


def test_before_anything_is_paid_cancelling_costs_nothing(stage: Session, visitor: TestClient) -> None:
    reservation = scene.ask(stage)
    scene.pass_time(stage)
    path = scene.link(stage, reservation, "cancel")
    stage.commit()

    assert "費用はかかりません" in visitor.get(path).text
    send(visitor, path)

    assert title(visitor.get(path)) == "キャンセルしました"
    purposes = stage.scalars(select(Message.purpose).where(Message.channel == "sms").order_by(Message.id)).all()
    assert purposes == ["request_received", "cancelled"]


def test_what_a_customer_writes_is_shown_as_text_and_kept_short(stage: Session, visitor: TestClient) -> None:
    reservation = scene.confirmed(stage, starts_at=app_now(stage) + timedelta(hours=30), wishes="<b>")
    path = scene.link(stage, reservation, "cancel")
    stage.commit()

    assert send(visitor, path, note="x" * 1001).status_code == 422
    assert send(visitor, path, note="x\x00").status_code == 422
    assert "<b>" not in visitor.get(path).text
    assert stage.scalars(select(Operation)).all() == []
