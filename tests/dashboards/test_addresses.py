"""Redirect targets: an address that leaves the site or signs the user out is never followed."""

from __future__ import annotations

from urllib.parse import parse_qs, urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.addresses import login_url, safe_next

HERE = "https://genba.example/login"
SCARY = st.text(alphabet=st.sampled_from("/\\.:@?#%\t\r\n ab[]evil新"), max_size=20)


@pytest.mark.parametrize(
    "target", ["/", "/dashboard", "/dashboard?status=error&q=新宿", "/a/b#c", "/loginx", "/x?next=//y", "/x?q=a\\b"]
)
def test_a_page_of_our_own_is_left_unchanged(target: str) -> None:
    assert safe_next(target) == target


@pytest.mark.parametrize(
    "target", [None, "", "x", "//x", "/\\x", "\\\\x", "https://x", "/login", "/health", "/./logout"]
)
def test_everything_else_becomes_the_start_page(target: str | None) -> None:
    assert safe_next(target) == "/"


@given(SCARY.map(lambda text: "/" + text) | SCARY)
def test_no_address_leads_to_another_host(target: str) -> None:
    # As a browser reads it: tabs and line ends are removed, and a backslash in the path is a slash.
    safe = safe_next(target)
    path, mark, query = safe.partition("?")
    as_read = path.replace("\\", "/") + mark + query

    assert not {"\t", "\r", "\n"} & set(safe)
    assert urlsplit(urljoin(HERE, as_read)).netloc == "genba.example"


def test_the_login_page_leads_back_with_query_and_reason() -> None:
    url = login_url("/dashboard", "q=新宿&a=1", reason="expired")

    assert parse_qs(urlsplit(url).query) == {"next": ["/dashboard?q=新宿&a=1"], "reason": ["expired"]}


def test_the_start_page_is_not_named_in_the_login_address() -> None:
    assert login_url("/") == login_url("//evil.example") == login_url("/logout") == "/login"
    assert login_url("/", reason="signed_out") == "/login?reason=signed_out"
