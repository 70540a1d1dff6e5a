"""ホーム of every demo account: nothing of it fails, and each step leads to a page that the account may open."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from dashboards.menu import page_at
from tests.api.walks.walk import Walker


def test_each_step_of_everybodys_home_is_on_a_page_that_they_may_open(walkers: list[Walker]) -> None:
    steps = due = 0
    for walker in walkers:
        home = walker.call("GET", "/api/home").json()
        assert home["failed"] == [], walker.login_id
        assert walker.call("GET", "/api/me/counts").json()["due"] == home["due_total"], walker.login_id
        due += len(home["due"])
        for item in (*home["due"], *home["states"], *home["weeks"]):
            address = urlsplit(item["address"])
            assert page_at(address.path).permission in walker.permissions, (walker.login_id, item)
            steps += "step" in item and bool(parse_qs(address.query))
    assert steps or not due
