"""代替機管理 on a phone: from a device's label to the stored event."""

from __future__ import annotations

import psycopg
from playwright.sync_api import Page, expect

from stack import servers
from tests.chromium import PHONE
from tests.rls_bypass import rls_bypass_url
from tests.stack import Stack


def rows(stack: Stack, statement: str, *values: object) -> list[tuple[object, ...]]:
    with psycopg.connect(rls_bypass_url(servers.url(stack.home, "app"))) as connection:
        return connection.execute(statement, list(values)).fetchall()


def test_a_label_is_scanned_and_after_signing_in_its_form_is_stored_once(phone: Page, stack: Stack) -> None:
    [(number, forms_before)] = rows(
        stack,
        "SELECT d.number, (SELECT count(*) FROM loaners_events e WHERE e.device_id = d.id AND e.kind = 'form') "
        "FROM loaners_devices d JOIN loaners_states s ON s.device_id = d.id AND upper_inf(s.during) "
        "WHERE s.status = 1 AND d.kind = 'terminal' AND NOT s.is_archived ORDER BY d.number LIMIT 1",
    )

    phone.goto(f"{stack.service}/d/{str(number).lower()}")
    phone.get_by_label("ログインID").fill("loaners-staff")
    phone.get_by_label("パスワード", exact=True).fill("genba-demo")
    phone.get_by_role("button", name="ログインする").click()

    expect(phone.locator("h1")).to_have_text("ステータス登録")
    expect(phone.get_by_text(str(number))).to_be_visible()
    phone.get_by_text("2.回収後社内保管", exact=True).click()
    expect(phone.get_by_text("2-1.回収日")).to_be_visible()
    disabled_field = phone.get_by_label("預り機のステータス")
    expect(disabled_field).to_have_count(1)
    expect(disabled_field).to_be_disabled()
    width = phone.evaluate("document.documentElement.scrollWidth")
    assert width <= PHONE["width"], f"the page is {width} wide"

    phone.get_by_role("button", name="内容を確認する").click()
    expect(phone.get_by_text("「回収日」を入力してください。")).to_be_visible()
    phone.get_by_test_id("stDateInputField").first.get_by_role("spinbutton").first.click()
    phone.keyboard.type("20261120")
    phone.keyboard.press("Enter")
    phone.get_by_role("button", name="内容を確認する").click()

    dialog = phone.get_by_role("dialog")
    expect(dialog.get_by_text("2.回収後社内保管")).to_be_visible()
    dialog.get_by_role("button", name="登録する").dblclick()
    expect(phone.get_by_text("登録しました（")).to_be_visible()
    phone.get_by_role("link", name="機器詳細を開く").click()
    expect(phone.locator("h1")).to_have_text("機器詳細")

    [(form_count, status)] = rows(
        stack,
        "SELECT (SELECT count(*) FROM loaners_events e WHERE e.device_id = d.id AND e.kind = 'form'), s.status "
        "FROM loaners_devices d JOIN loaners_states s ON s.device_id = d.id AND upper_inf(s.during) "
        "WHERE d.number = %s",
        number,
    )
    assert (form_count, status) == (int(str(forms_before)) + 1, 2)
