"""The guides in Chromium, on a phone: they fit, the FAQ can be searched, and answers open."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from service.reservations.guides.rules import GUIDES, PUBLIC_AUDIENCES
from tests.api.reservations import scene
from tests.conftest import Service


@pytest.fixture(scope="module")
def service(clock_service: Service) -> Service:
    with clock_service.committed() as db:
        scene.fill(db)
    return clock_service


def test_every_guide_fits_a_phone_and_breaks_no_policy(service: Service, phone: Page) -> None:
    console_messages: list[str] = []
    phone.on("console", lambda message: console_messages.append(message.text))

    for guide in (guide for guide in GUIDES.values() if guide.audience in PUBLIC_AUDIENCES):
        phone.goto(f"{service.url}/guides/{guide.name}")
        expect(phone.get_by_role("heading", level=1, name=guide.title, exact=True)).to_be_visible()
        assert phone.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), guide.name
    assert console_messages == []


def test_questions_are_found_by_what_their_answers_say_however_it_is_typed(service: Service, phone: Page) -> None:
    phone.goto(f"{service.url}/guides/")
    phone.get_by_role("link", name="よくある質問", exact=True).click()
    questions = phone.locator("details.question:visible")
    count_before = questions.count()

    # Hiragana and a full-width space, as a phone writes them.
    phone.get_by_label("キーワードで探す").fill("きゃんせる　４８時間")
    expect(phone.locator("[data-found]")).to_have_text(re.compile(r"^\d件の質問が見つかりました。$"))
    assert 0 < questions.count() < count_before
    question = questions.first
    question.locator("summary").click()
    expect(question.locator("p").first).to_be_visible()
    expect(phone.get_by_role("heading", level=2, name="個人情報", exact=True)).to_be_hidden()

    phone.get_by_label("キーワードで探す").fill("ペンギン")
    expect(phone.locator("[data-found]")).to_contain_text("見つかりませんでした")
    phone.get_by_label("キーワードで探す").fill("")
    expect(questions).to_have_count(count_before)


def test_for_the_printer_every_answer_is_open(service: Service, phone: Page) -> None:
    phone.goto(f"{service.url}/guides/shop-faq")
    assert phone.locator("details[open]").count() == 0

    phone.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert phone.locator("details[open]").count() == phone.locator("details").count() > 10


def test_without_scripts_the_search_is_hidden(service: Service, chromium: Browser) -> None:
    context = chromium.new_context(locale="ja-JP", java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{service.url}/guides/faq")

    expect(page.get_by_label("キーワードで探す")).to_be_hidden()
    page.locator("summary").first.click()
    expect(page.locator("details.question p").first).to_be_visible()
    context.close()
