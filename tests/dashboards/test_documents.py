"""The page addresses in the documents lead to our pages, after sign-in if needed."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from dashboards import documents, shell
from dashboards.documents import page_for
from dashboards.menu import PATHS

SAMPLE_PATHS = frozenset({"/", "/dashboard", "/terminals", "/terminal", "/entry-exit-logs"})


@pytest.mark.parametrize(
    ("path", "query", "page"),
    [
        ("/terminals/5", "", "/terminal?id=5"),
        ("/terminals/5/", "tab=alerts", "/terminal?id=5&tab=alerts"),
        ("/desktop/entry-exit-logs", "", "/entry-exit-logs"),
        ("/desktop/entry-exit-logs", "date=2026-11-21", "/entry-exit-logs?date=2026-11-21"),
        ("/dashboard/", "", "/dashboard"),
        ("/terminals/", "q=1", "/terminals?q=1"),
        ("/terminals/abc", "", None),
        ("/terminals/5/6", "", None),
        ("/terminals/-5", "", None),
        ("/nowhere", "", None),
        ("//evil.example/", "", None),
    ],
)
def test_an_address_leads_to_its_page_with_its_query(path: str, query: str, page: str | None) -> None:
    assert page_for(path, query, SAMPLE_PATHS) == page


def test_an_address_whose_page_does_not_exist_yet_leads_nowhere() -> None:
    assert page_for("/terminals/5", "", frozenset({"/", "/terminals"})) is None


def test_a_terminals_address_in_the_documents_leads_to_its_page() -> None:
    assert page_for("/terminals/5", "", PATHS) == "/terminal?id=5"


def test_addresses_lead_to_pages_of_one_part_each() -> None:
    """Streamlit supports no others."""
    assert all(page.count("/") == 1 for page, _ in documents.ADDRESSES.values())


def test_the_browser_is_sent_on_only_when_signed_in(signed_in: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell, "PATHS", SAMPLE_PATHS)

    sent_on = signed_in.get("/terminals/5?tab=alerts")
    assert (sent_on.status_code, sent_on.headers["location"]) == (307, "/terminal?id=5&tab=alerts")

    signed_in.cookies.clear()
    first = signed_in.get("/terminals/5")
    assert (first.status_code, first.headers["location"]) == (303, "/login?next=%2Fterminals%2F5")


@pytest.mark.parametrize("path", ["/dashboard", "/terminals"])
def test_the_documents_pages_that_exist_open(signed_in: TestClient, path: str) -> None:
    assert path in PATHS
    assert signed_in.get(path).status_code == 200


def test_the_log_has_the_documents_address_too(signed_in: TestClient) -> None:
    sent_on = signed_in.get("/desktop/entry-exit-logs")
    assert (sent_on.status_code, sent_on.headers["location"]) == (307, "/entry-exit-logs")


def test_a_page_that_does_not_exist_yet_is_not_found(signed_in: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell, "PATHS", PATHS - {"/entry-exit-logs"})
    assert signed_in.get("/desktop/entry-exit-logs").status_code == 404
