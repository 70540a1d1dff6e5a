"""The customers' pages in Chromium, on a phone: what each state looks like, and what its button does."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from service.core.database.clock import app_now
from service.reservations.events import rules as e
from service.reservations.flow import actions
from tests.api.reservations import scene
from tests.conftest import Service


@dataclass
class Stage:
    """A service of its own, whose clock may be moved."""

    service: Service
    paths: dict[str, str]


@pytest.fixture
def stage(clocked: Service) -> Stage:
    """A reservation for each page, on the same Wednesday at ten."""
    # Another origin than the page's, which takes anybody.
    at_stripe = clocked.url.replace("127.0.0.1", "localhost") + "/api/health/live"
    paths = {}
    with clocked.committed() as db:
        scene.fill(db)
        payable = scene.awaiting(db)
        scene.page_at_stripe(db, payable, at_stripe)
        paths["お支払い"] = scene.link(db, payable, "pay")
        booked = scene.confirmed(db)
        paths["予約が確定しました"] = scene.link(db, booked, "pay")
        paths["予約のキャンセル"] = scene.link(db, booked, "cancel")
        late = scene.confirmed(db, starts_at=app_now(db) + timedelta(hours=30))
        paths["キャンセル期限を過ぎています"] = scene.link(db, late, "cancel")
        gone = scene.ask(db)
        actions.record_event(db, gone.id, e.CancelAsked(by="customer"), source="customer")
        paths["キャンセルしました"] = scene.link(db, gone, "cancel")
    return Stage(clocked, paths)


def heading(page: Page, text: str) -> None:
    expect(page.get_by_role("heading", level=1, name=text, exact=True)).to_be_visible()


def test_every_page_fits_a_phone_and_nothing_of_it_is_refused(stage: Stage, phone: Page) -> None:
    said: list[str] = []
    phone.on("console", lambda message: said.append(message.text))

    for title, path in stage.paths.items():
        phone.goto(stage.service.url + path)
        heading(phone, title)
        assert phone.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), title
    assert said == []


def test_who_pays_is_led_on_to_another_place_and_the_browser_lets_them(stage: Stage, phone: Page) -> None:
    phone.goto(stage.service.url + stage.paths["お支払い"])
    phone.get_by_role("button", name="お支払いへ進む").click()

    phone.wait_for_url("http://localhost:*/**")


def test_the_time_runs_and_at_its_end_the_page_says_so(stage: Stage, phone: Page) -> None:
    with stage.service.committed() as db:
        hurried = scene.awaiting(db)
        scene.page_at_stripe(db, hurried)
        path = scene.link(db, hurried, "pay")
        scene.set_clock(db, app_now(db) + timedelta(minutes=9, seconds=56))

    phone.goto(stage.service.url + path)
    expect(phone.locator("[data-seconds-left]")).to_have_text("0分2秒")
    heading(phone, "お支払いの受付を締め切りました")
    expect(phone.get_by_role("button")).to_have_count(0)


def test_who_is_too_late_can_ask_people(stage: Stage, phone: Page) -> None:
    phone.goto(stage.service.url + stage.paths["キャンセル期限を過ぎています"])
    expect(phone.get_by_text("キャンセル期限を過ぎています。カスタマーサポートまでご連絡ください")).to_be_visible()
    phone.get_by_label("ご事情").fill("急な病気のためです")
    phone.get_by_role("button", name="カスタマーサポートに相談する").click()

    heading(phone, "キャンセルのご相談")


def test_cancelling_is_one_button_and_what_follows_is_said(stage: Stage, phone: Page) -> None:
    phone.goto(stage.service.url + stage.paths["予約のキャンセル"])
    phone.get_by_role("button", name="この予約をキャンセルする").click()

    heading(phone, "返金の手続きをしています")
