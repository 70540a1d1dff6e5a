"""最新の明細年月 at a desk: chosen from the list, or typed when it is older."""

from __future__ import annotations

import re
from datetime import timedelta

from playwright.sync_api import Browser, Page, expect
from sqlalchemy import select

from dashboards.session import SESSION_COOKIE
from service.agencies.models import Site
from service.core.access.identity import open_session
from tests import chromium as real
from tests import people
from tests.api.agencies import scene
from tests.conftest import Service
from tests.dashboards.dashboards import Dashboards


def test_a_month_that_is_not_in_the_list_is_typed(chromium: Browser, service: Service, dashboards: Dashboards) -> None:
    with service.committed() as db:
        agency = scene.agency(db, "株式会社年月代理店", "MONTHS")
        request = scene.request(db, scene.corporation(db, agency), scene.sales(db, "months", agency), "working")
        token, _ = open_session(db, people.create_user(db, "months-desk", agencies="operator"), "b", timedelta(hours=1))
        case = request.id
    context = real.desktop_context(chromium)
    context.add_cookies(
        [{"name": SESSION_COOKIE, "value": token, "url": dashboards.url, "httpOnly": True, "sameSite": "Lax"}]
    )
    page: Page = context.new_page()
    page.goto(f"{dashboards.url}/case?id={case}")
    month = page.get_by_role("combobox", name=re.compile("最新の明細年月"))
    expect(month).to_have_value("2026年10月")

    month.click()
    month.fill("2020/7")
    month.press("Enter")
    save = page.get_by_role("button", name="保存する")
    expect(save).to_be_enabled()
    save.click()
    expect(page.get_by_text("を保存しました").first).to_be_visible()
    expect(page.get_by_role("combobox", name=re.compile("最新の明細年月"))).to_have_value("2020年7月")
    context.close()

    with service.committed() as db:
        [stored] = db.scalars(select(Site.latest_date).where(Site.request_id == case))
    assert stored == "2020-07"
