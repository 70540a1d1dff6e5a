"""The customers' pages in Chromium, on a phone: each state's page, and what its button does."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from service.core.database.clock import app_now
from service.reservations.flow import actions
from service.reservations.state_machine import events as e
from tests.api.reservations import scene
from tests.conftest import Service


@dataclass
class Stage:
    """A service whose clock may be moved, and the paths of its pages."""

    service: Service
    paths: dict[str, str]


@pytest.fixture
def stage(clock_service: Service) -> Stage:
    """A reservation for each page, on the same Wednesday at ten."""
    # Another origin than the page's, which answers any request.
    stripe_url = clock_service.url.replace("127.0.0.1", "localhost") + "/api/health/live"
    paths = {}
    with clock_service.committed() as db:
        scene.fill(db)
        payable = scene.awaiting_payment(db)
        scene.open_checkout(db, payable, stripe_url)
        paths["お支払い"] = scene.link(db, payable, "pay")
        booked = scene.confirmed(db)
        paths["予約が確定しました"] = scene.link(db, booked, "pay")
        paths["予約のキャンセル"] = scene.link(db, booked, "cancel")
        late = scene.confirmed(db, starts_at=app_now(db) + timedelta(hours=30))
        paths["キャンセル期限を過ぎています"] = scene.link(db, late, "cancel")
        cancelled = scene.create_reservation(db)
        actions.record_event(db, cancelled.id, e.CancelAsked(by="customer"), source="customer")
        paths["キャンセルしました"] = scene.link(db, cancelled, "cancel")
    return Stage(clock_service, paths)


def expect_heading(page: Page, text: str) -> None:
    expect(page.get_by_role("heading", level=1, name=text, exact=True)).to_be_visible()


def test_every_page_fits_a_phone_and_breaks_no_policy(stage: Stage, phone: Page) -> None:
    console_messages: list[str] = []
    phone.on("console", lambda message: console_messages.append(message.text))

    for title, path in stage.paths.items():
        phone.goto(stage.service.url + path)
        expect_heading(phone, title)
        assert phone.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), title
    assert console_messages == []


def test_paying_leads_to_another_origin_and_the_policy_allows_it(stage: Stage, phone: Page) -> None:
    phone.goto(stage.service.url + stage.paths["お支払い"])
    phone.get_by_role("button", name="お支払いへ進む").click()

    phone.wait_for_url("http://localhost:*/**")


def test_the_countdown_runs_and_its_end_is_shown(stage: Stage, phone: Page) -> None:
    with stage.service.committed() as db:
        expiring = scene.awaiting_payment(db)
        scene.open_checkout(db, expiring)
        path = scene.link(db, expiring, "pay")
        scene.set_clock(db, app_now(db) + timedelta(minutes=9, seconds=56))

    phone.goto(stage.service.url + path)
    expect(phone.locator("[data-seconds-left]")).to_have_text("0分2秒")
    expect_heading(phone, "お支払いの受付を締め切りました")
    expect(phone.get_by_role("button")).to_have_count(0)


def test_after_the_deadline_the_customer_can_contact_support(stage: Stage, phone: Page) -> None:
    phone.goto(stage.service.url + stage.paths["キャンセル期限を過ぎています"])
    expect(phone.get_by_text("キャンセル期限を過ぎています。カスタマーサポートまでご連絡ください")).to_be_visible()
    phone.get_by_label("ご事情").fill("急な病気のためです")
    phone.get_by_role("button", name="カスタマーサポートに相談する").click()

    expect_heading(phone, "キャンセルのご相談")


def test_cancelling_is_one_button_and_the_next_step_is_shown(stage: Stage, phone: Page) -> None:
    phone.goto(stage.service.url + stage.paths["予約のキャンセル"])
    phone.get_by_role("button", name="この予約をキャンセルする").click()

    expect_heading(phone, "返金の手続きをしています")
