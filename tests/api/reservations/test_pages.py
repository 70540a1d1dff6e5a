"""The customers' pages: a link shows its reservation's state, a form changes it, and neither reaches another
reservation."""

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
from service.reservations.flow import actions
from service.reservations.models import Reservation, Shop
from service.reservations.operations.models import Operation
from service.reservations.outgoing.models import Message, Payment, Refund
from service.reservations.state_machine import events as e
from tests.api.reservations import scene

STRIPE_URL = "https://stripe.example/c/pay"


@pytest.fixture
def visitor(client: TestClient) -> TestClient:
    client.follow_redirects = False
    return client


def title(page: Response) -> str:
    match = re.search(r"<h1>(.+?)</h1>", page.text)
    assert match is not None
    return match[1]


def form(page: Response) -> tuple[str, dict[str, str]]:
    """The action and the hidden fields of the page's form."""
    action, token = re.search(
        r'action="([^"]+)">\s*<input type="hidden" name="form_token" value="([^"]+)"', page.text
    ).groups()  # type: ignore[union-attr]
    return action, {"form_token": token}


def send(visitor: TestClient, path: str, **fields: str) -> Response:
    """Opens the page and sends its form, as a visitor does."""
    action, hidden = form(visitor.get(path))
    return visitor.post(action, data=hidden | fields)


def payment_page(db: Session, **fields: Any) -> tuple[Reservation, str]:
    reservation = scene.awaiting_payment(db, **fields)
    scene.open_checkout(db, reservation, STRIPE_URL)
    path = scene.link(db, reservation, "pay")
    db.commit()
    return reservation, path


def event_kinds(db: Session, reservation: Reservation) -> list[str]:
    return [event.kind for event in scene.timeline(db, reservation)]


def test_a_payment_in_time_is_redirected_to_stripe_and_nowhere_else(stage: Session, visitor: TestClient) -> None:
    _, path = payment_page(stage)

    page = visitor.get(path)
    redirect = send(visitor, path)

    assert title(page) == "お支払い"
    for text in ("5,500円", "花束 M（約20本）", "2031/1/15（水）14:00", "10分0秒"):
        assert text in page.text
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["cache-control"] == "no-store"
    assert "form-action 'self' https://stripe.example;" in page.headers["content-security-policy"]
    assert "stripe.example" not in page.text
    assert (redirect.status_code, redirect.headers["location"]) == (303, STRIPE_URL)


def test_the_payment_page_says_whether_it_can_be_cancelled_later(stage: Session, visitor: TestClient) -> None:
    _, path = payment_page(stage)
    assert "お支払いのあとも、2031/1/13（月）14:00までは全額返金でキャンセルできます。" in visitor.get(path).text

    _, late_path = payment_page(stage, starts_at=app_now(stage) + timedelta(hours=47))
    assert "を過ぎているため、お支払いのあとはキャンセルできません。" in visitor.get(late_path).text


def test_the_payment_page_names_the_shop_and_after_payment_its_telephone(stage: Session, visitor: TestClient) -> None:
    reservation, path = payment_page(stage)
    shop = stage.get_one(Shop, reservation.shop_id)

    before = visitor.get(path).text
    scene.pay(stage, reservation)
    stage.commit()
    after = visitor.get(path).text

    assert f"<dt>店舗</dt><dd>{shop.name}</dd>" in before
    number = phones.format_phone(shop.phone)
    assert number not in before
    assert f'<dt>店舗の電話</dt><dd><a href="tel:{number}">{number}</a></dd>' in after


def test_customers_pages_have_the_brand_name_of_their_sms(stage: Session, visitor: TestClient) -> None:
    reservation, path = payment_page(stage)
    paths = (path, scene.link(stage, reservation, "cancel"), "/contact", "/contact/done", "/guides/", "/guides/faq")
    # An unknown page, and links that open nothing.
    for url in (*paths, "/pay/nothing", "/survey/nothing", "/guides/nothing"):
        text = visitor.get(url).text
        assert '<p class="brand"><span>予約代行サービス QRV</span></p>' in text, url
        assert "｜予約代行サービス QRV</title>" in text, url
        assert "Genba" not in text, url
    assert "｜Genba（現場）</title>" in visitor.get("/payments").text


def test_opening_a_page_changes_nothing_however_often(stage: Session, visitor: TestClient) -> None:
    reservation, path = payment_page(stage)
    cancel = scene.link(stage, reservation, "cancel")
    before = (scene.case(stage, reservation), event_kinds(stage, reservation), reservation.version)

    for url in (path, cancel, f"{path}/done") * 3:
        assert visitor.get(url).status_code == 200
        assert visitor.head(url).status_code in (200, 405)

    assert (scene.case(stage, reservation), event_kinds(stage, reservation), reservation.version) == before


def test_after_the_deadline_no_visitor_is_redirected_to_stripe(stage: Session, visitor: TestClient) -> None:
    _, path = payment_page(stage)
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
    _, path = payment_page(stage)
    scene.set_clock(stage, app_now(stage) + timedelta(minutes=9, seconds=59))
    stage.commit()

    assert send(visitor, path).headers["location"] == STRIPE_URL


