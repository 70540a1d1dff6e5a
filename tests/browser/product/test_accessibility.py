"""axe-core on every page of the menu: nothing serious or critical in what is ours."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import axe_playwright_python
import pytest
from playwright.sync_api import BrowserContext, Page

from tests.browser.product.test_lists import PATHS
from tests.chromium import get_session_token, set_session_cookies, wait_until_rendered
from tests.stack import Stack

AXE = Path(axe_playwright_python.__file__).parent / "axe.min.js"
RUN = """async () => {
    const { violations } = await axe.run(document, { resultTypes: ["violations"] });
    return violations.filter(({ impact }) => ["serious", "critical"].includes(impact)).map(({ id, nodes }) => ({
        id, nodes: nodes.map(({ html, target }) => ({ html: html.slice(0, 160), target: target.flat().join(" ") })),
    }));
}"""
# What is Streamlit's own, by rule and place: 1.67.
STREAMLIT = {
    # The digits of a date field, which the keyboard steps through.
    "target-size": ("stDateInput", "stDateTimeInput", "data-rac"),
}


@pytest.fixture
def visitor(page: Page, context: BrowserContext, stack: Stack) -> Page:
    set_session_cookies(context, stack, get_session_token(stack, "admin"))
    return page


@pytest.mark.parametrize("count", [3, pytest.param(len(PATHS), marks=pytest.mark.deep)])
def test_axe_finds_nothing_serious_in_what_is_ours(visitor: Page, stack: Stack, count: int) -> None:
    """A different random sample in each run."""
    found = {}
    for path in random.sample(PATHS, count):
        visitor.goto(f"{stack.dashboards}/{path}")
        wait_until_rendered(visitor)
        # As a debugger would: our policy refuses inline scripts.
        visitor.evaluate(AXE.read_text())
        if ours := [violation for violation in visitor.evaluate(RUN) if _is_ours(violation)]:
            found[path] = ours
    assert found == {}


def _is_ours(violation: dict[str, Any]) -> bool:
    parts = STREAMLIT.get(violation["id"], ())
    return not all(any(part in node["html"] or part in node["target"] for part in parts) for node in violation["nodes"])