def test_the_page_says_how_it_ended(stage: Session, visitor: TestClient) -> None:
    reservation, path = payment_page(stage)
    session = scene.case(stage, reservation).session or ""
    scene.pass_time(stage, timedelta(minutes=10))
    actions.record_event(stage, reservation.id, e.SessionClosed(session=session), source="stripe")
    stage.commit()

    page = visitor.get(path)

    assert title(page) == "決済期限が切れました"
    assert "決済期限が切れました。再度予約をお願いします" in page.text
    assert "<form" not in page.text


def test_back_from_stripe_the_page_waits_and_asks_stripe_at_once(stage: Session, visitor: TestClient) -> None:
    reservation, path = payment_page(stage)
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
    responses = [visitor.post(action, data=hidden) for _ in range(2)]

    assert "お支払いの5,500円は、全額返金します。" in page.text
    assert [(response.status_code, response.headers["location"]) for response in responses] == [(303, path)] * 2
    stage.refresh(reservation)
    assert reservation.state == "refund_pending"
    assert len(stage.scalars(select(Refund)).all()) == 1
    ignored = [event.ignored for event in scene.timeline(stage, reservation) if event.kind == "cancel_asked"]
    assert ignored == [None, "この予約はすでに終わっています。"]
    assert title(visitor.get(path)) == "返金の手続きをしています"


def test_a_form_of_another_page_or_without_a_token_is_refused(stage: Session, visitor: TestClient) -> None:
    own, other = scene.confirmed(stage), scene.confirmed(stage)
    own_path, other_path = scene.link(stage, own, "cancel"), scene.link(stage, other, "cancel")
    stage.commit()
    _, hidden = form(visitor.get(own_path))

    refused = [
        visitor.post(other_path, data=hidden),
        visitor.post(own_path, data={"form_token": "1.x"}),
        visitor.post(own_path),
        TestClient(visitor.app).post(own_path, data=hidden, follow_redirects=False),
    ]

    assert [response.status_code for response in refused] == [403] * 4
    assert "前の画面に戻って読み込み直し" in refused[0].text
    for reservation in (own, other):
        stage.refresh(reservation)
        assert reservation.state == "confirmed"


def test_a_link_opens_what_it_was_made_for_and_that_reservation_only(stage: Session, visitor: TestClient) -> None:
    own, other = scene.confirmed(stage), scene.confirmed(stage)
    paths = {reservation.code: scene.link(stage, reservation, "cancel") for reservation in (own, other)}
    stage.commit()

    for code, path in paths.items():
        page = visitor.get(path).text
        assert [shown_code for shown_code in paths if shown_code in page] == [code]
    assert visitor.get(paths[own.code].replace("/cancel/", "/pay/")).status_code == 404


def test_every_page_of_a_reservation_links_to_the_contact_form_once(stage: Session, visitor: TestClient) -> None:
    requested, waiting, confirmed = (
        scene.create_reservation(stage),
        scene.awaiting_payment(stage),
        scene.confirmed(stage),
    )
    links = [(requested, "cancel"), (waiting, "pay"), (waiting, "cancel"), (confirmed, "pay"), (confirmed, "cancel")]
    paths = [(reservation.code, scene.link(stage, reservation, purpose)) for reservation, purpose in links]
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
        visitor.get(url) for url in (path, "/pay/x", "/cancel/x", f"/pay/{'x' * 500}", "/pay/%E2%82", "/pay/x/done")
    ]

    assert [page.status_code for page in pages] == [404] * len(pages)
    assert len({page.text for page in pages}) == 1
    assert "SMSやメールのリンクをもう一度開くか、カスタマーサポート" in pages[0].text
    assert '<a href="/contact">お問い合わせフォームを開く</a>' in pages[0].text


def test_too_late_to_cancel_the_page_says_so_and_a_task_is_opened(stage: Session, visitor: TestClient) -> None:
    reservation = scene.confirmed(stage, starts_at=app_now(stage) + timedelta(hours=49))
    path = scene.link(stage, reservation, "cancel")
    stage.commit()
    action, hidden = form(visitor.get(path))
    scene.set_clock(stage, reservation.starts_at - timedelta(hours=48) + timedelta(seconds=1))
    stage.commit()

    # From a page that was opened in time, and then as the page now offers it.
    visitor.post(action, data=hidden)
    page = visitor.get(path)
    response = send(visitor, path, note="急な病気のためです")

    assert "キャンセル期限を過ぎています。カスタマーサポートまでご連絡ください" in page.text
    assert (response.status_code, response.headers["location"]) == (303, path)
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
    reservation = scene.create_reservation(stage)
    scene.pass_time(stage)
    path = scene.link(stage, reservation, "cancel")
    stage.commit()

    assert "費用はかかりません" in visitor.get(path).text
    send(visitor, path)

    assert title(visitor.get(path)) == "キャンセルしました"
    purposes = stage.scalars(select(Message.purpose).where(Message.channel == "sms").order_by(Message.id)).all()
    assert purposes == ["request_received", "cancelled"]


def test_what_a_customer_writes_is_shown_as_text_and_limited(stage: Session, visitor: TestClient) -> None:
    reservation = scene.confirmed(stage, starts_at=app_now(stage) + timedelta(hours=30), wishes="<b>")
    path = scene.link(stage, reservation, "cancel")
    stage.commit()

    assert send(visitor, path, note="x" * 1001).status_code == 422
    assert send(visitor, path, note="x\x00").status_code == 422
    assert "<b>" not in visitor.get(path).text
    assert stage.scalars(select(Operation)).all() == []
